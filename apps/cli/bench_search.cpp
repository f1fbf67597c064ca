#include "bench_search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/permutation.hpp"
#include "corbel/search/scan.hpp"
#include "corbel/search/strategy.hpp"
#include "processor_time.hpp"

namespace corbel::cli {
namespace {

constexpr std::size_t least_runs = 3;
/// Of the observations these are suggested by the strategy itself, so that it is measured as it is in a search.
constexpr std::size_t own_observations = 64;

/// A smooth valley whose floor lies just inside a limit; beyond it, where about a third of the designs are, nothing
/// compiles.
Score valley(const DesignSpace& space, const Design& design) {
  double distance = 0, size = 0;
  for (std::size_t i = 0; i < design.size(); ++i) {
    const double place = design[i] / std::max(1.0, space.parameters()[i].count() - 1.0);
    distance += (place - 0.6) * (place - 0.6);
    size += place / static_cast<double>(design.size());
  }
  constexpr double largest = 0.55;
  if (size > largest) return {std::numeric_limits<double>::quiet_NaN(), size - largest};
  return {distance, 0};
}

/// Asks and tells; returns how many designs were suggested.
std::size_t suggest(Strategy& strategy, const DesignSpace& space, std::size_t batch) {
  std::vector<Evaluation> evaluations;
  for (Design& design : strategy.ask(batch)) {
    const Score score = valley(space, design);
    evaluations.push_back({std::move(design), score});
  }
  strategy.tell(evaluations);
  return evaluations.size();
}

Strategy experienced(const std::string& id, const DesignSpace& space, std::size_t batch,
                     const SearchBenchOptions& options, Monitor& monitor) {
  Strategy strategy = make_strategy(id, {space, {}}, {}, options.seed);
  const std::size_t own = std::min(own_observations, options.observations / 2);
  const Permutation order(space.size(), options.seed);
  std::vector<Evaluation> told;
  for (std::size_t i = 0; i + own < options.observations; ++i) {
    Design design = space.design(order.at(i));
    const Score score = valley(space, design);
    told.push_back({std::move(design), score});
  }
  strategy.tell(told);
  while (strategy.seen() < options.observations) {
    monitor.check();
    suggest(strategy, space, std::min<std::size_t>(batch, options.observations - strategy.seen()));
  }
  Strategy check = strategy;
  const std::vector<Design> designs = check.ask(batch);
  if (std::set<Design>(designs.begin(), designs.end()).size() != batch) {
    throw Error(ErrorCode::mismatch, fmt::format("strategy {} suggests too few designs, or one twice", id),
                "this is a fault of the strategy: please report it");
  }
  return strategy;
}

/// What remains of a scan is the scan itself.
class Free final : public Objective {
 public:
  explicit Free(DesignSpace space) : space_(std::move(space)) {}
  const DesignSpace& space() const override { return space_; }
  void score(std::span<const Design> designs, std::span<Score> out) const override {
    for (std::size_t i = 0; i < designs.size(); ++i) out[i] = score_of(space_.id(designs[i]));
  }
  void score_range(DesignId first, std::span<Score> out) const override {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = score_of(first + i);
  }

 private:
  static Score score_of(DesignId id) { return {static_cast<double>(id * 2654435761U % 1'000'003), 0}; }
  DesignSpace space_;
};

/// `edge` without the first two of its parameters.
DesignSpace one_pe() {
  const DesignSpace edge = DesignSpace::edge();
  const std::vector<Parameter>& all = edge.parameters();
  return DesignSpace(std::vector<Parameter>(all.begin() + 2, all.end()));
}

ScanCost measure_scan(const Objective& objective, const SearchDomain& domain, const SearchBenchOptions& options,
                      Monitor& monitor) {
  ScanCost cost;
  cost.designs = objective.space().size();
  std::vector<double> times;
  double spent = 0;
  while (times.size() < least_runs || spent < options.seconds) {
    const double start = processor_seconds();
    const ScanResult result = scan(objective, domain, {.threads = 1}, monitor);
    times.push_back(processor_seconds() - start);
    spent += times.back();
    cost.scored = result.scored;
    cost.pruned = result.pruned;
  }
  cost.runs = times.size();
  cost.ns = Spread::of(times).times(1e9 / static_cast<double>(cost.designs));
  return cost;
}

std::vector<DesignId> best_ids(const Objective& objective, const SearchDomain& domain) {
  std::vector<DesignId> ids;
  for (const Evaluation& each : scan(objective, domain, {.keep = 16, .threads = 1}, silent_monitor()).best) {
    ids.push_back(objective.space().id(each.design));
  }
  return ids;
}

}  // namespace

SuggestionCost bench_suggestions(const std::string& id, std::size_t batch, const SearchBenchOptions& options,
                                 Monitor& monitor) {
  const DesignSpace space = DesignSpace::edge();
  const Strategy start = experienced(id, space, batch, options, monitor);
  SuggestionCost cost;
  cost.strategy = id;
  cost.observations = options.observations;
  cost.parameters = space.dimensions();
  cost.batch = batch;
  std::vector<double> times;
  double spent = 0;
  while (times.empty() || spent < options.seconds ||
         (times.size() < least_runs && spent < least_runs * options.seconds)) {
    Strategy strategy = start;
    std::size_t suggested = 0;
    const double begin = processor_seconds();
    while (suggested < options.suggestions) {
      monitor.check();
      suggested += suggest(strategy, space, batch);
      // Reading the clock costs as much as a cheap suggestion: not every time.
      if (suggested % 16 == 0 && processor_seconds() - begin > options.seconds) break;
    }
    const double time = processor_seconds() - begin;
    spent += time;
    times.push_back(1e3 * time / static_cast<double>(suggested));
    cost.suggestions = suggested;
    monitor.progress("bench", times.size(), 0, id);
  }
  cost.runs = times.size();
  cost.ms = Spread::of(times);
  return cost;
}

std::vector<ScanCost> bench_scan(const SearchBenchOptions& options, Monitor& monitor) {
  const Free objective(one_pe());
  const DesignSpace& space = objective.space();
  std::vector<ScanCost> costs = {measure_scan(objective, {space, {}}, options, monitor)};
  // On the first parameters, whose boxes are large, and on the last ones, whose boxes are small.
  for (const char* limit : {"compute_lanes * cores <= 128", "activation_memory + parameter_memory <= 8192"}) {
    const BoundConstraint constraint(Constraint::parse(limit), space, {});
    const SearchDomain with_boxes = make_domain(space, std::span(&constraint, 1));
    SearchDomain one_by_one = with_boxes;
    one_by_one.admits_box = {};
    if (best_ids(objective, with_boxes) != best_ids(objective, one_by_one)) {
      throw Error(ErrorCode::mismatch, fmt::format("the scan finds other designs when boxes are tested for {}", limit),
                  "this is a fault of the scan: please report it");
    }
    for (const bool boxes : {false, true}) {
      costs.push_back(measure_scan(objective, boxes ? with_boxes : one_by_one, options, monitor));
      costs.back().limit = limit;
      costs.back().boxes = boxes;
    }
  }
  return costs;
}

}  // namespace corbel::cli
