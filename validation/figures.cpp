#include "figures.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "corbel/report/figure_file.hpp"
#include "corbel/report/html.hpp"
#include "corbel/report/plot.hpp"

namespace corbel {
namespace {

using nlohmann::json;
using Kind = ChartSeries::Kind;

constexpr std::size_t most_vertices = 240, most_dots = 4000;

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = 0;
  void include(double value) {
    if (!(value > 0) || !std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  /// A logarithmic axis with a little room at both ends.
  void set(ChartAxis& axis) const {
    if (!(low <= high)) return;
    const double room = std::pow(std::max(high / low, 1.1), 0.05);
    axis.low = low / room;
    axis.high = high * room;
    axis.logarithmic = true;
  }
};

ChartSeries times(const ResultTable& table, Kind kind, const char* css_class, const char* label, bool with_names) {
  ChartSeries series{kind, css_class, label, {}};
  for (const json& row : table.rows) {
    if (!row.contains("modelled_ms")) continue;
    const std::string name = row.at("workload").get<std::string>();
    const double measured = row.at("measured_ms").get<double>(), modelled = row.at("modelled_ms").get<double>();
    series.points.push_back({measured, modelled,
                             fmt::format("{}\nmeasured {:.1f} ms\nmodelled {:.1f} ms\nerror {:+.1f} %", name, measured,
                                         modelled, row.at("error_percent").get<double>()),
                             with_names ? name : ""});
  }
  return series;
}

double number_in(const json& row, const std::string& key) {
  const auto found = row.find(key);
  return found != row.end() && found->is_number() ? found->get<double>() : 0;
}

Chart distribution_chart(const LatencyDistribution& distribution, const Range& range) {
  Chart chart;
  chart.id = distribution.workload;
  chart.width = 300;
  chart.height = 210;
  chart.title = "Latency of random designs on " + distribution.workload;
  chart.x = {.title = "latency", .unit = "ms"};
  chart.y = {.title = "designs that are at least as fast", .unit = "%", .low = 0, .high = 100};
  range.set(chart.x);

  std::vector<double> latencies_ms;
  for (const double latency_us : distribution.latencies_us) latencies_ms.push_back(latency_us / 1e3);
  std::sort(latencies_ms.begin(), latencies_ms.end());
  const double count = static_cast<double>(latencies_ms.size());
  ChartSeries curve{Kind::line, "true", "simulated designs", {}};
  ChartSeries mean{Kind::circles, "true", "their mean", {}};
  if (!latencies_ms.empty()) {
    curve.points.push_back({latencies_ms.front(), 0, ""});
    for (std::size_t i = 0; i < latencies_ms.size(); ++i) {
      curve.points.push_back({latencies_ms[i], 100 * static_cast<double>(i + 1) / count, ""});
    }
    curve.points = thinned_points(std::move(curve.points), most_vertices);
    const double mean_ms = std::accumulate(latencies_ms.begin(), latencies_ms.end(), 0.0) / count;
    const auto above = std::upper_bound(latencies_ms.begin(), latencies_ms.end(), mean_ms);
    mean.points.push_back({mean_ms, 100 * static_cast<double>(above - latencies_ms.begin()) / count,
                           fmt::format("simulated: min {:.3f}, mean {:.3f}, max {:.2f} ms", latencies_ms.front(),
                                       mean_ms, latencies_ms.back())});
  }
  const auto [min_us, mean_us, max_us] = distribution.published_us;
  const std::string tip =
      fmt::format("published: min {:.3f}, mean {:.3f}, max {:.2f} ms", min_us / 1e3, mean_us / 1e3, max_us / 1e3);
  ChartSeries published_mean{
      Kind::links, "predicted", "published mean", {{mean_us / 1e3, 0, ""}, {mean_us / 1e3, 100, ""}}};
  ChartSeries published{
      Kind::diamonds, "predicted", "published min and max", {{min_us / 1e3, 0, tip}, {max_us / 1e3, 100, tip}}};
  chart.series = {std::move(curve), std::move(mean), std::move(published), std::move(published_mean)};
  return chart;
}

}  // namespace

Figure coral_figure(const ResultTable& fitted, const ResultTable& held_out, const ResultTable& variants,
                    double band_percent) {
  Chart chart;
  chart.id = "coral";
  chart.width = 760;
  chart.height = 600;
  chart.title = "Modelled against measured time of an inference on the Coral Edge TPU";
  chart.x = {.title = "measured", .unit = "ms"};
  chart.y = {.title = "modelled", .unit = "ms"};
  chart.identity = true;
  chart.identity_label = "modelled = measured";
  std::vector<ChartSeries> marks = {
      times(fitted, Kind::circles, "true", "two constants fitted to these", true),
      times(held_out, Kind::diamonds, "predicted", "nothing fitted to these", true),
      times(variants, Kind::circles, "loser", "other readings of entries fitted to", true),
  };
  Range range;
  for (const ChartSeries& series : marks) {
    for (const ChartPoint& point : series.points) {
      range.include(point.x);
      range.include(point.y);
    }
  }
  ChartSeries band{Kind::area, "band", fmt::format("±{:g} %", band_percent), {}};
  if (range.low <= range.high) {
    const double above = 1 + band_percent / 100, below = 1 - band_percent / 100;
    // Room for the names of the first and the last.
    chart.x.low = range.low / 3;
    chart.x.high = range.high * 1.6;
    chart.x.logarithmic = true;
    const double low = range.low / 10, high = range.high * 10;
    band.points = {{low, low * above, ""}, {high, high * above, ""}, {high, high * below, ""}, {low, low * below, ""}};
  }
  chart.series = {std::move(band)};
  std::move(marks.begin(), marks.end(), std::back_inserter(chart.series));

  FigureFile figure;
  figure.title = "Coral Edge TPU: modelled against measured time per inference (ms)";
  figure.description = "Each mark is a network. On the dotted diagonal, model and measurement agree.";
  figure.legend = legend_items(chart);
  figure.panels = {chart_panel(chart)};
  return {"edge_coral.svg", svg_file(figure)};
}

Figure space_figure(const std::vector<LatencyDistribution>& distributions, std::uint64_t designs) {
  Range range;
  for (const LatencyDistribution& distribution : distributions) {
    for (const double latency_us : distribution.latencies_us) range.include(latency_us / 1e3);
    for (const double latency_us : distribution.published_us) range.include(latency_us / 1e3);
  }
  FigureFile figure;
  figure.title = "Latency of the random designs that compile (ms)";
  figure.description = "One panel per network: the cumulative distribution of latency, with the published figures.";
  figure.columns = 3;
  for (const LatencyDistribution& distribution : distributions) {
    const Chart chart = distribution_chart(distribution, range);
    if (figure.legend.empty()) figure.legend = legend_items(chart);
    figure.panels.push_back(chart_panel(chart, distribution.workload));
  }
  figure.note = fmt::format(
      "{} random designs of the space edge per network, no limit on area. Published: the data set of PRIME, arXiv "
      "2110.11346; its curve, which is not published, starts and ends at the diamonds.",
      designs);
  return {"edge_space.svg", svg_file(figure)};
}

Figure failures_figure(const ResultTable& shares, const ResultTable& reasons, std::uint64_t designs) {
  struct Reason {
    std::string key;
    double total;
  };
  std::vector<Reason> order;
  for (const ResultTable::Column& column : reasons.columns) {
    if (column.key == "workload") continue;
    double total = 0;
    for (const json& row : reasons.rows) total += number_in(row, column.key);
    order.push_back({column.key, total});
  }
  std::stable_sort(order.begin(), order.end(), [](const Reason& a, const Reason& b) { return a.total > b.total; });

  StackedBars bars;
  bars.title = "Share of random designs that compile, and why the others do not";
  bars.axis_title = "share of random designs (%)";
  bars.reference_label = "compiles, published";
  bars.parts = {"compiles"};
  for (const Reason& reason : order) bars.parts.push_back(reason.key);
  for (std::size_t i = 0; i < shares.rows.size(); ++i) {
    const json& row = shares.rows[i];
    StackedBars::Bar bar{row.at("workload").get<std::string>(), {number_in(row, "compiles_percent") / 100}};
    bar.reference = number_in(row, "published_compiles_percent") / 100;
    for (const Reason& reason : order) bar.shares.push_back(number_in(reasons.rows[i], reason.key) / 100);
    bars.bars.push_back(std::move(bar));
  }

  FigureFile figure;
  figure.title = bars.title + " (%)";
  figure.description = "One bar per network, divided into the designs that compile and the reasons of the others.";
  figure.legend = legend_items(bars);
  figure.panels = {{"", bars.width, stacked_bars_height(bars), stacked_bars_svg(bars)}};
  figure.note = fmt::format(
      "{} random designs of the space edge per network, no limit on area. Published: the data set of PRIME, arXiv "
      "2110.11346.",
      designs);
  return {"edge_failures.svg", svg_file(figure)};
}

Figure cliff_figure(const std::vector<Cliff>& cliffs, double area_limit_mm2, std::uint64_t designs) {
  Range range;
  for (const Cliff& cliff : cliffs) {
    for (const std::vector<Cliff::Design>& list : {cliff.designs, cliff.best}) {
      for (const Cliff::Design& design : list) range.include(design.latency_us / 1e3);
    }
  }
  FigureFile figure;
  figure.title = fmt::format("The parameter-caching cliff: latency (ms) of designs under {:g} mm²", area_limit_mm2);
  figure.description = "Designs that keep all weights on chip are several times faster than those that stream them.";
  figure.columns = 2;
  std::string counts;
  for (const Cliff& cliff : cliffs) {
    Chart chart;
    chart.id = cliff.workload;
    chart.width = 460;
    chart.height = 380;
    chart.title = "Latency against the share of weights on chip: " + cliff.workload;
    chart.x = {.title = "weights that stay on chip", .unit = "%", .low = -4, .high = 104};
    chart.y = {.title = "latency", .unit = "ms"};
    range.set(chart.y);
    ChartSeries dots{Kind::cloud, "logged", "random designs", {}}, stars{Kind::stars, "chosen", "best found", {}};
    for (const Cliff::Design& design : cliff.designs) {
      dots.points.push_back({100 * design.resident_share, design.latency_us / 1e3, ""});
    }
    for (const Cliff::Design& design : cliff.best) {
      stars.points.push_back({100 * design.resident_share, design.latency_us / 1e3, design.label, design.label});
    }
    counts += fmt::format("{}{} for {}", counts.empty() ? "" : ", ", dots.points.size(), cliff.workload);
    dots.points = thinned_points(std::move(dots.points), most_dots);
    chart.series = {std::move(dots), std::move(stars)};
    if (figure.legend.empty()) figure.legend = legend_items(chart);
    figure.panels.push_back(chart_panel(chart, cliff.workload));
  }
  figure.note = fmt::format(
      "Of {} random designs of the space edge per network, those that compile and are small enough: {}. The best of "
      "them and of a firefly search of as many designs, with all weights on chip and with few of them, are marked.",
      designs, counts);
  return {"edge_cliff.svg", svg_file(figure)};
}

}  // namespace corbel
