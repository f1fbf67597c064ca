#include "corbel/workload/internal/onnx_model.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "corbel/workload/saturate.hpp"

namespace corbel {

const OnnxAttribute* OnnxNode::find(std::string_view attribute) const {
  const auto found = attributes.find(attribute);
  return found == attributes.end() ? nullptr : &found->second;
}

std::int64_t OnnxNode::integer(std::string_view attribute, std::int64_t fallback) const {
  const OnnxAttribute* found = find(attribute);
  return found == nullptr || found->ints.empty() ? fallback : found->ints.front();
}

std::vector<std::int64_t> OnnxNode::integers(std::string_view attribute) const {
  const OnnxAttribute* found = find(attribute);
  return found == nullptr ? std::vector<std::int64_t>{} : found->ints;
}

OnnxNumber OnnxNode::real(std::string_view attribute, OnnxNumber fallback) const {
  const OnnxAttribute* found = find(attribute);
  return found == nullptr || found->floats.empty() ? fallback : found->floats.front();
}

std::string OnnxNode::text(std::string_view attribute, std::string_view fallback) const {
  const OnnxAttribute* found = find(attribute);
  return found == nullptr || found->texts.empty() ? std::string(fallback) : found->texts.front();
}

Error OnnxModel::error(const OnnxNode& node, std::string_view message, std::string hint) const {
  return Error(ErrorCode::invalid_input,
               fmt::format("{}: node {} ({}): {}", file, in_quotes(node.name), printable(node.written_op), message),
               std::move(hint));
}

Error OnnxModel::error(std::string_view message, std::string hint) const {
  return Error(ErrorCode::invalid_input, fmt::format("{}: {}", file, message), std::move(hint));
}

bool keeps_onnx_numbers(int type, std::uint64_t elements) {
  const bool shapes = type == onnx_int32 || type == onnx_int64 || type == onnx_bool;
  return elements <= (shapes ? 16'384u : 64u);
}

const OnnxShape& OnnxModel::shape(const OnnxNode& node, std::size_t input) const {
  if (!node.has_input(input)) {
    throw error(node, fmt::format("operand {} is missing", input), "the file is damaged; export it again");
  }
  return tensor(node.inputs[input]).shape;
}

OnnxMatrix onnx_matrix(const OnnxShape& shape, bool transposed, bool first) {
  OnnxMatrix matrix;
  matrix.vector = shape.size() == 1;
  if (matrix.vector) {
    (first ? matrix.columns : matrix.rows) = shape[0];
    return matrix;
  }
  matrix.rows = shape[shape.size() - 2];
  matrix.columns = shape[shape.size() - 1];
  if (transposed) std::swap(matrix.rows, matrix.columns);
  matrix.batch.assign(shape.begin(), shape.end() - 2);
  return matrix;
}

std::uint64_t onnx_elements(const OnnxShape& shape) {
  std::uint64_t product = 1;
  for (const std::int64_t size : shape) {
    if (size <= 0) return 0;
    product = product >= saturated ? saturated : saturating_product({static_cast<std::int64_t>(product), size});
  }
  return product;
}

std::string to_string(const OnnxShape& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace corbel
