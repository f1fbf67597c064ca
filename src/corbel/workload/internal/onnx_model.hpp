#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "corbel/base/error.hpp"

namespace onnx {
class ModelProto;
class NodeProto;
}  // namespace onnx

namespace corbel {

/// Holds every int64, float and bool exactly.
using OnnxNumber = long double;
using OnnxShape = std::vector<std::int64_t>;

/// Values of TensorProto.DataType that something depends on.
enum OnnxType : int {
  onnx_undefined = 0,
  onnx_float = 1,
  onnx_int32 = 6,
  onnx_int64 = 7,
  onnx_string = 8,
  onnx_bool = 9
};

/// Whether the values of such a constant are kept: those of sizes, indices and masks; other types are scales or
/// weights.
bool keeps_onnx_numbers(int type, std::uint64_t elements);

struct OnnxTensor {
  std::string name;
  int type = onnx_undefined;
  OnnxShape shape;                                 ///< known once shapes are inferred
  bool constant = false;                           ///< does not depend on the network's inputs
  std::optional<std::vector<OnnxNumber>> numbers;  ///< of a constant, where they are known and few
  int readers = 0;                                 ///< operands of nodes, and the network's outputs
};

struct OnnxAttribute {
  std::vector<std::int64_t> ints;
  std::vector<OnnxNumber> floats;
  std::vector<std::string> texts;
  std::optional<OnnxTensor> tensor;
  bool graph = false;
};

struct OnnxNode {
  /// In the main domain, what a quantised or fused operator computes: `Conv` for QLinearConv.
  std::string op;
  std::string written_op;            ///< as in the file, with a domain that is not the main one: "com.microsoft.QGemm"
  std::string name;                  ///< that of the file, else of its first output; unique among the nodes that run
  std::vector<int> inputs, outputs;  ///< tensors; −1: left out
  std::map<std::string, OnnxAttribute, std::less<>> attributes;
  const onnx::NodeProto* proto = nullptr;  ///< nullptr where `op` is not what the file says

  bool has_input(std::size_t index) const { return index < inputs.size() && inputs[index] >= 0; }
  int input(std::size_t index) const { return index < inputs.size() ? inputs[index] : -1; }
  const OnnxAttribute* find(std::string_view attribute) const;
  std::int64_t integer(std::string_view attribute, std::int64_t fallback) const;
  std::vector<std::int64_t> integers(std::string_view attribute) const;
  OnnxNumber real(std::string_view attribute, OnnxNumber fallback) const;
  std::string text(std::string_view attribute, std::string_view fallback) const;
};

struct OnnxDimension {
  std::optional<std::int64_t> size;
  std::string name;  ///< of a symbolic one, or ""
};
struct OnnxInput {
  int tensor = 0;
  std::vector<OnnxDimension> dimensions;
};

/// The part of an ONNX file's graph that its outputs depend on, checked: every operand is a constant, an input, or
/// written by a node before.
struct OnnxModel {
  std::string file;      ///< as errors name it
  std::string producer;  ///< of the file: "pytorch 1.12"
  int opset = 0;
  std::vector<OnnxTensor> tensors;
  std::vector<OnnxNode> nodes;    ///< in the order in which they run
  std::vector<OnnxInput> inputs;  ///< without initialisers
  std::vector<int> outputs;
  std::int64_t batch = 1;
  std::int64_t written_batch = 0;  ///< where another batch replaces a number in the file: that number
  std::shared_ptr<const onnx::ModelProto> proto;
  /// Values that may still be computed: what exporters compute are shapes, and a file that computes more means no good.
  std::uint64_t number_budget = 4'000'000;

  const OnnxTensor& tensor(int index) const { return tensors[static_cast<std::size_t>(index)]; }
  OnnxTensor& tensor(int index) { return tensors[static_cast<std::size_t>(index)]; }
  /// Shape of an operand that must be there.
  const OnnxShape& shape(const OnnxNode& node, std::size_t input) const;
  bool constant(int index) const { return index < 0 || tensor(index).constant; }
  /// "FILE: node `NAME` (OP): MESSAGE"
  Error error(const OnnxNode& node, std::string_view message, std::string hint = "") const;
  Error error(std::string_view message, std::string hint = "") const;
};

/// Elements of a tensor; stops at 2^63.
std::uint64_t onnx_elements(const OnnxShape& shape);
/// "[1, 3, 224, 224]"
std::string to_string(const OnnxShape& shape);

/// @throws Error{invalid_input} naming the file for what is not an ONNX model of opset 6 to 17, and for graphs that
///         are not well-formed
OnnxModel parse_onnx(std::string_view bytes, std::string file);

/// All operators without a way to become layers at once.
/// @throws Error{unsupported}
void check_onnx_operators(const OnnxModel& model);

/// Gives the inputs their sizes and sets `batch`.
/// @param batch       0: as the file says
/// @param dimensions  by their name, or as "INPUT.INDEX"
/// @throws Error{invalid_input} for dimensions that stay open, that the file does not have, or of no valid size
void set_onnx_inputs(OnnxModel& model, std::int64_t batch, const std::map<std::string, std::int64_t>& dimensions);

/// Infers type and shape of every tensor, and the values of constants that are small.
/// @throws Error{invalid_input} naming the node where shapes do not fit or depend on values that are not known
void infer_onnx_shapes(OnnxModel& model);

/// The window of a convolution or pooling over one or two axes; one axis stands as the height, its width is 1.
struct OnnxWindow {
  struct Axis {
    std::int64_t kernel = 1, stride = 1, dilation = 1;
    std::int64_t padding_begin = 0, padding_end = 0;
    std::int64_t input = 1, output = 1;
    std::int64_t extent() const { return dilation * (kernel - 1) + 1; }
  };
  Axis height, width;
  int axes = 2;
};
/// @param kernel  spatial sizes; empty: as the attribute says
OnnxWindow onnx_window(const OnnxModel& model, const OnnxNode& node, const OnnxShape& input, const OnnxShape& kernel);
/// The same of a ConvTranspose.
OnnxWindow onnx_transposed_window(const OnnxModel& model, const OnnxNode& node, const OnnxShape& input,
                                  const OnnxShape& kernel);

/// The operand's shape as it is broadcast: operator sets before 7 align the second one with an axis of the first.
OnnxShape onnx_operand_shape(const OnnxModel& model, const OnnxNode& node, std::size_t index);

/// An operand of a product of matrices, of at least one dimension; a vector is a row if it is the first operand, else
/// a column.
struct OnnxMatrix {
  OnnxShape batch;
  std::int64_t rows = 1, columns = 1;
  bool vector = false;
};
OnnxMatrix onnx_matrix(const OnnxShape& shape, bool transposed, bool first);

/// An Einsum of one or two operands, as letters of dimensions: "bij,bjk->bik".
struct OnnxEinsum {
  std::vector<std::string> operands;
  std::string output;
  std::map<char, std::int64_t> sizes;
};
OnnxEinsum onnx_einsum(const OnnxModel& model, const OnnxNode& node);

/// Shapes of the outputs for operators with a rule of their own here, nothing for others.
std::optional<std::vector<OnnxShape>> own_onnx_shapes(const OnnxModel& model, const OnnxNode& node);

/// The values of a constant node's outputs, where they follow from those of its inputs; shapes are known.
void evaluate_onnx_node(OnnxModel& model, const OnnxNode& node);

}  // namespace corbel
