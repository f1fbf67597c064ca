#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "corbel/search/direction.hpp"

namespace corbel {

/// How an experiment's numbers are told: over the optimum where there is one above 0 (of a maximised metric the optimum
/// over them), else as they are.
class ExperimentView {
 public:
  /// @param experiment  must outlive this
  explicit ExperimentView(const nlohmann::json& experiment);

  bool is_relative() const { return scale_ > 0; }
  double shown(double value) const { return is_relative() ? times_worse(direction, value, scale_) : value; }
  /// Names of a spread's ends, the better one first: {"min", "max"}, {"q25", "q75"}.
  std::pair<std::string, std::string> ends(std::string low, std::string high) const;
  /// As told: "Lower is better".
  std::string better_text() const;
  std::string ratio_title() const;  ///< behind the title of an axis of ratios
  /// As HTML.
  std::string text(const nlohmann::json& value) const;
  /// What the numbers are, as HTML: "over the optimum of 100 cycles (every design of the space is recorded)".
  std::string basis_text() const;

  const nlohmann::json& all;
  std::string metric, unit;
  Direction direction;

 private:
  double scale_ = 0;
  std::string basis_, optimum_;
};

/// Curves that belong together: points [x, median, lower, upper] of each method.
struct CurveGroup {
  std::vector<const nlohmann::json*> curves;  ///< with `method` and `points`
  std::string id;                             ///< begins the ids of the charts
  std::string title, caption;                 ///< of the chart of all methods
  std::string x_title, y_title;               ///< of the axes; y without "over the optimum"
  std::string x_words;                        ///< behind a number of the x axis: "queries"
  std::string band;                           ///< what lies between lower and upper
};

/// All methods in one figure, and each before the others with its band; "" if there is nothing to draw.
std::string curves_html(const ExperimentView& view, const CurveGroup& group);

}  // namespace corbel
