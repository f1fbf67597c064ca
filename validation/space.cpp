#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "comparisons.hpp"
#include "corbel/base/config.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/parallel.hpp"
#include "corbel/simulator/edge.hpp"
#include "figures.hpp"

namespace corbel {
namespace {

struct Application {
  std::string workload;
  bool recurrent;
  double published_percent, published_min_us, published_mean_us, published_max_us;
};

std::vector<Application> read_applications(const Config& list) {
  std::vector<Application> applications;
  for (const Config& item : list.items()) {
    item.allow_only({"workload", "infeasible", "feasible", "runtime_us", "recurrent"});
    const double infeasible = item.at("infeasible").number(), feasible = item.at("feasible").number();
    const std::vector<Config>& runtimes = item.at("runtime_us").items();
    if (runtimes.size() != 3) throw item.at("runtime_us").error("runtime_us is not [min, mean, max]");
    applications.push_back({item.at("workload").text(), item.has("recurrent") && item.at("recurrent").boolean(),
                            100 * feasible / (feasible + infeasible), runtimes[0].number(), runtimes[1].number(),
                            runtimes[2].number()});
  }
  return applications;
}

double percent(std::size_t part, std::size_t whole) {
  return whole == 0 ? 0 : 100 * static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

Section validate_space(const ValidationOptions& options) {
  const Config file = Config::load(options.data / "space.yaml");
  file.allow_only({"source", "applications", "targets"});
  const std::vector<Application> applications = read_applications(file.at("applications"));
  Section section;
  section.name = "space";
  section.title = "Random designs of the space `edge`";
  section.source = file.at("source").text();

  ResultTable shares{"applications",
                     fmt::format("{} designs per network, no limit on area, latency in µs:", options.designs),
                     {{"workload", "network"},
                      {"published_compiles_percent", "published: compiles %", 1},
                      {"compiles_percent", "compiles %", 1},
                      {"published_mean_over_min", "published: mean / min", 2},
                      {"mean_over_min", "mean / min", 2},
                      {"published_min_us", "published: min", 0},
                      {"min_us", "min", 0},
                      {"median_us", "median", 0},
                      {"published_mean_us", "published: mean", 0},
                      {"mean_us", "mean", 0},
                      {"max_us", "max", 0},
                      {"resident_percent", "all weights on chip %", 1},
                      {"designs_per_second_per_core", "designs/s per core", 0}},
                     {}};
  ResultTable reasons{"reasons", "Why the others do not compile, % of all designs:", {{"workload", "network"}}, {}};
  std::set<std::string> reasons_seen;
  std::vector<LatencyDistribution> distributions;

  const auto simulator = make_edge_simulator();
  const std::size_t latency = metric_index(*simulator, "latency_ms");
  const std::size_t resident = metric_index(*simulator, "resident_weight_share");
  const std::string& least_expected = file.at("targets").at("compiles_least").text();
  double least_percent = std::numeric_limits<double>::quiet_NaN();
  double least_other = std::numeric_limits<double>::infinity();
  const double threads = static_cast<double>(options.threads == 0 ? available_cores() : options.threads);
  for (const Application& application : applications) {
    const Sample sample = simulate_sample(*simulator, load_network(application.workload), options);
    std::vector<double> runtimes;
    std::size_t all_resident = 0;
    std::map<std::string, std::size_t> counts;
    for (const Outcome& outcome : sample.outcomes) {
      if (outcome.state == OutcomeState::complete) {
        runtimes.push_back(1e3 * outcome.metrics[latency]);
        if (outcome.metrics[resident] >= 1) ++all_resident;
      } else {
        ++counts[outcome.reason];
      }
    }
    const double compiles = percent(runtimes.size(), sample.outcomes.size());
    nlohmann::json row = {
        {"workload", application.workload},
        {"published_compiles_percent", application.published_percent},
        {"compiles_percent", compiles},
        {"published_mean_over_min", application.published_mean_us / application.published_min_us},
        {"published_min_us", application.published_min_us},
        {"published_mean_us", application.published_mean_us},
        {"resident_percent", percent(all_resident, runtimes.size())},
        {"designs_per_second_per_core", static_cast<double>(sample.outcomes.size()) / sample.seconds / threads}};
    double mean_over_min = std::numeric_limits<double>::quiet_NaN();
    if (!runtimes.empty()) {
      const auto [min, max] = std::minmax_element(runtimes.begin(), runtimes.end());
      mean_over_min = mean(runtimes) / *min;
      row["mean_over_min"] = mean_over_min;
      row["min_us"] = *min;
      row["median_us"] = median(runtimes);
      row["mean_us"] = mean(runtimes);
      row["max_us"] = *max;
    }
    shares.rows.push_back(row);
    distributions.push_back(
        {application.workload,
         runtimes,
         {application.published_min_us, application.published_mean_us, application.published_max_us}});
    nlohmann::json why = {{"workload", application.workload}};
    for (const auto& [reason, count] : counts) {
      why[reason] = percent(count, sample.outcomes.size());
      reasons_seen.insert(reason);
    }
    reasons.rows.push_back(why);
    section.targets.push_back(target_from(file, "compiles_percent", application.workload + ": compiles %", compiles));
    if (!application.recurrent) {
      section.targets.push_back(
          target_from(file, "mean_over_min", application.workload + ": mean over min latency", mean_over_min));
    }
    if (application.workload == least_expected) {
      least_percent = compiles;
    } else {
      least_other = std::min(least_other, compiles);
    }
  }
  section.targets.push_back(
      {fmt::format("{} compiles least often: % below the next", least_expected), least_other - least_percent, 0, 100});
  for (const std::string& reason : reasons_seen) reasons.columns.push_back({reason, reason, 1});
  section.tables = {shares, reasons};
  section.figures = {space_figure(distributions, options.designs), failures_figure(shares, reasons, options.designs)};
  return section;
}

}  // namespace corbel
