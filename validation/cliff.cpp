#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "comparisons.hpp"
#include "corbel/base/config.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/parallel.hpp"
#include "corbel/search/optimise.hpp"
#include "corbel/simulator/edge.hpp"
#include "figures.hpp"

namespace corbel {
namespace {

/// Where a design's weights have to be.
struct Residency {
  double min, below;  ///< min <= share < below
  double violation(double share) const { return share < min ? min - share : share >= below ? share - below + 1e-3 : 0; }
};

/// Latency under the area limit, with the weights where `Residency` wants them. Violations are ordered so that a search
/// is led from too large a chip, over one that does not compile, to one whose weights lie elsewhere.
class ResidencyObjective final : public Objective {
 public:
  ResidencyObjective(const Simulator& simulator, const Network& network, double area_limit, Residency residency,
                     std::size_t threads)
      : space_(DesignSpace::edge()),
        simulator_(simulator),
        binding_(simulator, space_),
        network_(network),
        area_limit_(area_limit),
        residency_(residency),
        threads_(threads),
        latency_(metric_index(simulator, "latency_ms")),
        area_(metric_index(simulator, "area_mm2")),
        resident_(metric_index(simulator, "resident_weight_share")) {}

  const DesignSpace& space() const override { return space_; }
  void score(std::span<const Design> designs, std::span<Score> out) const override {
    parallel_for(designs.size(), threads_, 64, [&](std::size_t begin, std::size_t end) {
      std::vector<Hardware> hardware;
      for (std::size_t i = begin; i < end; ++i) hardware.push_back(binding_.hardware(designs[i]));
      const std::vector<Outcome> outcomes = simulator_.simulate(hardware, &network_);
      for (std::size_t i = begin; i < end; ++i) out[i] = score(outcomes[i - begin]);
    });
  }
  std::size_t preferred_batch() const override { return 256; }

  Score score(const Outcome& outcome) const {
    constexpr double no_objective = std::numeric_limits<double>::quiet_NaN();
    const double area = outcome.metrics[area_];
    if (area > area_limit_) return {no_objective, 2 + area / area_limit_};
    if (outcome.state != OutcomeState::complete) return {no_objective, 2};
    return {outcome.metrics[latency_], residency_.violation(outcome.metrics[resident_])};
  }

 private:
  DesignSpace space_;
  const Simulator& simulator_;
  HardwareBinding binding_;
  const Network& network_;
  double area_limit_;
  Residency residency_;
  std::size_t threads_;
  std::size_t latency_, area_, resident_;
};

/// The best of the sample and of a firefly search that starts from it.
Evaluation best_design(const ResidencyObjective& objective, const Sample& sample, const ValidationOptions& options) {
  TopDesigns best(64);
  for (std::size_t i = 0; i < sample.designs.size(); ++i) {
    best.offer(sample.designs[i], objective.space().id(sample.designs[i]), objective.score(sample.outcomes[i]));
  }
  const std::vector<Evaluation> start = best.sorted();
  Strategy firefly = make_strategy("firefly", {objective.space(), {}}, {}, options.seed);
  firefly.tell(start);
  const SearchOptions search{.budget = options.designs, .batch = 64, .keep = 1};
  const SearchResult result = optimise(objective, firefly, search, silent_monitor());
  if (result.best.empty()) return start.front();
  return better(start.front().score, result.best.front().score) ? start.front() : result.best.front();
}

}  // namespace

Section validate_cliff(const ValidationOptions& options) {
  const Config file = Config::load(options.data / "cliff.yaml");
  file.allow_only({"source", "workloads", "area_mm2", "resident_weight_share", "streamed_weight_share", "targets"});
  const double area_limit = file.at("area_mm2").number();
  const double resident_share = file.at("resident_weight_share").number(0, 1);
  const double streamed_share = file.at("streamed_weight_share").number(0, 1);
  Section section;
  section.name = "cliff";
  section.title = "The parameter-caching cliff";
  section.source = file.at("source").text();

  ResultTable latencies{"workloads",
                        fmt::format("Best latency in µs under {} mm², of {} random designs and as many of a firefly "
                                    "search; shares are of the random designs that compile, of any area:",
                                    area_limit, options.designs),
                        {{"workload", "network"},
                         {"resident_us", fmt::format("weights on chip >= {:.0f} %", 100 * resident_share), 1},
                         {"streamed_us", fmt::format("weights on chip < {:.0f} %", 100 * streamed_share), 1},
                         {"streamed_over_resident", "ratio", 2},
                         {"sample_resident_percent", "designs with all weights on chip %", 1},
                         {"sample_streamed_percent", fmt::format("with < {:.0f} %", 100 * streamed_share), 1}},
                        {}};
  ResultTable designs{"designs",
                      "The designs:",
                      {{"workload", "network"}, {"weights", "weights"}, {"latency_us", "µs", 1}, {"design", "design"}},
                      {}};
  const auto simulator = make_edge_simulator();
  const std::size_t resident = metric_index(*simulator, "resident_weight_share");
  const std::size_t latency = metric_index(*simulator, "latency_ms");
  const std::size_t area = metric_index(*simulator, "area_mm2");
  std::vector<Cliff> cliffs;
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for (const std::string& name : file.at("workloads").texts()) {
    const Network network = load_network(name);
    const Sample sample = simulate_sample(*simulator, network, options);
    double compile = 0, all_resident = 0, streamed = 0;
    Cliff cliff{name, {}, {}};
    for (const Outcome& outcome : sample.outcomes) {
      if (outcome.state != OutcomeState::complete) continue;
      ++compile;
      if (outcome.metrics[area] <= area_limit) {
        cliff.designs.push_back({outcome.metrics[resident], 1e3 * outcome.metrics[latency]});
      }
      if (outcome.metrics[resident] >= resident_share) ++all_resident;
      if (outcome.metrics[resident] < streamed_share) ++streamed;
    }
    struct Side {
      const char* name;
      Residency residency;
    };
    const std::array<Side, 2> sides = {{{"on chip", {resident_share, infinity}}, {"streamed", {0, streamed_share}}}};
    std::array<double, 2> best_us{};
    for (std::size_t i = 0; i < sides.size(); ++i) {
      const ResidencyObjective objective(*simulator, network, area_limit, sides[i].residency, options.threads);
      const Evaluation best = best_design(objective, sample, options);
      best_us[i] = best.score.feasible() ? 1e3 * best.score.objective : std::numeric_limits<double>::quiet_NaN();
      if (!best.score.feasible()) continue;
      designs.rows.push_back({{"workload", name},
                              {"weights", sides[i].name},
                              {"latency_us", best_us[i]},
                              {"design", objective.space().design_text(best.design)}});
      const Hardware hardware = HardwareBinding(*simulator, objective.space()).hardware(best.design);
      const double share = simulator->simulate(std::span(&hardware, 1), &network).front().metrics[resident];
      cliff.best.push_back({share, best_us[i], fmt::format("best {}: {:.0f} µs", sides[i].name, best_us[i])});
    }
    cliffs.push_back(std::move(cliff));
    const double ratio = best_us[1] / best_us[0];
    latencies.rows.push_back({{"workload", name},
                              {"resident_us", best_us[0]},
                              {"streamed_us", best_us[1]},
                              {"streamed_over_resident", ratio},
                              {"sample_resident_percent", 100 * all_resident / compile},
                              {"sample_streamed_percent", 100 * streamed / compile}});
    section.targets.push_back(target_from(file, "streamed_over_resident", name + ": streamed over on chip", ratio));
  }
  section.tables = {latencies, designs};
  section.figures = {cliff_figure(cliffs, area_limit, options.designs)};
  return section;
}

}  // namespace corbel
