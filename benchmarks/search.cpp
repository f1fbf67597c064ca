// Cost per suggestion of each strategy on the `edge` space (4.5e8 designs) with 10,000 observations, and of the scan's
// own bookkeeping per design. Items per second are suggestions, or designs.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>

#include "corbel/base/monitor.hpp"
#include "corbel/search/optimise.hpp"

namespace {

using namespace corbel;

constexpr std::size_t observations = 10000;

Score distance_to_corner(const Design& design) {
  double sum = 0;
  for (const std::uint32_t index : design) sum += index * index;
  return {sum, 0};
}

Strategy experienced(const std::string& id) {
  const auto objective = make_objective(DesignSpace::edge(), distance_to_corner);
  Strategy strategy = make_strategy(id, {objective->space(), {}}, {}, 1);
  const SearchOptions options{.budget = observations, .batch = 64, .keep = 1};
  if (optimise(*objective, strategy, options, silent_monitor()).scored != observations) std::abort();
  return strategy;
}

void suggest(benchmark::State& state, const std::string& id) {
  const Strategy start = experienced(id);
  const auto batch = static_cast<std::size_t>(state.range(0));
  {
    Strategy check = start;
    const std::vector<Design> designs = check.ask(batch);
    if (std::set<Design>(designs.begin(), designs.end()).size() != batch) state.SkipWithError("repeated designs");
  }
  Strategy strategy = start;
  std::vector<Evaluation> evaluations;
  for (auto _ : state) {
    evaluations.clear();
    for (Design& design : strategy.ask(batch)) {
      const Score score = distance_to_corner(design);
      evaluations.push_back({std::move(design), score});
    }
    strategy.tell(evaluations);
    // Measured at this number of observations, not at whatever the loop grows to.
    if (strategy.seen() > 2 * observations) {
      state.PauseTiming();
      strategy = start;
      state.ResumeTiming();
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(batch));
}

/// An objective that costs nothing: what remains is the scan itself.
class Free final : public Objective {
 public:
  const DesignSpace& space() const override { return space_; }
  void score(std::span<const Design> designs, std::span<Score> out) const override {
    for (std::size_t i = 0; i < designs.size(); ++i) out[i] = {static_cast<double>(space_.id(designs[i])), 0};
  }
  void score_range(DesignId first, std::span<Score> out) const override {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = {static_cast<double>((first + i) * 2654435761u % 1000003), 0};
  }

 private:
  DesignSpace space_{{Parameter::integer("a", 0, 999), Parameter::integer("b", 0, 999), Parameter::integer("c", 0, 9)}};
};

void scan_bookkeeping(benchmark::State& state) {
  const Free objective;
  const SearchDomain everything{objective.space(), {}};
  const SearchDomain half{objective.space(), [](const Design& design) { return design[1] < 500; }};
  const SearchDomain& domain = state.range(0) ? half : everything;
  if (scan(objective, domain, 1, 1, silent_monitor()).best.at(0).design != Design{0, 0, 0})
    state.SkipWithError("wrong optimum");
  for (auto _ : state) benchmark::DoNotOptimize(scan(objective, domain, 256, 1, silent_monitor()));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(objective.space().size()));
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  for (const StrategyInfo& info : strategies())
    benchmark::RegisterBenchmark(("suggest/" + std::string(info.id)).c_str(), suggest, std::string(info.id))
        ->ArgName("batch")
        ->Arg(1)
        ->Arg(256);
  benchmark::RegisterBenchmark("scan", scan_bookkeeping)->ArgName("constrained")->Arg(0)->Arg(1);
  benchmark::RunSpecifiedBenchmarks();
}
