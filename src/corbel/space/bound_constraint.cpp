#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <utility>

#include "corbel/base/error.hpp"
#include "corbel/base/units.hpp"
#include "corbel/space/constraint.hpp"
#include "corbel/space/constraint_terms.hpp"
#include "corbel/space/internal/constraint_program.hpp"

namespace corbel {
namespace {

using Kind = ConstraintTerm::Kind;

using Code = Instruction::Code;
using Program = ConstraintProgram;

/// What the units of an expression say. Counts (no unit, or one that measures no physical quantity, such as entries)
/// do not change the unit of what they multiply.
struct Measure {
  std::string unit;       ///< "" for none
  bool compound = false;  ///< a product or quotient of several units: matches any variable, but no written unit
  bool written = false;   ///< the unit comes from a number in the text, not from a variable
  bool variable = false;  ///< reads a parameter or metric
  bool physical() const { return compound || is_known_unit(unit); }
};

struct Operand {
  std::size_t begin;  ///< of its instructions
  Measure measure;
};

bool holds(Comparison comparison, double left, double right) {
  switch (comparison) {
    case Comparison::less_equal:
      return left <= right;
    case Comparison::less:
      return left < right;
    case Comparison::greater_equal:
      return left >= right;
    case Comparison::greater:
      return left > right;
    case Comparison::equal:
      return left == right;
    case Comparison::not_equal:
      return left != right && !std::isnan(left) && !std::isnan(right);
  }
  return false;
}

bool is_equality(Comparison comparison) {
  return comparison == Comparison::equal || comparison == Comparison::not_equal;
}

}  // namespace

struct BoundConstraint::Data {
  Constraint source;
  Comparison comparison;
  Program left, right;
  bool limit_is_left = false;
  std::vector<std::size_t> metrics_used;
};

namespace {

class Compiler {
 public:
  Compiler(const ConstraintData& source, const DesignSpace& space, std::span<const std::string> metrics)
      : source_(source), space_(space), metrics_(metrics) {}

  /// Compiles both sides; returns whether the left one alone is without variables.
  bool compile(Program& left, Program& right) {
    if (compare_labels(left, right)) return left.instructions[0].code == Code::constant;
    const Measure left_measure = side(source_.left, left);
    const Measure right_measure = side(source_.right, right);
    if (!left_measure.variable && !right_measure.variable) {
      throw source_.error(1, "it reads no parameter and no metric");
    }
    const auto [left_factor, right_factor] =
        agree(left_measure, right_measure, source_.comparison_column, "compare").factors;
    scale(left, 0, left_factor);
    scale(right, 0, right_factor);
    return !left_measure.variable;
  }

  std::vector<std::size_t> metrics_used() {
    std::sort(used_.begin(), used_.end());
    used_.erase(std::unique(used_.begin(), used_.end()), used_.end());
    return std::move(used_);
  }

 private:
  /// A factor per side, each as a pair of units since a ratio such as 1/1000 is not exact.
  struct Conversion {
    std::string from, to;  // both "" for none
  };
  struct Agreement {
    std::pair<Conversion, Conversion> factors;
    Measure result;
  };

  const Parameter* categorical(const ConstraintTerm& term) const {
    if (term.kind != Kind::name) return nullptr;
    const auto index = space_.find(term.text);
    if (!index || space_.parameters()[*index].is_ordered()) return nullptr;
    return &space_.parameters()[*index];
  }

  /// `dataflow == kcp_ws`, either way round. False if neither side is a categorical parameter.
  bool compare_labels(Program& left, Program& right) {
    const Parameter* on_left = source_.left.size() == 1 ? categorical(source_.left[0]) : nullptr;
    const Parameter* on_right = source_.right.size() == 1 ? categorical(source_.right[0]) : nullptr;
    // Of two names that both are parameters, one may still be a label of the other.
    if (on_left != nullptr && on_right != nullptr && !on_left->find(source_.right[0].text).has_value())
      on_left = nullptr;
    const Parameter* parameter = on_left != nullptr ? on_left : on_right;
    if (parameter == nullptr) return false;
    const std::vector<ConstraintTerm>& other = on_left != nullptr ? source_.right : source_.left;
    if (!is_equality(source_.comparison)) {
      throw source_.error(source_.comparison_column, "the values of " + in_quotes(parameter->name()) + " have no order",
                          "compare them with == or !=");
    }
    const std::string choices = "write " + parameter->name() + " == " + parameter->label(0);
    if (other.size() != 1 || (other[0].kind != Kind::name && other[0].kind != Kind::label &&
                              !(other[0].kind == Kind::number && other[0].unit.empty()))) {
      throw source_.error(other[0].column,
                          in_quotes(parameter->name()) + " can only be compared with one of its labels", choices);
    }
    const auto label = parameter->find(std::string_view(other[0].text));
    if (!label) {
      std::vector<std::string> labels;
      for (std::uint32_t i = 0; i < parameter->count(); ++i) labels.push_back(parameter->label(i));
      const Error reason = unknown_name("label", other[0].text, labels);
      throw source_.error(other[0].column, std::string(reason.what()) + " of " + in_quotes(parameter->name()),
                          reason.hint());
    }
    Program& value = on_left != nullptr ? left : right;
    Program& constant = on_left != nullptr ? right : left;
    value.instructions.push_back({Code::line, static_cast<std::uint32_t>(space_.index_of(parameter->name())), 0, 0, 1});
    constant.instructions.push_back({Code::constant, 0, 0, static_cast<double>(*label), 0});
    return true;
  }

  Measure side(const std::vector<ConstraintTerm>& terms, Program& program) {
    std::vector<Operand> stack;
    for (const ConstraintTerm& term : terms) {
      switch (term.kind) {
        case Kind::number:
          push(stack, program, {Code::constant, 0, 0, term.value, 0}, {term.unit, false, !term.unit.empty(), false});
          break;
        case Kind::name:
          name(stack, program, term);
          break;
        case Kind::label:
          throw source_.error(term.column, "the label '" + printable(term.text) + "' has nothing to be compared with",
                              "a label can only be compared with a categorical parameter, by == or !=");
        case Kind::negate:
          fold_or_add(program, stack.back().begin, {Code::negate});
          break;
        default:
          binary(stack, program, term);
          break;
      }
      if (stack.size() > max_constraint_stack) throw source_.error(term.column, "the expression is too deep");
    }
    assert(stack.size() == 1);
    return stack.back().measure;
  }

  static void push(std::vector<Operand>& stack, Program& program, const Instruction& instruction, Measure measure) {
    stack.push_back({program.instructions.size(), std::move(measure)});
    program.instructions.push_back(instruction);
  }

  void name(std::vector<Operand>& stack, Program& program, const ConstraintTerm& term) {
    if (const auto index = space_.find(term.text)) {
      const Parameter& parameter = space_.parameters()[*index];
      if (!parameter.is_ordered()) {
        throw source_.error(term.column, in_quotes(term.text) + " is a word, not a number",
                            "compare it alone: " + term.text + " == " + parameter.label(0));
      }
      const auto position = static_cast<std::uint32_t>(*index);
      const Measure measure{parameter.unit(), false, false, true};
      if (parameter.kind() == ParameterKind::ordinal) {
        push(stack, program, {Code::lookup, position, program.tables.size(), 0, 0}, measure);
        for (std::uint32_t i = 0; i < parameter.count(); ++i) program.tables.push_back(parameter.number(i));
      } else {
        const double first = parameter.number(0);
        const double step = parameter.count() > 1 ? parameter.number(1) - first : 0;
        push(stack, program, {Code::line, position, 0, first, step}, measure);
      }
      return;
    }
    const auto metric = std::find(metrics_.begin(), metrics_.end(), term.text);
    if (metric != metrics_.end()) {
      const auto index = static_cast<std::size_t>(metric - metrics_.begin());
      used_.push_back(index);
      push(stack, program, {Code::metric, static_cast<std::uint32_t>(index), 0, 0, 0},
           {unit_of_metric(term.text), false, false, true});
      return;
    }
    if (term.text == "true" || term.text == "false") {
      push(stack, program, {Code::constant, 0, 0, term.text == "true" ? 1.0 : 0.0, 0}, {});
      return;
    }
    std::vector<std::string> candidates;
    for (const Parameter& parameter : space_.parameters()) candidates.push_back(parameter.name());
    candidates.insert(candidates.end(), metrics_.begin(), metrics_.end());
    const Error reason = unknown_name("parameter or metric", term.text, candidates);
    throw source_.error(term.column, reason.what(), reason.hint());
  }

  void binary(std::vector<Operand>& stack, Program& program, const ConstraintTerm& term) {
    const Operand right = std::move(stack.back());
    stack.pop_back();
    Operand& left = stack.back();
    Instruction instruction{Code::add};
    switch (term.kind) {
      case Kind::multiply:
        instruction.code = Code::multiply;
        left.measure = product(left.measure, right.measure);
        break;
      case Kind::divide: {
        instruction.code = Code::divide;
        // bytes / KiB is a plain ratio.
        if (is_known_unit(left.measure.unit) && same_dimension(left.measure.unit, right.measure.unit) &&
            !left.measure.compound && !right.measure.compound) {
          scale(program, right.begin, {right.measure.unit, left.measure.unit});
          left.measure = {"", false, false, left.measure.variable || right.measure.variable};
        } else {
          left.measure = quotient(left.measure, right.measure);
        }
        break;
      }
      default: {
        const auto [factors, result] = agree(left.measure, right.measure, term.column, "combine");
        scale(program, right.begin, factors.second);
        // The left operand's instructions end where the right one's begin.
        scale_before(program, left.begin, right.begin, factors.first);
        left.measure = result;
        instruction.code = term.kind == Kind::subtract ? Code::subtract
                           : term.kind == Kind::min    ? Code::min
                           : term.kind == Kind::max    ? Code::max
                                                       : Code::add;
        break;
      }
    }
    const bool constants = program.instructions.size() == left.begin + 2 &&
                           program.instructions[left.begin].code == Code::constant &&
                           program.instructions[left.begin + 1].code == Code::constant;
    program.instructions.push_back(instruction);
    if (constants) fold(program, left.begin);
  }

  static Measure product(const Measure& a, const Measure& b) {
    const bool written = a.written || b.written;
    const bool variable = a.variable || b.variable;
    if (a.physical() && b.physical()) return {"", true, written, variable};
    if (a.physical()) return {a.unit, a.compound, a.written, variable};
    if (b.physical()) return {b.unit, b.compound, b.written, variable};
    // Two counts make a plain count; a count and a number stay that count.
    if (a.unit.empty() || b.unit.empty()) return {a.unit + b.unit, false, written, variable};
    return {"", false, false, variable};
  }

  static Measure quotient(const Measure& a, const Measure& b) {
    const bool variable = a.variable || b.variable;
    if (b.physical()) return {"", true, a.written || b.written, variable};
    if (a.physical()) return {a.unit, a.compound, a.written, variable};
    return {b.unit.empty() ? a.unit : "", false, b.unit.empty() && a.written, variable};
  }

  /// How to bring two operands to one unit: that of a variable where there is one.
  Agreement agree(const Measure& a, const Measure& b, std::size_t column, std::string_view verb) const {
    const bool variable = a.variable || b.variable;
    const auto result = [&](const Measure& of) { return Measure{of.unit, of.compound, of.written, variable}; };
    const auto is_plain_number = [](const Measure& m) { return !m.variable && m.unit.empty() && !m.compound; };
    if (is_plain_number(a)) return {{}, result(b)};
    if (is_plain_number(b)) return {{}, result(a)};
    const auto name = [](const Measure& m) {
      if (m.compound) return std::string("a product of units");
      return m.unit.empty() ? std::string("a value without a unit") : in_quotes(m.unit);
    };
    if (a.unit == b.unit && a.compound == b.compound && !(a.compound && (a.written || b.written))) {
      return {{}, result(a.written ? b : a)};
    }
    if (!a.compound && !b.compound && is_known_unit(a.unit) && same_dimension(a.unit, b.unit)) {
      if (a.written && !b.written) return {{{a.unit, b.unit}, {}}, result(b)};
      return {{{}, {b.unit, a.unit}}, result(a)};
    }
    const bool clash = !a.compound && !b.compound && is_known_unit(a.unit) && is_known_unit(b.unit);
    if (clash || a.written || b.written) {
      std::string hint;
      for (const Measure* m : {&a, &b}) {
        if (m->written && !m->compound && !is_known_unit(m->unit)) {
          hint = in_quotes(m->unit) + " is no known unit; to multiply, write *";
        }
      }
      throw source_.error(column, "cannot " + std::string(verb) + " " + name(a) + " with " + name(b), hint);
    }
    // Variables only, at least one of which counts things or is compound: nothing is known to be wrong.
    if (a.compound || b.compound) return {{}, Measure{"", true, false, variable}};
    return {{}, result(is_known_unit(a.unit) || b.unit.empty() ? a : b)};
  }

  /// Converts what the instructions from `begin` on compute.
  void scale(Program& program, std::size_t begin, const Conversion& conversion) const {
    scale_before(program, begin, program.instructions.size(), conversion);
  }

  void scale_before(Program& program, std::size_t begin, std::size_t end, const Conversion& conversion) const {
    if (conversion.from == conversion.to) return;
    const auto converted = [&](double value) {
      return convert_unit(value, conversion.from, conversion.to, source_.where());
    };
    if (end == begin + 1 && program.instructions[begin].code == Code::constant) {
      double& value = program.instructions[begin].value;
      value = converted(value);
      return;
    }
    const Instruction instruction{Code::scale, 0, 0, converted(1), 0};
    program.instructions.insert(program.instructions.begin() + static_cast<std::ptrdiff_t>(end), instruction);
  }

  static void fold_or_add(Program& program, std::size_t begin, const Instruction& instruction) {
    const bool constant =
        program.instructions.size() == begin + 1 && program.instructions[begin].code == Code::constant;
    program.instructions.push_back(instruction);
    if (constant) fold(program, begin);
  }

  /// Replaces the instructions from `begin` on, which read no variable, by their result.
  static void fold(Program& program, std::size_t begin) {
    Program part;
    part.instructions.assign(program.instructions.begin() + static_cast<std::ptrdiff_t>(begin),
                             program.instructions.end());
    const double value = part.run({}, {});
    program.instructions.erase(program.instructions.begin() + static_cast<std::ptrdiff_t>(begin),
                               program.instructions.end());
    program.instructions.push_back({Code::constant, 0, 0, value, 0});
  }

  const ConstraintData& source_;
  const DesignSpace& space_;
  std::span<const std::string> metrics_;
  std::vector<std::size_t> used_;
};

}  // namespace

BoundConstraint::BoundConstraint(const Constraint& constraint, const DesignSpace& space,
                                 std::span<const std::string> metrics) {
  const auto data = std::make_shared<Data>(Data{constraint, constraint.data_->comparison, {}, {}, false, {}});
  Compiler compiler(*constraint.data_, space, metrics);
  data->limit_is_left = compiler.compile(data->left, data->right);
  data->metrics_used = compiler.metrics_used();
  data_ = data;
}

const std::string& BoundConstraint::text() const {
  return data_->source.text();
}
bool BoundConstraint::needs_only_parameters() const {
  return data_->metrics_used.empty();
}
const std::vector<std::size_t>& BoundConstraint::metrics_used() const {
  return data_->metrics_used;
}

double BoundConstraint::left(const Design& design, std::span<const double> metrics) const {
  return data_->left.run(design, metrics);
}

double BoundConstraint::right(const Design& design, std::span<const double> metrics) const {
  return data_->right.run(design, metrics);
}

bool BoundConstraint::satisfied(const Design& design, std::span<const double> metrics) const {
  return holds(data_->comparison, left(design, metrics), right(design, metrics));
}

Coverage BoundConstraint::coverage(const DesignBox& box, std::span<const MetricRange> metrics) const {
  const Interval l = data_->left.bounds(box, metrics), r = data_->right.bounds(box, metrics);
  bool none = false, all = false;
  switch (data_->comparison) {
    case Comparison::less_equal:
      none = l.low > r.high;
      all = l.high <= r.low;
      break;
    case Comparison::less:
      none = l.low >= r.high;
      all = l.high < r.low;
      break;
    case Comparison::greater_equal:
      none = l.high < r.low;
      all = l.low >= r.high;
      break;
    case Comparison::greater:
      none = l.high <= r.low;
      all = l.low > r.high;
      break;
    case Comparison::equal:
    case Comparison::not_equal: {
      const bool apart = l.high < r.low || r.high < l.low;
      const bool same = l.low == r.high && l.high == r.low;
      none = data_->comparison == Comparison::equal ? apart : same;
      all = data_->comparison == Comparison::equal ? same : apart;
      break;
    }
  }
  // What is no number meets no comparison.
  if (none) return Coverage::none;
  return all && !l.nan && !r.nan ? Coverage::all : Coverage::some;
}

double BoundConstraint::margin(const Design& design, std::span<const double> metrics) const {
  const double l = left(design, metrics);
  const double r = right(design, metrics);
  if (std::isnan(l) || std::isnan(r)) return std::numeric_limits<double>::quiet_NaN();
  const bool met = holds(data_->comparison, l, r);
  if (is_equality(data_->comparison)) return met ? 0 : -1;
  const bool upper = data_->comparison == Comparison::less_equal || data_->comparison == Comparison::less;
  const double size = std::abs(data_->limit_is_left ? l : r);
  const double margin = (upper ? r - l : l - r) / (size > 0 ? size : 1);
  // The sign must tell the truth also at a strict limit, and where the division is without meaning.
  if (met) return margin >= 0 ? margin : 0;
  return margin < 0 ? margin : -std::numeric_limits<double>::epsilon();
}

double BoundConstraint::most_margin(const Design& design, std::span<const MetricRange> metrics) const {
  const DesignBox box{design, design};
  const Interval l = data_->left.bounds(box, metrics), r = data_->right.bounds(box, metrics);
  switch (data_->comparison) {
    case Comparison::equal:
      return l.high < r.low || r.high < l.low ? -1 : 0;
    case Comparison::not_equal:
      return l.low == r.high && l.high == r.low ? -1 : 0;
    default:
      break;
  }
  const bool upper = data_->comparison == Comparison::less_equal || data_->comparison == Comparison::less;
  const double most = upper ? r.high - l.low : l.high - r.low;
  const Interval& limit = data_->limit_is_left ? l : r;
  if (limit.low == limit.high) {
    const double margin = most / (limit.low != 0 ? std::abs(limit.low) : 1);
    return std::isnan(margin) ? std::numeric_limits<double>::infinity() : margin;
  }
  // Relative to what is not known: far inside, or as little outside as can be.
  if (!(most < 0)) return std::numeric_limits<double>::infinity();
  return most / std::max({std::abs(limit.low), std::abs(limit.high), 1.0});
}

}  // namespace corbel
