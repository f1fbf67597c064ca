#include <fmt/format.h>

#include <cmath>

#include "comparisons.hpp"
#include "corbel/base/config.hpp"
#include "corbel/simulator/edge.hpp"

namespace corbel {
namespace {

EdgeSettings settings_of(const Config& configuration) {
  EdgeSettings settings;
  settings.clock_mhz = configuration.at("clock_mhz").number();
  return settings;
}

double peak_tops_of(const Config& configuration) {
  const Config& values = configuration.at("hardware");
  constexpr std::int64_t most = 1 << 20;
  EdgeHardware hardware{};
  hardware.pes_x = values.at("pes_x").integer(1, most);
  hardware.pes_y = values.at("pes_y").integer(1, most);
  hardware.cores = values.at("cores").integer(1, most);
  hardware.compute_lanes = values.at("compute_lanes").integer(1, most);
  return peak_tops(hardware, settings_of(configuration));
}

}  // namespace

Section validate_configurations(const ValidationOptions& options) {
  const Config file = Config::load(options.data / "configurations.yaml");
  file.allow_only({"source", "configurations", "targets"});
  Section section;
  section.name = "configurations";
  section.title = "Published configurations";
  section.source = file.at("source").text();

  ResultTable chips{"configurations",
                    "Peak and area at 7 nm; the means are over the networks that compile:",
                    {{"name", "configuration"},
                     {"published_peak_tops", "published peak TOPS", 2},
                     {"peak_tops", "peak TOPS", 2},
                     {"area_mm2", "area mm²", 1},
                     {"compile", "networks that compile", 0},
                     {"mean_utilisation_percent", "mean utilisation %", 1},
                     {"median_utilisation_percent", "median utilisation %", 1}},
                    {}};
  ResultTable networks{
      "networks", "Latency and utilisation of every network of the zoo:", {{"workload", "network"}}, {}};
  for (const std::string& name : zoo_names()) networks.rows.push_back({{"workload", name}});

  for (const Config& configuration : file.at("configurations").items()) {
    configuration.allow_only({"name", "clock_mhz", "peak_tops", "area_below_mm2", "hardware"});
    const std::string& name = configuration.at("name").text();
    const auto simulator = make_edge_simulator(settings_of(configuration));
    const Hardware hardware = hardware_from(configuration, *simulator);
    const std::size_t latency = metric_index(*simulator, "latency_ms");
    const std::size_t utilisation = metric_index(*simulator, "utilisation");
    networks.columns.push_back({name + "_latency_ms", name + " ms"});
    networks.columns.push_back({name + "_utilisation_percent", name + " utilisation %", 1});
    std::vector<double> utilisations;
    for (nlohmann::json& row : networks.rows) {
      const Network network = load_network(row["workload"].get<std::string>());
      const Outcome outcome = simulator->simulate(std::span(&hardware, 1), &network).front();
      if (outcome.state == OutcomeState::complete) {
        row[name + "_latency_ms"] = outcome.metrics[latency];
        row[name + "_utilisation_percent"] = 100 * outcome.metrics[utilisation];
        utilisations.push_back(100 * outcome.metrics[utilisation]);
      } else {
        row[name + "_latency_ms"] = "does not compile: " + outcome.reason;
      }
    }
    const double published = configuration.at("peak_tops").number();
    const double peak = peak_tops_of(configuration);
    const double area = simulator->static_metrics(hardware)[metric_index(*simulator, "area_mm2")];
    chips.rows.push_back({{"name", name},
                          {"published_peak_tops", published},
                          {"peak_tops", peak},
                          {"area_mm2", area},
                          {"compile", utilisations.size()},
                          {"mean_utilisation_percent", mean(utilisations)},
                          {"median_utilisation_percent", median(utilisations)}});
    section.targets.push_back(target_from(file, "peak_tops_error_percent", name + ": error of peak TOPS %",
                                          100 * std::abs(peak / published - 1)));
    if (const Config* limit = configuration.find("area_below_mm2")) {
      section.targets.push_back({name + ": area mm²", area, 0, limit->number()});
    }
    section.targets.push_back(
        target_from(file, "mean_utilisation_percent", name + ": mean utilisation over the zoo %", mean(utilisations)));
  }
  section.tables = {chips, networks};
  return section;
}

}  // namespace corbel
