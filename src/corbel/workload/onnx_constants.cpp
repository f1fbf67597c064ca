#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numeric>

#include "corbel/workload/internal/onnx_model.hpp"

namespace corbel {
namespace {

using Numbers = std::vector<OnnxNumber>;
using Outputs = std::vector<Numbers>;

bool is_whole(int type) {
  return type != onnx_float && type != 10 /* float16 */ && type != 11 /* double */ && type != 16 /* bfloat16 */;
}

struct BinaryOperator {
  std::string_view op;
  OnnxNumber (*apply)(OnnxNumber a, OnnxNumber b);
};
constexpr std::array binary_operators = std::to_array<BinaryOperator>({
    {"Add", [](OnnxNumber a, OnnxNumber b) { return a + b; }},
    {"And", [](OnnxNumber a, OnnxNumber b) -> OnnxNumber { return a != 0 && b != 0; }},
    {"Div", [](OnnxNumber a, OnnxNumber b) { return a / b; }},
    {"Equal", [](OnnxNumber a, OnnxNumber b) -> OnnxNumber { return a == b; }},
    {"Greater", [](OnnxNumber a, OnnxNumber b) -> OnnxNumber { return a > b; }},
    {"GreaterOrEqual", [](OnnxNumber a, OnnxNumber b) -> OnnxNumber { return a >= b; }},
    {"Less", [](OnnxNumber a, OnnxNumber b) -> OnnxNumber { return a < b; }},
    {"LessOrEqual", [](OnnxNumber a, OnnxNumber b) -> OnnxNumber { return a <= b; }},
    {"Max", [](OnnxNumber a, OnnxNumber b) { return std::max(a, b); }},
    {"Min", [](OnnxNumber a, OnnxNumber b) { return std::min(a, b); }},
    {"Mod", [](OnnxNumber a, OnnxNumber b) { return a - b * std::floor(a / b); }},
    {"Mul", [](OnnxNumber a, OnnxNumber b) { return a * b; }},
    {"Or", [](OnnxNumber a, OnnxNumber b) -> OnnxNumber { return a != 0 || b != 0; }},
    {"Pow", [](OnnxNumber a, OnnxNumber b) { return std::pow(a, b); }},
    {"Sub", [](OnnxNumber a, OnnxNumber b) { return a - b; }},
    {"Xor", [](OnnxNumber a, OnnxNumber b) -> OnnxNumber { return (a != 0) != (b != 0); }},
});

struct UnaryOperator {
  std::string_view op;
  OnnxNumber (*apply)(OnnxNumber a);
};
constexpr std::array unary_operators = std::to_array<UnaryOperator>({
    {"Abs", [](OnnxNumber a) { return std::abs(a); }},
    {"Ceil", [](OnnxNumber a) { return std::ceil(a); }},
    {"Floor", [](OnnxNumber a) { return std::floor(a); }},
    {"Neg", [](OnnxNumber a) { return -a; }},
    {"Not", [](OnnxNumber a) -> OnnxNumber { return a == 0; }},
    {"Reciprocal", [](OnnxNumber a) { return 1 / a; }},
    {"Round", [](OnnxNumber a) { return std::nearbyint(a); }},
    {"Sign", [](OnnxNumber a) -> OnnxNumber { return (a > 0) - (a < 0); }},
    {"Sqrt", [](OnnxNumber a) { return std::sqrt(a); }},
});

std::vector<std::int64_t> strides_of(const OnnxShape& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

/// Calls `visit(position)` with the index along every axis, in the order of the elements.
void for_each_position(const OnnxShape& shape,
                       const std::function<void(const std::vector<std::int64_t>& position)>& visit) {
  std::vector<std::int64_t> position(shape.size(), 0);
  const std::uint64_t count = onnx_elements(shape);
  for (std::uint64_t i = 0; i < count; ++i) {
    visit(position);
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      if (++position[axis] < shape[axis]) break;
      position[axis] = 0;
    }
  }
}

class Evaluation {
 public:
  Evaluation(const OnnxModel& model, const OnnxNode& node) : model_(model), node_(node) {}

  /// The values of each output, in their order; fewer where they are not known.
  Outputs run() const {
    static constexpr std::array copies =
        std::to_array<std::string_view>({"Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"});
    const std::string& op = node_.op;
    if (op == "Shape") return shape();
    if (op == "Size") return only({static_cast<OnnxNumber>(onnx_elements(shape(0)))});
    if (op == "Constant") return constant();
    if (op == "ConstantOfShape") return fill();
    if (!operands_known()) return {};
    if (std::ranges::find(copies, op) != copies.end()) return only(numbers(0));
    if (op == "Cast") return cast();
    if (op == "Concat") return concat();
    if (op == "Gather") return gather();
    if (op == "Slice") return slice();
    if (op == "Split") return split();
    if (op == "Transpose") return transpose();
    if (op == "Expand" || op == "Tile") return repeat();
    if (op == "Range") return range();
    if (op == "NonZero") return nonzero();
    if (op == "Where") return where();
    if (op.starts_with("Reduce")) return reduce();
    return arithmetic();
  }

 private:
  static Outputs only(Numbers numbers) {
    Outputs outputs;
    outputs.push_back(std::move(numbers));
    return outputs;
  }

  bool operands_known() const {
    return std::ranges::all_of(node_.inputs, [&](int input) { return input < 0 || model_.tensor(input).numbers; });
  }
  const Numbers& numbers(std::size_t input) const { return *model_.tensor(node_.inputs[input]).numbers; }
  const OnnxShape& shape(std::size_t input) const { return model_.shape(node_, input); }
  const OnnxShape& output(std::size_t index = 0) const { return model_.tensor(node_.outputs[index]).shape; }

  std::int64_t whole(std::size_t input, std::size_t index) const {
    const OnnxNumber limit = 9.2e18L;
    return static_cast<std::int64_t>(std::clamp(numbers(input)[index], -limit, limit));
  }

  /// Index into an operand's numbers of an output's position; the operand is broadcast.
  static std::size_t broadcast_index(const std::vector<std::int64_t>& position, const OnnxShape& operand) {
    std::int64_t index = 0;
    const std::size_t missing = position.size() - operand.size();
    for (std::size_t axis = 0; axis < operand.size(); ++axis) {
      index = index * operand[axis] + (operand[axis] == 1 ? 0 : position[missing + axis]);
    }
    return static_cast<std::size_t>(index);
  }

  std::size_t axis(std::string_view attribute, std::int64_t fallback, std::size_t rank) const {
    std::int64_t value = node_.integer(attribute, fallback);
    if (value < 0) value += static_cast<std::int64_t>(rank);
    return static_cast<std::size_t>(std::clamp<std::int64_t>(value, 0, static_cast<std::int64_t>(rank) - 1));
  }

  Outputs shape() const {
    const OnnxShape& sizes = shape(0);
    const auto rank = static_cast<std::int64_t>(sizes.size());
    std::int64_t start = node_.integer("start", 0);
    start = std::clamp<std::int64_t>(start < 0 ? start + rank : start, 0, rank);
    const auto first = sizes.begin() + start;
    return only(Numbers(first, first + output()[0]));
  }

  Outputs constant() const {
    for (const auto& [name, attribute] : node_.attributes) {
      if (attribute.tensor) return attribute.tensor->numbers ? only(*attribute.tensor->numbers) : Outputs();
      if (!attribute.ints.empty()) return only(Numbers(attribute.ints.begin(), attribute.ints.end()));
      if (!attribute.floats.empty()) return only(attribute.floats);
    }
    return {};
  }

  Outputs fill() const {
    const OnnxAttribute* value = node_.find("value");
    OnnxNumber number = 0;
    if (value != nullptr && value->tensor) {
      if (!value->tensor->numbers || value->tensor->numbers->size() != 1) return {};
      number = value->tensor->numbers->front();
    }
    return only(Numbers(static_cast<std::size_t>(onnx_elements(output())), number));
  }

  Outputs cast() const {
    Numbers result = numbers(0);
    const int type = model_.tensor(node_.outputs[0]).type;
    for (OnnxNumber& number : result) {
      if (type == onnx_bool)
        number = number != 0;
      else if (is_whole(type))
        number = std::trunc(number);
    }
    return only(std::move(result));
  }

  Outputs concat() const {
    const std::size_t along = axis("axis", 0, output().size());
    Numbers result;
    const auto outer = static_cast<std::size_t>(
        onnx_elements(OnnxShape(output().begin(), output().begin() + static_cast<std::ptrdiff_t>(along))));
    for (std::size_t i = 0; i < outer; ++i) {
      for (std::size_t part = 0; part < node_.inputs.size(); ++part) {
        const std::size_t run = numbers(part).size() / outer;
        const auto first = numbers(part).begin() + static_cast<std::ptrdiff_t>(i * run);
        result.insert(result.end(), first, first + static_cast<std::ptrdiff_t>(run));
      }
    }
    return only(std::move(result));
  }

  Outputs gather() const {
    const OnnxShape& data = shape(0);
    if (data.empty()) return {};
    const std::size_t along = axis("axis", 0, data.size());
    const auto size = static_cast<std::size_t>(data[along]);
    std::size_t inner = 1;
    for (std::size_t i = along + 1; i < data.size(); ++i) inner *= static_cast<std::size_t>(data[i]);
    const std::size_t outer = size * inner == 0 ? 0 : numbers(0).size() / (size * inner);
    Numbers result;
    for (std::size_t i = 0; i < outer; ++i) {
      for (std::size_t k = 0; k < numbers(1).size(); ++k) {
        std::int64_t row = whole(1, k);
        if (row < 0) row += static_cast<std::int64_t>(size);
        if (row < 0 || row >= static_cast<std::int64_t>(size)) return out_of_range();
        const auto first =
            numbers(0).begin() + static_cast<std::ptrdiff_t>((i * size + static_cast<std::size_t>(row)) * inner);
        result.insert(result.end(), first, first + static_cast<std::ptrdiff_t>(inner));
      }
    }
    return only(std::move(result));
  }

  [[noreturn]] Outputs out_of_range() const {
    throw model_.error(node_, "an index lies outside of what it chooses from", "the file is damaged; export it again");
  }

  Outputs slice() const {
    const std::size_t rank = shape(0).size();
    std::vector<std::int64_t> first(rank, 0), step(rank, 1);
    const auto given = [&](std::string_view attribute, std::size_t input) {
      std::vector<std::int64_t> values = node_.integers(attribute);
      for (std::size_t i = 0; node_.has_input(input) && i < numbers(input).size(); ++i)
        values.push_back(whole(input, i));
      return values;
    };
    const auto starts = given("starts", 1);
    auto axes = given("axes", 3);
    const auto steps = given("steps", 4);
    if (axes.empty()) {
      axes.resize(starts.size());
      std::iota(axes.begin(), axes.end(), 0);
    }
    for (std::size_t i = 0; i < std::min(starts.size(), axes.size()); ++i) {
      const std::int64_t along = axes[i] < 0 ? axes[i] + static_cast<std::int64_t>(rank) : axes[i];
      if (along < 0 || along >= static_cast<std::int64_t>(rank)) return {};
      const auto a = static_cast<std::size_t>(along);
      const std::int64_t size = shape(0)[a];
      step[a] = i < steps.size() ? steps[i] : 1;
      first[a] = std::clamp<std::int64_t>(starts[i] < 0 ? starts[i] + size : starts[i], 0,
                                          step[a] < 0 ? std::max<std::int64_t>(0, size - 1) : size);
    }
    const auto strides = strides_of(shape(0));
    return pick([&](const std::vector<std::int64_t>& position) {
      std::int64_t index = 0;
      for (std::size_t i = 0; i < rank; ++i) index += (first[i] + position[i] * step[i]) * strides[i];
      return index;
    });
  }

  Outputs split() const {
    const OnnxShape& data = shape(0);
    if (data.empty()) return {};
    const std::size_t along = axis("axis", 0, data.size());
    const auto strides = strides_of(data);
    Outputs result;
    std::int64_t offset = 0;
    for (std::size_t part = 0; part < node_.outputs.size(); ++part) {
      if (node_.outputs[part] < 0) return {};
      Numbers values;
      for_each_position(output(part), [&](const std::vector<std::int64_t>& position) {
        std::int64_t index = offset * strides[along];
        for (std::size_t i = 0; i < data.size(); ++i) index += position[i] * strides[i];
        if (static_cast<std::size_t>(index) < numbers(0).size())
          values.push_back(numbers(0)[static_cast<std::size_t>(index)]);
      });
      offset += output(part)[along];
      result.push_back(std::move(values));
    }
    return result;
  }

  Outputs transpose() const {
    std::vector<std::int64_t> order = node_.integers("perm");
    const std::size_t rank = shape(0).size();
    if (order.empty()) {
      for (std::size_t i = rank; i-- > 0;) order.push_back(static_cast<std::int64_t>(i));
    }
    const auto strides = strides_of(shape(0));
    return pick([&](const std::vector<std::int64_t>& position) {
      std::int64_t index = 0;
      for (std::size_t i = 0; i < rank; ++i) index += position[i] * strides[static_cast<std::size_t>(order[i])];
      return index;
    });
  }

  Outputs repeat() const {
    const OnnxShape& data = shape(0);
    if (data.size() > output().size() || numbers(0).empty()) return {};
    return pick([&](const std::vector<std::int64_t>& position) {
      std::int64_t index = 0;
      const std::size_t missing = position.size() - data.size();
      for (std::size_t i = 0; i < data.size(); ++i) index = index * data[i] + position[missing + i] % data[i];
      return index;
    });
  }

  /// The element of the first operand that each output's element is.
  template <class Index>
  Outputs pick(Index index) const {
    Numbers result;
    bool inside = true;
    for_each_position(output(), [&](const std::vector<std::int64_t>& position) {
      const std::int64_t at = index(position);
      inside = inside && at >= 0 && static_cast<std::size_t>(at) < numbers(0).size();
      result.push_back(inside ? numbers(0)[static_cast<std::size_t>(at)] : 0);
    });
    return inside ? only(std::move(result)) : Outputs();
  }

  Outputs range() const {
    Numbers result;
    for (std::int64_t i = 0; i < output()[0]; ++i) {
      result.push_back(numbers(0)[0] + static_cast<OnnxNumber>(i) * numbers(2)[0]);
    }
    return only(std::move(result));
  }

  Outputs nonzero() const {
    Outputs by_axis(shape(0).size());
    std::size_t index = 0;
    for_each_position(shape(0), [&](const std::vector<std::int64_t>& position) {
      if (numbers(0)[index++] == 0) return;
      for (std::size_t i = 0; i < position.size(); ++i) by_axis[i].push_back(static_cast<OnnxNumber>(position[i]));
    });
    Numbers result;
    for (const Numbers& along : by_axis) result.insert(result.end(), along.begin(), along.end());
    return only(std::move(result));
  }

  Outputs where() const {
    Numbers result;
    for_each_position(output(), [&](const std::vector<std::int64_t>& position) {
      const std::size_t chosen = numbers(0)[broadcast_index(position, shape(0))] != 0 ? 1 : 2;
      result.push_back(numbers(chosen)[broadcast_index(position, shape(chosen))]);
    });
    return only(std::move(result));
  }

  Outputs reduce() const {
    // Of all elements only, as sizes are multiplied up.
    if (onnx_elements(output()) != 1 || numbers(0).empty()) return {};
    const Numbers& values = numbers(0);
    if (node_.op == "ReduceProd")
      return only({std::accumulate(values.begin(), values.end(), OnnxNumber{1}, std::multiplies<>())});
    if (node_.op == "ReduceSum") return only({std::accumulate(values.begin(), values.end(), OnnxNumber{0})});
    if (node_.op == "ReduceMax") return only({*std::ranges::max_element(values)});
    if (node_.op == "ReduceMin") return only({*std::ranges::min_element(values)});
    return {};
  }

  Outputs arithmetic() const {
    Numbers result;
    if (node_.inputs.size() == 1) {
      const auto found = std::ranges::find(unary_operators, node_.op, &UnaryOperator::op);
      if (found == unary_operators.end()) return {};
      for (const OnnxNumber value : numbers(0)) result.push_back(found->apply(value));
      return only(std::move(result));
    }
    const auto found = std::ranges::find(binary_operators, node_.op, &BinaryOperator::op);
    const bool known = node_.inputs.size() == 2 && node_.has_input(0) && node_.has_input(1);
    if (found == binary_operators.end() || !known) return {};
    const bool whole_numbers = is_whole(model_.tensor(node_.inputs[0]).type);
    const bool divides = node_.op == "Div" || node_.op == "Mod";
    if (divides && whole_numbers && std::ranges::find(numbers(1), OnnxNumber{0}) != numbers(1).end()) return {};
    const OnnxShape first = onnx_operand_shape(model_, node_, 0), second = onnx_operand_shape(model_, node_, 1);
    for_each_position(output(), [&](const std::vector<std::int64_t>& position) {
      const OnnxNumber value =
          found->apply(numbers(0)[broadcast_index(position, first)], numbers(1)[broadcast_index(position, second)]);
      result.push_back(divides && whole_numbers ? std::trunc(value) : value);
    });
    return only(std::move(result));
  }

  const OnnxModel& model_;
  const OnnxNode& node_;
};

}  // namespace

void evaluate_onnx_node(OnnxModel& model, const OnnxNode& node) {
  std::uint64_t count = 0;
  for (const int output : node.outputs) {
    if (output < 0) continue;
    const OnnxTensor& tensor = model.tensor(output);
    if (!keeps_onnx_numbers(tensor.type, onnx_elements(tensor.shape))) return;
    count += onnx_elements(tensor.shape);
  }
  if (count > model.number_budget) return;
  model.number_budget -= count;
  if (node.outputs.empty() || node.outputs[0] < 0) return;
  Outputs values = Evaluation(model, node).run();
  for (std::size_t i = 0; i < std::min(values.size(), node.outputs.size()); ++i) {
    if (node.outputs[i] < 0) continue;
    OnnxTensor& tensor = model.tensor(node.outputs[i]);
    if (values[i].size() == onnx_elements(tensor.shape)) tensor.numbers = std::move(values[i]);
  }
}

}  // namespace corbel
