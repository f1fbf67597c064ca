#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "comparisons.hpp"
#include "corbel/base/config.hpp"
#include "corbel/base/error.hpp"
#include "corbel/simulator/edge.hpp"
#include "figures.hpp"

namespace corbel {
namespace {

struct Measurement {
  Network network;
  double measured_ms;
};

std::vector<Measurement> read_measurements(const Config& list, const std::filesystem::path& folder) {
  std::vector<Measurement> measurements;
  for (const Config& item : list.items()) {
    item.allow_only({"workload", "measured_ms"});
    measurements.push_back(
        {load_network(item.at("workload").text(), folder), item.at("measured_ms").number(1e-6, 1e6)});
  }
  return measurements;
}

/// What lies outside the chip, and is fitted.
struct Host {
  double latency_us;
  double bandwidth_gbs;
};

class Coral {
 public:
  explicit Coral(const Config& file) : clock_mhz_(file.at("clock_mhz").number()) {
    const auto simulator = make_edge_simulator();
    hardware_ = hardware_from(file, *simulator);
    const auto parameters = simulator->hardware_parameters();
    const auto bandwidth = std::find_if(parameters.begin(), parameters.end(),
                                        [](const HardwareParameter& each) { return each.name == "dram_bandwidth"; });
    bandwidth_index_ = static_cast<std::size_t>(bandwidth - parameters.begin());
  }

  Host host_of(const Config& file) const {
    return {file.at("host_latency_us").number(), std::get<double>(hardware_[bandwidth_index_])};
  }
  std::unique_ptr<Simulator> simulator(const Host& host) const {
    EdgeSettings settings;
    settings.clock_mhz = clock_mhz_;
    settings.host_latency_us = host.latency_us;
    return make_edge_simulator(settings);
  }
  Hardware hardware(const Host& host) const {
    Hardware hardware = hardware_;
    hardware[bandwidth_index_] = host.bandwidth_gbs;
    return hardware;
  }
  Outcome simulate(const Simulator& simulator, const Host& host, const Network& network) const {
    const Hardware values = hardware(host);
    return simulator.simulate(std::span(&values, 1), &network).front();
  }

 private:
  double clock_mhz_;
  Hardware hardware_;
  std::size_t bandwidth_index_ = 0;
};

double log_error_squared(const Coral& coral, const Host& host, const std::vector<Measurement>& measurements) {
  const auto simulator = coral.simulator(host);
  const std::size_t latency = metric_index(*simulator, "latency_ms");
  double sum = 0;
  for (const Measurement& each : measurements) {
    const Outcome outcome = coral.simulate(*simulator, host, each.network);
    if (outcome.state != OutcomeState::complete) {
      throw Error(ErrorCode::invalid_input, fmt::format("{}: {}", each.network.name, outcome.detail),
                  "a fit needs every network to compile");
    }
    const double error = std::log(outcome.metrics[latency] / each.measured_ms);
    sum += error * error;
  }
  return sum;
}

/// Least squares of the logarithm of modelled over measured time, by a pattern search in the logarithms of both
/// constants: steps that shrink around the best point so far, down to 0.1 %.
Host fit(const Coral& coral, Host best, const std::vector<Measurement>& measurements) {
  double least = log_error_squared(coral, best, measurements);
  for (double step = 1.5; step > 1.001;) {
    const std::array<Host, 4> around = {{{best.latency_us * step, best.bandwidth_gbs},
                                         {best.latency_us / step, best.bandwidth_gbs},
                                         {best.latency_us, best.bandwidth_gbs * step},
                                         {best.latency_us, best.bandwidth_gbs / step}}};
    bool improved = false;
    for (const Host& host : around) {
      const double sum = log_error_squared(coral, host, measurements);
      if (sum >= least) continue;
      least = sum;
      best = host;
      improved = true;
    }
    if (!improved) step = std::sqrt(step);
  }
  return best;
}

struct Errors {
  std::vector<double> absolute_percent, measured, modelled;
};

ResultTable compare(const Coral& coral, const Host& host, const std::vector<Measurement>& measurements,
                    Errors& errors) {
  ResultTable table;
  table.columns = {{"workload", "network"},
                   {"measured_ms", "measured ms", 1},
                   {"modelled_ms", "modelled ms", 1},
                   {"error_percent", "error %", 1},
                   {"resident_percent", "weights on chip %", 0},
                   {"utilisation_percent", "utilisation %", 1},
                   {"infeasible", "does not compile"}};
  const auto simulator = coral.simulator(host);
  const std::size_t latency = metric_index(*simulator, "latency_ms");
  const std::size_t resident = metric_index(*simulator, "resident_weight_share");
  const std::size_t utilisation = metric_index(*simulator, "utilisation");
  for (const Measurement& each : measurements) {
    const Outcome outcome = coral.simulate(*simulator, host, each.network);
    nlohmann::json row = {{"workload", each.network.name}, {"measured_ms", each.measured_ms}};
    if (outcome.state == OutcomeState::complete) {
      const double error = 100 * (outcome.metrics[latency] / each.measured_ms - 1);
      row["modelled_ms"] = outcome.metrics[latency];
      row["error_percent"] = error;
      row["resident_percent"] = 100 * outcome.metrics[resident];
      row["utilisation_percent"] = 100 * outcome.metrics[utilisation];
      errors.absolute_percent.push_back(std::abs(error));
      errors.measured.push_back(each.measured_ms);
      errors.modelled.push_back(outcome.metrics[latency]);
    } else {
      row["infeasible"] = outcome.reason;
    }
    table.rows.push_back(row);
  }
  const bool all_compile = errors.measured.size() == measurements.size();
  if (all_compile) table.columns.pop_back();
  return table;
}

}  // namespace

Section validate_coral(const ValidationOptions& options) {
  const Config file = Config::load(options.data / "coral.yaml");
  file.allow_only(
      {"source", "hardware", "clock_mhz", "host_latency_us", "networks", "held_out", "variants", "targets"});
  Section section;
  const Coral coral(file);
  const std::vector<Measurement> measurements = read_measurements(file.at("networks"), options.data);
  Host host = coral.host_of(file);
  if (options.fit) host = fit(coral, host, measurements);

  section.name = "coral";
  section.title = "Coral Edge TPU";
  section.source = file.at("source").text();
  Errors errors, held_out, variants;
  section.tables.push_back(compare(coral, host, measurements, errors));
  section.tables.back().key = "networks";
  section.tables.back().title = "The networks that host latency and bandwidth are fitted to:";
  section.tables.push_back(compare(coral, host, read_measurements(file.at("held_out"), options.data), held_out));
  section.tables.back().key = "held_out";
  section.tables.back().title = "Networks that nothing was fitted to:";
  section.tables.push_back(compare(coral, host, read_measurements(file.at("variants"), options.data), variants));
  section.tables.back().key = "variants";
  section.tables.back().title = "Other readings of entries that are fitted to:";
  const bool all_compile = errors.measured.size() == measurements.size();
  constexpr double undetermined = std::numeric_limits<double>::quiet_NaN();
  section.targets = {target_from(file, "median_error_percent", "median of absolute errors %",
                                 all_compile ? median(errors.absolute_percent) : undetermined),
                     target_from(file, "spearman", "Spearman's rank correlation",
                                 all_compile ? spearman(errors.measured, errors.modelled) : undetermined)};
  section.notes.push_back(
      fmt::format("Host latency {:.0f} µs, bandwidth {:.3f} GB/s{}.", host.latency_us, host.bandwidth_gbs,
                  options.fit ? ", fitted now by least squares of the logarithm of modelled over measured "
                                "time"
                              : " (`corbel_validation coral --fit` repeats the fit)"));
  section.notes.push_back(
      fmt::format("Median of absolute errors of the {} networks that compile and that nothing was fitted "
                  "to: {:.1f} %.",
                  held_out.measured.size(), median(held_out.absolute_percent)));
  section.figures = {coral_figure(section.tables[0], section.tables[1], section.tables[2], section.targets[0].max)};
  return section;
}

}  // namespace corbel
