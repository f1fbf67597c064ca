#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "corbel/workload/builder.hpp"
#include "corbel/workload/internal/onnx_model.hpp"

namespace corbel {

/// A size of a layer; one that is too large stays too large for the builder, which refuses it by name.
std::int64_t onnx_layer_size(std::uint64_t elements);

/// Makes layers of the nodes of a model whose shapes are known; docs/formats/onnx.md says which. Serves one build().
class OnnxLayers {
 public:
  explicit OnnxLayers(const OnnxModel& model);
  std::vector<Layer> build();
  /// The inference batch: that of the inputs, or of a recurrent cell, which may have it at another place.
  std::int64_t batch() const { return batch_; }

  static bool knows(std::string_view op);

 private:
  /// What is known of a tensor that depends on the network's inputs.
  struct Value {
    std::vector<int> producers;
    std::uint64_t network_elements = 0;
    int layer = -1;         ///< wrote all of these elements and nothing else; −1: none, or several
    bool exclusive = true;  ///< nothing but what leads to here reads that layer
    bool in_place = true;   ///< still in the shape in which the layer wrote it
    int content = -1;       ///< the tensor whose elements these are
    int argument = -1;      ///< the content of which `layer` is a function, element by element
    std::optional<OnnxShape> unpadded;
  };
  /// What may still fold into a layer.
  struct Ending {
    bool products = false;  ///< ends in sums that are requantised per channel
    bool affine = false;    ///< multiplies or adds parameters per channel
    bool scales = false, shifts = false;
    bool clamped = false;
    int channel_axis = -1;
  };
  struct Extent {
    std::int64_t batch = 1, channels = 1, height = 1, width = 1;
  };
  /// A product of matrices, `samples` or with weights `groups` times.
  struct Product {
    std::int64_t rows = 1, inner = 1, columns = 1;
    std::int64_t samples = 1, groups = 1;
    bool weights = false, bias = false;
    int channel_axis = -1;
  };
  struct Kind {
    std::string_view op;
    void (OnnxLayers::*build)(const OnnxNode& node);
  };
  static std::span<const Kind> kinds();

  // What nodes become, in onnx_layers.cpp, onnx_products.cpp, onnx_pointwise.cpp and onnx_windowed.cpp.
  void same(const OnnxNode& node);
  void move(const OnnxNode& node);
  void part(const OnnxNode& node);
  void concatenate(const OnnxNode& node);
  void pad(const OnnxNode& node);
  void gather(const OnnxNode& node);
  void convolution(const OnnxNode& node);
  void transposed_convolution(const OnnxNode& node);
  void gemm(const OnnxNode& node);
  void matmul(const OnnxNode& node);
  void einsum(const OnnxNode& node);
  void recurrent(const OnnxNode& node);
  void pool(const OnnxNode& node);
  void global_pool(const OnnxNode& node);
  void reduction(const OnnxNode& node);
  void resize(const OnnxNode& node);
  void clamp(const OnnxNode& node);
  void function(const OnnxNode& node);
  void slope(const OnnxNode& node);
  void arithmetic(const OnnxNode& node);
  void combine_all(const OnnxNode& node);
  void batch_normalization(const OnnxNode& node);
  void normalization(const OnnxNode& node);
  void skip_normalization(const OnnxNode& node);
  void softmax(const OnnxNode& node);
  void local_response(const OnnxNode& node);

  const OnnxShape& output_shape(const OnnxNode& node) const { return model_.tensor(node.outputs[0]).shape; }
  const OnnxShape& input_shape(const OnnxNode& node, std::size_t index) const { return model_.shape(node, index); }
  Value& value(int tensor) { return values_[static_cast<std::size_t>(tensor)]; }
  Tensor operand(int tensor);
  /// The node's operands that are not constants, each once.
  std::vector<int> activations(const OnnxNode& node) const;
  void needs_constant(const OnnxNode& node, std::size_t input, std::string_view what) const;

  /// Appends the layer; what it writes is the node's first output, or is later given to `set_output`.
  int append(Layer layer, std::span<const int> inputs);
  void set_output(const OnnxNode& node, int layer, Ending ending);
  /// The node's outputs are the elements of `input` (all of them if `whole`), without a layer.
  void alias(const OnnxNode& node, int input, bool in_place, bool whole);
  /// Whether what a layer writes goes to `input` and from there to one reader alone, so that this can fold into it.
  bool can_fold(int input);
  Ending& ending(int input) { return endings_[static_cast<std::size_t>(value(input).layer)]; }

  static std::int64_t default_channel_axis(const OnnxShape& shape);
  Extent extent(const OnnxShape& shape, std::int64_t channel_axis) const;
  Layer elementwise_layer(const OnnxNode& node, const OnnxShape& shape, std::int64_t channel_axis) const;
  /// A function of one number, applied to every element.
  void look_up(const OnnxNode& node, std::span<const int> inputs);
  /// Times or plus a constant of this shape, aligned with the output's.
  void affine(const OnnxNode& node, int input, int constant, const OnnxShape& constant_shape, bool scales, bool shifts);
  void combine(const OnnxNode& node, std::span<const int> inputs);
  void table(const OnnxNode& node, int input, int constant);
  void append_product(const OnnxNode& node, const Product& product, std::span<const int> inputs);
  void window_layer(const OnnxNode& node, Layer layer, const OnnxWindow& window, Ending ending);

  const OnnxModel& model_;
  std::vector<Value> values_;
  NetworkBuilder builder_;
  std::vector<Ending> endings_;
  std::int64_t batch_;
};

}  // namespace corbel
