#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "corbel/workload/internal/onnx_model.hpp"
#include "corbel/workload/saturate.hpp"

namespace corbel {
namespace {

/// Operators whose first output has the shape of the first input.
constexpr std::array same_shape = std::to_array<std::string_view>({"Abs",
                                                                   "Acos",
                                                                   "Acosh",
                                                                   "Asin",
                                                                   "Asinh",
                                                                   "Atan",
                                                                   "Atanh",
                                                                   "BatchNormalization",
                                                                   "Cast",
                                                                   "Ceil",
                                                                   "Celu",
                                                                   "Clip",
                                                                   "Cos",
                                                                   "Cosh",
                                                                   "CumSum",
                                                                   "DequantizeLinear",
                                                                   "Dropout",
                                                                   "Elu",
                                                                   "Erf",
                                                                   "Exp",
                                                                   "Floor",
                                                                   "Gelu",
                                                                   "HardSigmoid",
                                                                   "HardSwish",
                                                                   "Hardmax",
                                                                   "Identity",
                                                                   "InstanceNormalization",
                                                                   "IsInf",
                                                                   "IsNaN",
                                                                   "LRN",
                                                                   "LeakyRelu",
                                                                   "Log",
                                                                   "LogSoftmax",
                                                                   "LpNormalization",
                                                                   "MeanVarianceNormalization",
                                                                   "Neg",
                                                                   "Not",
                                                                   "PRelu",
                                                                   "QuantizeLinear",
                                                                   "Reciprocal",
                                                                   "Relu",
                                                                   "Round",
                                                                   "Selu",
                                                                   "Shrink",
                                                                   "Sigmoid",
                                                                   "Sign",
                                                                   "Sin",
                                                                   "Sinh",
                                                                   "SkipLayerNormalization",
                                                                   "Softmax",
                                                                   "Softplus",
                                                                   "Softsign",
                                                                   "Sqrt",
                                                                   "Tan",
                                                                   "Tanh",
                                                                   "ThresholdedRelu",
                                                                   "Trilu"});

constexpr std::array broadcasting = std::to_array<std::string_view>(
    {"Add", "And", "BitShift", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Mean", "Min",
     "Mod", "Mul", "Or",       "Pow", "Sub",   "Sum",     "Where",          "Xor"});

static_assert(std::ranges::is_sorted(same_shape) && std::ranges::is_sorted(broadcasting));

using Shapes = std::vector<OnnxShape>;

[[noreturn]] void refuse(const OnnxModel& model, const OnnxNode& node, std::string_view what) {
  std::string shapes;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.has_input(i)) shapes += (shapes.empty() ? "" : ", ") + to_string(model.shape(node, i));
  }
  throw model.error(node, fmt::format("{}: operands of shape {}", what, shapes),
                    model.written_batch == 0 ? "check the sizes of the network's inputs" : "");
}

OnnxShape broadcast(const OnnxModel& model, const OnnxNode& node, const OnnxShape& a, const OnnxShape& b) {
  OnnxShape result(std::max(a.size(), b.size()), 1);
  for (std::size_t i = 0; i < result.size(); ++i) {
    const std::int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1, y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1) refuse(model, node, "the operands do not match");
    result[result.size() - 1 - i] = x == 1 ? y : x;
  }
  return result;
}

OnnxShape broadcast_all(const OnnxModel& model, const OnnxNode& node) {
  OnnxShape result = model.shape(node, 0);
  for (std::size_t i = 1; i < node.inputs.size(); ++i) {
    result = broadcast(model, node, result, onnx_operand_shape(model, node, i));
  }
  return result;
}

OnnxShape spatial(const OnnxShape& weights) {
  return {weights.begin() + 2, weights.end()};
}

OnnxShape window_output(const OnnxShape& input, std::int64_t channels, const OnnxWindow& window) {
  OnnxShape result{input[0], channels, window.height.output};
  if (window.axes == 2) result.push_back(window.width.output);
  return result;
}

void check_rank(const OnnxModel& model, const OnnxNode& node, const OnnxShape& shape, std::size_t least) {
  if (shape.size() < least) refuse(model, node, fmt::format("at least {} dimensions are wanted", least));
}

void check_filter(const OnnxModel& model, const OnnxNode& node, const OnnxShape& input, const OnnxShape& weights) {
  check_rank(model, node, input, 3);
  check_rank(model, node, weights, 3);
  if (onnx_elements(weights) == 0) refuse(model, node, "there are no weights");
}

OnnxShape convolution(const OnnxModel& model, const OnnxNode& node) {
  const OnnxShape &input = model.shape(node, 0), &weights = model.shape(node, 1);
  check_filter(model, node, input, weights);
  const std::int64_t groups = node.integer("group", 1);
  if (groups < 1 || groups > input[1] || input[1] % groups != 0 || weights[0] % groups != 0 ||
      weights[1] != input[1] / groups) {
    refuse(model, node, fmt::format("channels do not fit with {} groups", groups));
  }
  return window_output(input, weights[0], onnx_window(model, node, input, spatial(weights)));
}

OnnxShape transposed_convolution(const OnnxModel& model, const OnnxNode& node) {
  const OnnxShape &input = model.shape(node, 0), &weights = model.shape(node, 1);
  check_filter(model, node, input, weights);
  const std::int64_t groups = node.integer("group", 1);
  if (groups < 1 || groups > input[1] || weights[0] != input[1] || input[1] % groups != 0) {
    refuse(model, node, fmt::format("channels do not fit with {} groups", groups));
  }
  const std::uint64_t channels = saturating_product({weights[1], groups});
  if (channels > static_cast<std::uint64_t>(INT32_MAX)) refuse(model, node, "too many channels");
  return window_output(input, static_cast<std::int64_t>(channels),
                       onnx_transposed_window(model, node, input, spatial(weights)));
}

OnnxShape pool(const OnnxModel& model, const OnnxNode& node) {
  const OnnxShape& input = model.shape(node, 0);
  check_rank(model, node, input, 3);
  return window_output(input, input[1], onnx_window(model, node, input, {}));
}

OnnxShape global_pool(const OnnxModel& model, const OnnxNode& node) {
  OnnxShape shape = model.shape(node, 0);
  check_rank(model, node, shape, 3);
  std::fill(shape.begin() + 2, shape.end(), 1);
  return shape;
}

std::pair<OnnxMatrix, OnnxMatrix> factors(const OnnxModel& model, const OnnxNode& node) {
  check_rank(model, node, model.shape(node, 0), 1);
  check_rank(model, node, model.shape(node, 1), 1);
  std::pair result{onnx_matrix(model.shape(node, 0), node.integer("transA", 0) != 0, true),
                   onnx_matrix(model.shape(node, 1), node.integer("transB", 0) != 0, false)};
  if (result.first.columns != result.second.rows) refuse(model, node, "the inner sizes differ");
  return result;
}

OnnxShape matmul(const OnnxModel& model, const OnnxNode& node) {
  const auto [a, b] = factors(model, node);
  OnnxShape result = broadcast(model, node, a.batch, b.batch);
  if (!a.vector) result.push_back(a.rows);
  if (!b.vector) result.push_back(b.columns);
  return result;
}

OnnxShape gemm(const OnnxModel& model, const OnnxNode& node) {
  const auto [a, b] = factors(model, node);
  if (a.vector || b.vector || !a.batch.empty() || !b.batch.empty()) refuse(model, node, "two matrices are wanted");
  const OnnxShape result{a.rows, b.columns};
  if (node.has_input(2) && broadcast(model, node, result, model.shape(node, 2)) != result) {
    refuse(model, node, "the third operand does not fit");
  }
  return result;
}

OnnxShape concat(const OnnxModel& model, const OnnxNode& node) {
  OnnxShape result = model.shape(node, 0);
  const auto rank = static_cast<std::int64_t>(result.size());
  std::int64_t axis = node.integer("axis", rank);
  if (axis < 0) axis += rank;
  if (axis < 0 || axis >= rank) refuse(model, node, fmt::format("no axis {}", node.integer("axis", rank)));
  const auto along = static_cast<std::size_t>(axis);
  std::uint64_t sum = static_cast<std::uint64_t>(result[along]);
  for (std::size_t i = 1; i < node.inputs.size(); ++i) {
    OnnxShape part = model.shape(node, i);
    if (part.size() != result.size()) refuse(model, node, "the operands do not match");
    sum = saturating_sum(sum, static_cast<std::uint64_t>(part[along]));
    part[along] = result[along];
    if (part != result) refuse(model, node, "the operands do not match");
  }
  result[along] = static_cast<std::int64_t>(std::min(sum, saturated - 1));
  return result;
}

/// A target with the number that stands in the file for the batch follows a batch that replaces it.
OnnxShape with_batch(const OnnxModel& model, const OnnxShape& input, OnnxShape target) {
  if (model.written_batch != 0 && !target.empty() && !input.empty() && target[0] == model.written_batch &&
      input[0] == model.batch) {
    target[0] = model.batch;
  }
  return target;
}

/// The values of an operand on which the output's shape depends.
const std::vector<OnnxNumber>& needed_numbers(const OnnxModel& model, const OnnxNode& node, std::size_t input) {
  model.shape(node, input);
  const OnnxTensor& tensor = model.tensor(node.inputs[input]);
  if (tensor.numbers) return *tensor.numbers;
  throw model.error(node, "its shape depends on values that are not in the file",
                    "export the network with fixed sizes, or with its constants inside the file");
}

OnnxShape reshape(const OnnxModel& model, const OnnxNode& node) {
  const OnnxShape& input = model.shape(node, 0);
  OnnxShape target;
  for (const OnnxNumber number : needed_numbers(model, node, 1)) {
    if (!(number >= -1 && number <= INT32_MAX)) refuse(model, node, "a size of the shape is not valid");
    target.push_back(static_cast<std::int64_t>(number));
  }
  if (!model.tensor(node.inputs[0]).constant) target = with_batch(model, input, std::move(target));
  const bool allow_zero = node.integer("allowzero", 0) != 0;
  std::size_t open = target.size();
  for (std::size_t i = 0; i < target.size(); ++i) {
    if (target[i] == 0 && !allow_zero) {
      if (i >= input.size()) refuse(model, node, "a 0 in the shape copies a size that is not there");
      target[i] = input[i];
    } else if (target[i] == -1) {
      if (open != target.size()) refuse(model, node, "the shape leaves two sizes open");
      open = i;
    }
  }
  const std::uint64_t elements = onnx_elements(input);
  if (open != target.size()) {
    target[open] = 1;
    const std::uint64_t others = onnx_elements(target);
    if (others == 0 || elements % others != 0) refuse(model, node, fmt::format("cannot become {}", to_string(target)));
    target[open] = static_cast<std::int64_t>(elements / others);
  }
  if (onnx_elements(target) != elements) refuse(model, node, fmt::format("cannot become {}", to_string(target)));
  return target;
}

OnnxShape constant_of_shape(const OnnxModel& model, const OnnxNode& node) {
  OnnxShape shape;
  for (const OnnxNumber number : needed_numbers(model, node, 0)) {
    if (!(number >= 0 && number <= INT32_MAX)) refuse(model, node, "a size of the shape is not valid");
    shape.push_back(static_cast<std::int64_t>(number));
  }
  return shape;
}

OnnxShape constant(const OnnxModel& model, const OnnxNode& node) {
  for (const std::string_view name : {"value", "sparse_value"}) {
    if (const OnnxAttribute* value = node.find(name); value != nullptr && value->tensor) return value->tensor->shape;
  }
  for (const std::string_view name : {"value_int", "value_float", "value_string"}) {
    if (node.find(name) != nullptr) return {};
  }
  for (const std::string_view name : {"value_ints", "value_floats", "value_strings"}) {
    const OnnxAttribute* value = node.find(name);
    if (value == nullptr) continue;
    return {static_cast<std::int64_t>(value->ints.size() + value->floats.size() + value->texts.size())};
  }
  throw model.error(node, "there is no value", "the file is damaged; export it again");
}

/// The shape of a part of a shape.
OnnxShape shape_of(const OnnxModel& model, const OnnxNode& node) {
  const auto rank = static_cast<std::int64_t>(model.shape(node, 0).size());
  const auto bound = [&](std::string_view name, std::int64_t fallback) {
    const std::int64_t value = node.integer(name, fallback);
    return std::clamp<std::int64_t>(value < 0 ? value + rank : value, 0, rank);
  };
  return {std::max<std::int64_t>(0, bound("end", rank) - bound("start", 0))};
}

OnnxShape nonzero(const OnnxModel& model, const OnnxNode& node) {
  const auto& numbers = needed_numbers(model, node, 0);
  const auto zeros = std::ranges::count(numbers, OnnxNumber{0});
  const auto rank = static_cast<std::int64_t>(model.shape(node, 0).size());
  return {std::max<std::int64_t>(rank, 1), static_cast<std::int64_t>(numbers.size()) - zeros};
}

OnnxShape range(const OnnxModel& model, const OnnxNode& node) {
  for (std::size_t i = 0; i < 3; ++i) {
    if (needed_numbers(model, node, i).size() != 1) refuse(model, node, "three numbers are wanted");
  }
  const OnnxNumber start = needed_numbers(model, node, 0)[0], limit = needed_numbers(model, node, 1)[0],
                   delta = needed_numbers(model, node, 2)[0];
  const OnnxNumber count = std::ceil((limit - start) / delta);
  if (!(count <= INT32_MAX)) refuse(model, node, "the range has no end");
  return {count > 0 ? static_cast<std::int64_t>(count) : 0};
}

OnnxShape einsum(const OnnxModel& model, const OnnxNode& node) {
  const OnnxEinsum parsed = onnx_einsum(model, node);
  OnnxShape result;
  for (const char letter : parsed.output) result.push_back(parsed.sizes.at(letter));
  return result;
}

struct Rule {
  std::string_view op;
  OnnxShape (*shape)(const OnnxModel& model, const OnnxNode& node);
};
constexpr std::array rules = std::to_array<Rule>({
    {"AveragePool", pool},
    {"Concat", concat},
    {"Constant", constant},
    {"ConstantOfShape", constant_of_shape},
    {"Conv", convolution},
    {"ConvTranspose", transposed_convolution},
    {"Einsum", einsum},
    {"Gemm", gemm},
    {"GlobalAveragePool", global_pool},
    {"GlobalLpPool", global_pool},
    {"GlobalMaxPool", global_pool},
    {"LpPool", pool},
    {"MatMul", matmul},
    {"MaxPool", pool},
    {"NonZero", nonzero},
    {"Range", range},
    {"Reshape", reshape},
    {"Shape", shape_of},
    {"Size", [](const OnnxModel&, const OnnxNode&) { return OnnxShape{}; }},
});

}  // namespace

OnnxShape onnx_operand_shape(const OnnxModel& model, const OnnxNode& node, std::size_t index) {
  OnnxShape shape = model.shape(node, index);
  const std::size_t rank = model.shape(node, 0).size();
  const bool slope = node.op == "PRelu";
  if (model.opset >= 7 || index != 1 || shape.size() >= rank) return shape;
  if (!slope && node.integer("broadcast", 0) == 0) return shape;
  const bool per_channel = slope && rank > 1 && onnx_elements(shape) > 1;
  std::int64_t axis =
      node.integer("axis", per_channel ? 1 : static_cast<std::int64_t>(rank) - static_cast<std::int64_t>(shape.size()));
  if (axis < 0) axis += static_cast<std::int64_t>(rank);
  if (axis < 0 || static_cast<std::size_t>(axis) + shape.size() > rank) refuse(model, node, "the axis does not fit");
  shape.insert(shape.end(), rank - shape.size() - static_cast<std::size_t>(axis), 1);
  return shape;
}

OnnxEinsum onnx_einsum(const OnnxModel& model, const OnnxNode& node) {
  std::string equation = node.text("equation", "");
  std::erase(equation, ' ');
  const std::size_t arrow = equation.find("->");
  const bool plain = std::ranges::all_of(equation, [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == ',' || c == '-' || c == '>';
  });
  if (!plain || arrow == std::string::npos) {
    throw model.error(node, fmt::format("the equation {} is not supported", in_quotes(equation)),
                      "write every dimension as a letter and the output explicitly, as in `bij,bjk->bik`");
  }
  OnnxEinsum result;
  result.output = equation.substr(arrow + 2);
  std::string operand;
  for (const char c : equation.substr(0, arrow) + ",") {
    if (c != ',') {
      operand += c;
      continue;
    }
    result.operands.push_back(std::exchange(operand, ""));
  }
  const auto fail = [&] { refuse(model, node, fmt::format("the equation {} does not fit", in_quotes(equation))); };
  if (result.operands.size() != node.inputs.size() || result.operands.size() > 2) fail();
  for (std::size_t i = 0; i < result.operands.size(); ++i) {
    const OnnxShape& shape = model.shape(node, i);
    const std::string& letters = result.operands[i];
    if (letters.size() != shape.size()) fail();
    for (std::size_t d = 0; d < shape.size(); ++d) {
      if (letters.find(letters[d]) != d || !result.sizes.emplace(letters[d], shape[d]).second) {
        if (letters.find(letters[d]) != d || result.sizes.at(letters[d]) != shape[d]) fail();
      }
    }
  }
  for (std::size_t i = 0; i < result.output.size(); ++i) {
    const char letter = result.output[i];
    if (!result.sizes.contains(letter) || result.output.find(letter) != i) fail();
  }
  return result;
}

std::optional<std::vector<OnnxShape>> own_onnx_shapes(const OnnxModel& model, const OnnxNode& node) {
  // All outputs of these operators (the mask of a Dropout, the indices of a pool) have the shape of the first.
  const auto all = [&](const OnnxShape& shape) { return Shapes(node.outputs.size(), shape); };
  if (std::ranges::binary_search(same_shape, node.op)) return all(model.shape(node, 0));
  if (std::ranges::binary_search(broadcasting, node.op)) return all(broadcast_all(model, node));
  const auto rule = std::ranges::find(rules, node.op, &Rule::op);
  if (rule != rules.end()) return all(rule->shape(model, node));
  return std::nullopt;
}

}  // namespace corbel
