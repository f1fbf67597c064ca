#include "bench_ranking.hpp"

#include <cmath>
#include <functional>

#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/random.hpp"
#include "corbel/scorer/ensemble.hpp"
#include "corbel/scorer/trees.hpp"
#include "corbel/search/scan.hpp"
#include "processor_time.hpp"

namespace corbel::cli {
namespace {

constexpr std::size_t least_runs = 3;
constexpr std::size_t batch = 4096;

/// Costs nothing, and lets nothing pass but what is asked for before there is a bar.
class Free final : public Objective, public Screen {
 public:
  Free(DesignSpace space, bool screens) : space_(std::move(space)), screens_(screens) {}
  const DesignSpace& space() const override { return space_; }
  const Screen* screen() const override { return screens_ ? this : nullptr; }
  void score(std::span<const Design> designs, std::span<Score> out) const override {
    for (std::size_t i = 0; i < designs.size(); ++i) out[i] = {static_cast<double>(space_.id(designs[i])), 0};
  }
  void score_range(DesignId first, std::span<Score> out) const override {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = {static_cast<double>(first + i), 0};
  }
  std::string name() const override { return "free"; }
  void pass_range(DesignId, std::size_t, const Score&, double, std::vector<DesignId>&) const override {}
  void pass(std::span<const Design>, std::span<const DesignId>, const Score&, double,
            std::vector<DesignId>&) const override {}
  double rescore(std::span<const Design> designs, std::span<Score> out) const override {
    score(designs, out);
    return 0;
  }

 private:
  DesignSpace space_;
  bool screens_;
};

/// 400 trees of depth 6, which is what `train` makes for thousands of rows.
Trees random_trees(const DesignSpace& space, std::uint64_t seed) {
  Rng rng(seed);
  StoredTensor nodes, roots;
  const auto grow = [&](const auto& self, std::size_t at, int depth) -> void {
    float* const row = nodes.values.data() + 4 * at;
    if (depth == 0) {
      row[0] = -1;
      row[3] = static_cast<float>(rng.normal());
      return;
    }
    const auto parameter = static_cast<std::size_t>(rng.below(space.dimensions()));
    const std::size_t left = nodes.values.size() / 4;
    row[0] = static_cast<float>(parameter);
    row[1] = static_cast<float>(1 + rng.below(space.parameters()[parameter].count() - 1ULL));
    row[2] = static_cast<float>(left);
    nodes.values.resize(nodes.values.size() + 8);
    self(self, left, depth - 1);
    self(self, left + 1, depth - 1);
  };
  for (int tree = 0; tree < 400; ++tree) {
    roots.values.push_back(static_cast<float>(nodes.values.size() / 4));
    nodes.values.resize(nodes.values.size() + 4);
    grow(grow, nodes.values.size() / 4 - 1, 6);
  }
  nodes.shape = {static_cast<std::int64_t>(nodes.values.size() / 4), 4};
  roots.shape = {static_cast<std::int64_t>(roots.values.size())};
  return Trees(space, {{std::string(Trees::nodes_name), nodes}, {std::string(Trees::roots_name), roots}});
}

}  // namespace

std::vector<RankingCost> bench_ranking(const SearchBenchOptions& options, Monitor& monitor) {
  const std::vector<Parameter> edge = DesignSpace::edge().parameters();
  const DesignSpace space(std::vector<Parameter>(edge.begin() + 2, edge.end()));
  std::vector<RankingCost> costs;
  const auto measure = [&](const std::string& part, std::uint64_t designs, const std::function<void()>& work) {
    std::vector<double> times;
    double spent = 0;
    while (times.size() < least_runs || spent < options.seconds / 2) {
      monitor.check();
      const double start = processor_seconds();
      work();
      const double seconds = processor_seconds() - start;
      spent += seconds;
      times.push_back(1e9 * seconds / static_cast<double>(designs));
    }
    RankingCost cost{part, Spread::of(times), 1};
    if (!costs.empty()) cost.ratio_to_walk = cost.ns.median / costs.front().ns.median;
    costs.push_back(cost);
  };
  for (const bool screens : {false, true}) {
    const Free objective(space, screens);
    measure(screens ? "walk with a screen" : "walk", space.size(), [&] {
      scan(objective, {space, {}}, {.threads = 1}, monitor);
    });
  }

  const Trees trees = random_trees(space, options.seed);
  std::vector<float> along(batch), alone(batch);
  std::vector<Design> following;
  for (DesignId id = 0; id < batch; ++id) following.push_back(space.design(id));
  trees.evaluate_range(0, batch, along.data());
  trees.evaluate(following, alone.data());
  if (along != alone) {
    throw Error(ErrorCode::mismatch, "the trees say different things along the enumeration and of single designs",
                "this is a fault of the scorer: please report it");
  }
  measure("trees, along the enumeration", space.size() / batch * batch, [&] {
    for (DesignId first = 0; first + batch <= space.size(); first += batch) {
      trees.evaluate_range(first, batch, along.data());
    }
  });
  Rng rng(options.seed);
  std::vector<Design> random;
  for (std::size_t i = 0; i < batch; ++i) random.push_back(space.random(rng));
  measure("trees, random designs", batch, [&] { trees.evaluate(random, alone.data()); });

  const Ensemble ensemble{3, {{true, 1, 0.5}}, true, true, 0.5};
  std::vector<float> outputs(ensemble.members * ensemble.width() * batch);
  for (float& output : outputs) output = static_cast<float>(rng.normal());
  Outputs combined{batch, std::vector<float>(batch), {std::vector<float>(ensemble.members * batch)}};
  Predictions predictions{std::vector<double>(batch), std::vector<double>(batch), std::vector<double>(batch)};
  constexpr int repeats = 100;
  measure("outputs put together, to rank", repeats * batch, [&] {
    for (int i = 0; i < repeats; ++i) {
      ensemble.combine(outputs.data(), batch, along.data(), 0, batch, combined);
    }
  });
  measure("outputs put together, in units", batch,
          [&] { ensemble.combine(outputs.data(), batch, along.data(), 0, batch, predictions); });
  for (std::size_t i = 0; i < batch; ++i) {
    const double ranked = ensemble.transforms[0].restore(combined.metrics[i]);
    if (!(std::abs(ranked - predictions.metrics[i]) <= 1e-4 * predictions.metrics[i])) {
      throw Error(ErrorCode::mismatch, "outputs put together to rank are not those in units",
                  "this is a fault of the scorer: please report it");
    }
  }
  return costs;
}

}  // namespace corbel::cli
