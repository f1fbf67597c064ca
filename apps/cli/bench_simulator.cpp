#include "bench_simulator.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <set>

#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/permutation.hpp"
#include "corbel/base/statistics.hpp"
#include "corbel/simulator/simulator.hpp"
#include "processor_time.hpp"

namespace corbel::cli {
namespace {

constexpr std::size_t batch = 256;
constexpr std::size_t least_runs = 3;

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double peak_memory_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024 / 1e6;
}

bool same(const Outcome& a, const Outcome& b) {
  const auto same_bits = [](double x, double y) {
    return std::bit_cast<std::uint64_t>(x) == std::bit_cast<std::uint64_t>(y);
  };
  return a.state == b.state && a.reason == b.reason && a.detail == b.detail &&
         std::equal(a.metrics.begin(), a.metrics.end(), b.metrics.begin(), b.metrics.end(), same_bits);
}

std::size_t count_distinct(const Network& network) {
  // A fingerprint covers what decides a layer's cost; names and operands are made equal before it is taken.
  std::set<std::string> distinct;
  for (Layer layer : network.layers) {
    layer.name.clear();
    layer.inputs.clear();
    Network alone;
    alone.layers.push_back(std::move(layer));
    distinct.insert(alone.fingerprint());
  }
  return distinct.size();
}

/// The designs at positions [0, n) of a pseudo-random order of the space, drawn again in every run.
class Designs {
 public:
  Designs(const Simulator& simulator, std::uint64_t seed)
      : space_(DesignSpace::edge()), binding_(simulator, space_), order_(space_.size(), seed) {}

  void draw(std::uint64_t first, std::size_t n, std::vector<Hardware>& hardware) {
    hardware.clear();
    for (std::size_t i = 0; i < n; ++i) {
      space_.design(order_.at(first + i), design_);
      hardware.push_back(binding_.hardware(design_));
    }
  }
  std::uint64_t most() const { return space_.size(); }

 private:
  DesignSpace space_;
  HardwareBinding binding_;
  Permutation order_;
  Design design_;
};

/// Simulates `count` designs, `at_once` per call; returns how many are feasible.
std::uint64_t simulate_all(const Simulator& simulator, const Network& network, Designs& designs, std::uint64_t count,
                           std::size_t at_once) {
  std::uint64_t feasible = 0;
  std::vector<Hardware> hardware;
  for (std::uint64_t first = 0; first < count; first += at_once) {
    designs.draw(first, static_cast<std::size_t>(std::min<std::uint64_t>(at_once, count - first)), hardware);
    for (const Outcome& outcome : simulator.simulate(hardware, &network)) {
      if (outcome.state == OutcomeState::complete) ++feasible;
    }
  }
  return feasible;
}

void check_batches(const Simulator& simulator, const Network& network, Designs& designs, std::uint64_t count) {
  std::vector<Hardware> hardware;
  designs.draw(0, static_cast<std::size_t>(std::min<std::uint64_t>(count, batch)), hardware);
  const std::vector<Outcome> together = simulator.simulate(hardware, &network);
  for (std::size_t i = 0; i < hardware.size(); ++i) {
    if (same(together[i], simulator.simulate(std::span(&hardware[i], 1), &network).front())) continue;
    throw Error(ErrorCode::mismatch,
                fmt::format("{}: design {} has another outcome alone than in a batch", network.name, i),
                "this is a fault of the simulator: please report it");
  }
}

}  // namespace

SimulatorBenchResult bench_simulator(const Simulator& simulator, const Network& network,
                                     const SimulatorBenchOptions& options, Monitor& monitor) {
  Designs designs(simulator, options.seed);
  const std::uint64_t count = std::min(options.designs, designs.most());
  check_batches(simulator, network, designs, count);

  SimulatorBenchResult result;
  result.peak_memory_first_batch_mb = peak_memory_mb();
  result.workload = network.name;
  result.layers = network.layers.size();
  result.distinct_layers = count_distinct(network);
  result.designs = count;
  std::vector<double> rates, wall_rates, one_by_one;
  const double start = wall_seconds();
  // Single calls are the baseline: measured in turn with the batches, so that both meet the same machine.
  const std::uint64_t single_count = std::min<std::uint64_t>(count, std::max<std::uint64_t>(count / 10, batch));
  while (rates.size() < least_runs || wall_seconds() - start < options.seconds) {
    monitor.check();
    const double wall = wall_seconds(), processor = processor_seconds();
    const std::uint64_t feasible = simulate_all(simulator, network, designs, count, batch);
    rates.push_back(static_cast<double>(count) / (processor_seconds() - processor));
    wall_rates.push_back(static_cast<double>(count) / (wall_seconds() - wall));
    result.feasible_share = static_cast<double>(feasible) / static_cast<double>(count);
    const double single = processor_seconds();
    simulate_all(simulator, network, designs, single_count, 1);
    one_by_one.push_back(static_cast<double>(single_count) / (processor_seconds() - single));
    monitor.progress("bench", rates.size() * count, 0, network.name);
  }
  result.peak_memory_mb = peak_memory_mb();
  result.runs = rates.size();
  result.rate = Spread::of(rates);
  result.wall_rate = median(wall_rates);
  result.one_by_one_rate = median(one_by_one);

  const double layer_designs = static_cast<double>(result.distinct_layers) * static_cast<double>(count);
  const double nanoseconds = 1e9 / result.rate.median * static_cast<double>(count);
  result.nanoseconds_per_layer = nanoseconds / layer_designs;
  std::uint64_t mappings = 0;
  std::vector<Hardware> hardware;
  for (std::uint64_t first = 0; first < count; first += batch) {
    designs.draw(first, static_cast<std::size_t>(std::min<std::uint64_t>(batch, count - first)), hardware);
    mappings += simulator.layer_mappings(hardware, network);
  }
  if (mappings > 0) {
    result.mappings_per_layer = static_cast<double>(mappings) / layer_designs;
    result.nanoseconds_per_layer_mapping = nanoseconds / static_cast<double>(mappings);
  }
  return result;
}

}  // namespace corbel::cli
