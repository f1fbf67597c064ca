#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "corbel/space/design_space.hpp"

namespace corbel {

struct ConstraintData;

/// A limit as people write it: "area_mm2 <= 29", "pes_x * pes_y <= 256", "pe_memory >= 512 KiB", "dataflow == kcp_ws".
/// Operands: numbers (with an optional unit, converted to the unit of the variable they are compared with), parameter
/// names, metric names ("mobilenet_v2.latency_ms" where there are several networks), labels ('quoted' where they are no
/// plain words); + − * / ( ) min max; one comparison <= < >= > == !=. The language in full: docs/formats/space.md.
/// Immutable, cheap to copy, thread-safe.
class Constraint {
 public:
  /// @param place  named in errors
  /// @throws Error{invalid_input} with the column of the fault
  static Constraint parse(std::string_view text, std::string_view place = "");

  const std::string& text() const;
  /// The names it mentions, each once, in order (labels compared with a categorical parameter too until bound).
  const std::vector<std::string>& names() const;

 private:
  friend class BoundConstraint;
  std::shared_ptr<const ConstraintData> data_;
};

/// What is known of the designs of a box: none of them meets a condition, all do, or some may.
enum class Coverage : std::uint8_t { none, some, all };

/// Between which values a metric lies, bounds included; NaN and beyond, if they are the infinities.
struct MetricRange {
  double low, high;
};

/// A constraint with its names resolved against a space and a list of metrics: ready to evaluate.
class BoundConstraint {
 public:
  /// @throws Error{invalid_input} for a name that is neither a parameter, a metric nor a label (with the near miss),
  ///         a unit that does not fit, or arithmetic on a categorical parameter
  BoundConstraint(const Constraint& constraint, const DesignSpace& space, std::span<const std::string> metrics);

  const std::string& text() const;
  /// True if parameters alone decide it, so that a search can test it before anything is scored.
  bool needs_only_parameters() const;
  /// Indices into `metrics` of those it reads.
  const std::vector<std::size_t>& metrics_used() const;

  /// How far inside the limit, relative to its size: (limit − value) / |limit| for <=, the bare difference for a limit
  /// of 0; negative when broken, NaN when a metric it reads is NaN. The limit is the side without variables, else the
  /// right one. For == and != : 0 when met, −1 when not.
  /// @param metrics  values in the order given to the constructor (may be empty if needs_only_parameters())
  double margin(const Design& design, std::span<const double> metrics) const;
  bool satisfied(const Design& design, std::span<const double> metrics) const;
  /// At most what margin() may give for a design whose metrics lie in these ranges, where it is a number.
  double most_margin(const Design& design, std::span<const MetricRange> metrics) const;
  /// Which designs of a box satisfy it, whatever their metrics in these ranges, or whatever their metrics at all if
  /// there are none, without looking at each. Never wrong, but `some` where
  /// bounds of the two sides cannot tell: exact for expressions that read every parameter once or always in the same
  /// direction, and closer the smaller the box.
  Coverage coverage(const DesignBox& box, std::span<const MetricRange> metrics = {}) const;
  /// The left side's value and the right side's, for tables ("28.4 of 29").
  double left(const Design& design, std::span<const double> metrics) const;
  double right(const Design& design, std::span<const double> metrics) const;

 private:
  struct Data;
  std::shared_ptr<const Data> data_;
};

}  // namespace corbel
