// Scans of surrogates in fast arithmetic, against brute force with the portable kernel.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/scorer/trees.hpp"
#include "corbel/search/scan.hpp"
#include "corbel/simulator/simulator.hpp"
#include "corbel/study/surrogate_objective.hpp"
#include "corbel/surrogate/device_kernel.hpp"
#include "scorer/scorer_testing.hpp"

namespace corbel {
namespace {

/// 6 · 3 · 2 · 12 · 5 · 8 · 3 = 51,840 designs.
DesignSpace worded_space() {
  return DesignSpace({Parameter::ordinal("pes", {1, 2, 4, 8, 16, 32}), Parameter::categorical("order", {"x", "y", "z"}),
                      Parameter::boolean("fused"), Parameter::integer("tile", 1, 12), Parameter::integer("banks", 1, 5),
                      Parameter::ordinal("bytes", {1, 2, 4, 8, 16, 32, 64, 128}, "KiB"),
                      Parameter::integer("ports", 1, 3)});
}

/// The same without words, so that formulas have bounds.
DesignSpace numeric_space() {
  std::vector<Parameter> parameters = worded_space().parameters();
  parameters[1] = Parameter::integer("order", 1, 3);
  return DesignSpace(parameters);
}

/// Area grows with everything.
class AreaSimulator final : public Simulator {
 public:
  explicit AreaSimulator(const DesignSpace& space) {
    for (const Parameter& parameter : space.parameters())
      parameters_.push_back({parameter.name(), parameter.unit(), ""});
  }
  const std::string& name() const override { return name_; }
  const std::string& fingerprint() const override { return name_; }
  std::span<const HardwareParameter> hardware_parameters() const override { return parameters_; }
  std::span<const MetricInfo> metrics() const override { return metrics_; }
  std::vector<Outcome> simulate(std::span<const Hardware>, const Network*) const override { return {}; }
  std::vector<double> static_metrics(const Hardware& hardware) const override {
    double area = 1;
    for (const Value& value : hardware) area += std::get<double>(value);
    return {area};
  }

 private:
  std::string name_ = "area";
  std::vector<HardwareParameter> parameters_;
  std::vector<MetricInfo> metrics_ = {{"area_mm2", "", false, true}};
};

struct Case {
  std::string name;
  NetworkKind kind;
  std::int64_t members;
  bool trees;
  bool maximise;
  std::vector<std::string> limits;
  double min_feasibility;
};

bool needs_area(const Case& its) {
  return std::any_of(its.limits.begin(), its.limits.end(),
                     [](const std::string& limit) { return limit.find("area") != std::string::npos; });
}

std::vector<Case> cases() {
  return {{"mlps and trees", NetworkKind::mlp, 3, true, false, {}, 0.5},
          {"a limit on a predicted metric", NetworkKind::mlp, 2, false, false, {"metric_1 <= 6 * banks"}, 0.6},
          {"a limit on a formula", NetworkKind::attention, 1, false, false, {"area_mm2 <= 90", "pes >= tile"}, 0.3},
          {"a maximised objective", NetworkKind::lstm, 1, true, true, {"metric_1 - area_mm2 > -60"}, 0.5},
          {"nothing is feasible", NetworkKind::mlp, 1, false, false, {"metric_1 <= 1e-9"}, 0.9}};
}

Model model_of(const Case& its) {
  const DesignSpace space = needs_area(its) ? numeric_space() : worded_space();
  NetworkSpec spec;
  spec.kind = its.kind;
  spec.hidden = {16, 8};
  // What tiles of bf16 cover, where there are any.
  spec.embedding = its.kind == NetworkKind::attention ? 32 : 8;
  spec.layers = 1;
  spec.heads = 2;
  spec.feed_forward = 32;
  spec.metrics = 2;
  std::vector<MetricTransform> transforms = {{!its.maximise, 1, its.maximise ? -2.0 : 0.7}, {true, 2, 0.5}};
  nlohmann::json metadata = test::metadata_for(space, spec, its.members, transforms);
  TensorMap tensors = test::random_tensors(space, spec, its.members, 17);
  if (its.trees) {
    metadata["trees"] = {{"share", 0.4}};
    StoredTensor nodes, roots;
    Rng rng(3);
    for (int t = 0; t < 60; ++t) {
      const float at = static_cast<float>(5 * t);
      const auto parameter = static_cast<float>(rng.below(space.dimensions()));
      const auto other = static_cast<float>(rng.below(space.dimensions()));
      roots.values.push_back(at);
      nodes.values.insert(nodes.values.end(), {parameter, 1, at + 1, 0, other, 2, at + 3, 0});
      for (int leaf = 0; leaf < 3; ++leaf) {
        nodes.values.insert(nodes.values.end(), {-1, 0, 0, static_cast<float>(0.1 * rng.normal())});
      }
    }
    nodes.shape = {300, 4};
    roots.shape = {60};
    tensors[std::string(Trees::nodes_name)] = std::move(nodes);
    tensors[std::string(Trees::roots_name)] = std::move(roots);
  }
  return Model::from_tensors(std::move(metadata), std::move(tensors));
}

SurrogateObjective objective_of(const Case& its, const Model& model) {
  std::vector<Constraint> limits;
  for (const std::string& limit : its.limits) limits.push_back(Constraint::parse(limit));
  std::shared_ptr<const Simulator> simulator;
  std::optional<HardwareBinding> binding;
  if (needs_area(its)) {
    simulator = std::make_shared<AreaSimulator>(model.space());
    binding.emplace(*simulator, model.space());
  }
  return SurrogateObjective(std::make_shared<ModelPredictor>(model, std::vector<float>{}), "metric_0", limits,
                            its.min_feasibility, {{"metric_1", 0.05}}, simulator, binding,
                            its.maximise ? Direction::maximise : Direction::minimise);
}

/// Those of the scorer, and those on LibTorch's devices that are there.
std::vector<ScorerKernel> all_kernels() {
  std::vector<ScorerKernel> kernels(scorer_kernels().begin(), scorer_kernels().end());
  for (const char* device : {"cpu", "cuda"}) {
    try {
      kernels.push_back(device_kernel(device));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::unsupported);
    }
  }
  return kernels;
}

/// Within the limits that are known exactly, as searches of a surrogate make it.
SearchDomain domain_of(const SurrogateObjective& objective) {
  SearchDomain domain = make_domain(objective.space(), objective.constraints(), {7, 100, 40000});
  if (!objective.has_formula_limits()) return domain;
  SearchDomain exact = domain;
  exact.admits = [domain, &objective](const Design& design) {
    return domain.admits(design) && objective.meets_formulas(design);
  };
  exact.admits_box = [domain, &objective](const DesignBox& box) {
    return std::min(domain.admits_box(box), objective.formula_coverage(box));
  };
  return exact;
}

TEST(SurrogateScreen, LeadsAScanToWhatBruteForceWithTheReferenceFinds) {
  constexpr std::size_t keep = 40;
  const std::vector<ScorerKernel> kernels = all_kernels();
  for (const Case& its : cases()) {
    const Model model = model_of(its);
    const SurrogateObjective reference = objective_of(its, model.with_kernel("portable"));
    const SearchDomain domain = domain_of(reference);
    std::vector<std::pair<Score, DesignId>> all;
    std::vector<Design> designs;
    for (DesignId id = 0; id < model.space().size(); ++id) {
      const Design design = model.space().design(id);
      if (domain.admits && !domain.admits(design)) continue;
      all.emplace_back(Score{}, id);
      designs.push_back(design);
    }
    std::vector<Score> scores(designs.size());
    reference.score(designs, scores);
    for (std::size_t i = 0; i < all.size(); ++i) all[i].first = scores[i];
    std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return better(a.first, b.first); });
    ASSERT_GT(all.size(), 2 * keep) << its.name;
    EXPECT_EQ(all.front().first.feasible(), its.name != "nothing is feasible") << its.name;

    for (const ScorerKernel& kernel : kernels) {
      const SurrogateObjective objective = objective_of(its, model.with_kernel(kernel));
      // LibTorch on this machine's processor is slow.
      const std::size_t most_threads = kernel.name == std::string_view("libtorch") ? 1 : 3;
      for (std::size_t threads = 1; threads <= most_threads; ++threads) {
        for (std::uint64_t shards = 1; shards <= most_threads; shards += 2) {
          std::vector<ScanResult> parts;
          for (std::uint64_t index = 1; index <= shards; ++index) {
            parts.push_back(scan(objective, domain_of(objective),
                                 {.keep = keep, .threads = threads, .shard = {index, shards}}, silent_monitor()));
          }
          const ScanResult found = merge_scans(model.space(), parts, keep);
          EXPECT_EQ(found.scored, all.size());
          EXPECT_EQ(found.ranked_by, model.with_kernel(kernel).kernel(Arithmetic::fast));
          ASSERT_EQ(found.best.size(), keep);
          EXPECT_LT(found.rescored, all.size() / (its.min_feasibility > 0.8 ? 1 : 2)) << its.name;
          for (std::size_t i = 0; i < keep; ++i) {
            const Score& score = found.best[i].score;
            ASSERT_EQ(model.space().id(found.best[i].design), all[i].second)
                << its.name << " " << kernel.name << " " << threads << " " << shards << " " << i;
            // Of single precision, whatever ranked.
            ASSERT_NEAR(score.objective, all[i].first.objective, 2e-5 * std::abs(score.objective) + 1e-6);
            ASSERT_NEAR(score.violation, all[i].first.violation, 1e-4 * (1 + score.violation));
          }
        }
      }
    }
  }
}

TEST(SurrogateScreen, MeasuresHowFarOffItIs) {
  const Case its = cases()[0];
  const Model model = model_of(its);
  const SurrogateObjective objective = objective_of(its, model);
  const std::vector<Design> designs = test::random_designs(model.space(), 500, 4);
  std::vector<Score> scores(500), plain(500);
  const double error = objective.rescore(designs, scores);
  objective.score(designs, plain);
  for (std::size_t i = 0; i < 500; ++i) {
    EXPECT_EQ(scores[i].objective, plain[i].objective);
    EXPECT_EQ(scores[i].violation, plain[i].violation);
  }
  EXPECT_LT(error, 0.1);
  // With that tolerance every design reaches its own score.
  std::vector<DesignId> ids, passed;
  for (const Design& design : designs) ids.push_back(model.space().id(design));
  for (std::size_t i = 0; i < 500; ++i) {
    passed.clear();
    objective.pass(std::span(designs).subspan(i, 1), std::span(ids).subspan(i, 1), plain[i], error, passed);
    EXPECT_EQ(passed.size(), 1u) << i;
  }
  // And few reach the best.
  const Score best = *std::min_element(plain.begin(), plain.end(), better);
  passed.clear();
  objective.pass(designs, ids, best, error, passed);
  EXPECT_GE(passed.size(), 1u);
  EXPECT_LT(passed.size(), 100u);
}

TEST(SurrogateScreen, BoundsFormulasOverBoxes) {
  const Case its = cases()[2];
  const SurrogateObjective objective = objective_of(its, model_of(its));
  Rng rng(5);
  int none = 0, all = 0;
  for (int round = 0; round < 500; ++round) {
    DesignBox box{objective.space().random(rng), objective.space().random(rng)};
    for (std::size_t i = 0; i < box.first.size(); ++i) {
      if (box.first[i] > box.last[i]) std::swap(box.first[i], box.last[i]);
    }
    const Coverage said = objective.formula_coverage(box);
    none += said == Coverage::none ? 1 : 0;
    all += said == Coverage::all ? 1 : 0;
    for (int i = 0; i < 20; ++i) {
      Design inside = box.first;
      for (std::size_t p = 0; p < inside.size(); ++p) {
        inside[p] += static_cast<std::uint32_t>(rng.below(box.last[p] - box.first[p] + 1ULL));
      }
      if (said != Coverage::some) {
        EXPECT_EQ(objective.meets_formulas(inside), said == Coverage::all);
      }
    }
  }
  EXPECT_GT(none, 5);
  EXPECT_GT(all, 20);
}

}  // namespace
}  // namespace corbel
