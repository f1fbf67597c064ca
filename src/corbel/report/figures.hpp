#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "corbel/report/plot.hpp"

namespace corbel {

struct ReportView;

// The figures of the page, each as HTML (heading, legend, SVG, caption); "" where the results hold nothing to draw.

std::string objective_figures(
    const ReportView& view);  ///< objective against the other axis, whole and near the proposals
std::string prediction_figure(const ReportView& view);  ///< predicted against true
std::string training_figures(const ReportView& view);   ///< losses, rank correlation, selection
std::string coverage_figures(const ReportView& view);   ///< share of infeasible rows per parameter value
std::string search_figure(const ReportView& view);      ///< best so far over designs scored

/// The line of the best so far.
/// @param history  [[designs, best]], where it improved
/// @param end      designs in all: as far as the line goes on; NaN if that is not known
ChartSeries best_so_far(std::string label, const nlohmann::json& history, double end);

}  // namespace corbel
