#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "corbel/base/error.hpp"
#include "corbel/workload/network.hpp"

namespace corbel {

inline constexpr std::int64_t max_layer_size = 2'147'483'647;  ///< of a dimension, kernel, stride, batch, …
inline constexpr std::size_t max_layers = 100'000;
inline constexpr std::size_t max_layer_inputs = 512;  ///< outputs a layer reads, each as often as it is read

/// What flows between layers, per sample. A sequence is `height` rows of `channels` features.
struct Tensor {
  std::int64_t channels = 1, height = 1, width = 1;
  /// The layers that write its parts; −1: the network's inputs; none: constants, or the state of a recurrent cell.
  std::vector<int> producers;
  std::uint64_t network_elements = 0;  ///< of its elements, those that are the network's inputs
};
enum class Axis { channels, height, width };
/// "[channels, height, width]"
std::string to_string(const Tensor& tensor);

/// The window of a convolution or pooling.
struct Window {
  std::int64_t kernel_height = 1, kernel_width = 1;
  std::int64_t stride_height = 1, stride_width = 1;
  std::int64_t dilation = 1;  ///< of both axes; it changes nothing where the kernel is 1
  /// Padded so that the output is the input over the stride, rounded up (transposed: times the stride).
  bool same = true;
  std::int64_t padding_top = 0, padding_left = 0, padding_bottom = 0, padding_right = 0;  ///< only if not `same`
  bool ceil = false;  ///< pooling: a last window that starts inside the input may hang over its edge
};
Window square_window(std::int64_t kernel, std::int64_t stride = 1);

struct Convolution {
  std::int64_t out_channels = 1;
  Window window;
  std::int64_t groups = 1;
  bool bias = true;
};

struct TransposedConvolution {
  std::int64_t out_channels = 1;
  Window window;
  std::int64_t output_padding_height = 0, output_padding_width = 0;  ///< more output at the bottom and the right
  std::int64_t groups = 1;
  bool bias = true;
};

/// What an elementwise layer does.
struct Elementwise {
  bool broadcast = false;            ///< an operand may have 1 in place of a dimension of the first
  std::int64_t operations = 0;       ///< per output element; 0: one less than operands, at least one
  bool scale = false, bias = false;  ///< parameters per channel that multiply and, only with `scale`, are added
};
/// Counts of vector operations per element; a look-up in a table replaces any function of one number.
inline constexpr Elementwise softmax_work{.operations = 4};  ///< maximum; look-up of the exponential; sum; quotient
/// Sum for the mean; difference to it; sum of squares; times the inverse deviation; scale and shift. Also instance and
/// group normalisation. arXiv 1607.06450.
inline constexpr Elementwise layer_norm_work{.operations = 5, .scale = true, .bias = true};
/// Sum of squares; times the inverse root; scale. arXiv 1910.07467.
inline constexpr Elementwise rms_norm_work{.operations = 3, .scale = true};
/// Batch normalisation that cannot fold into a convolution before it: one multiply-add. arXiv 1502.03167.
inline constexpr Elementwise batch_norm_work{.operations = 1, .scale = true, .bias = true};
/// Local response normalisation across `size` channels (AlexNet, 2012, section 3.3): square; size − 1 additions;
/// look-up of the power; product.
Elementwise local_response_norm_work(std::int64_t size);

/// How an activation function is paid for. A clamp (ReLU, ReLU6) is part of the requantisation to int8 that ends every
/// layer anyway; any other function is a table look-up per element, a layer of its own.
enum class ActivationCost { folded, layer };

/// Inverted residual, arXiv 1801.04381; fused: the expansion and the depthwise convolution are one convolution.
struct InvertedResidual {
  std::int64_t out_channels = 1, hidden_channels = 1;
  std::int64_t kernel = 3, stride = 1;
  std::int64_t squeezed_channels = 0;  ///< of squeeze-and-excite, arXiv 1709.01507; 0: none
  bool residual = true;                ///< add the input where the shapes agree
  bool fused = false;
  ActivationCost activation = ActivationCost::folded;
};

/// Basic block of a residual network, arXiv 1512.03385: two convolutions, the first with the stride.
struct BasicBlock {
  std::int64_t out_channels = 1;
  std::int64_t kernel = 3, stride = 1;
  ActivationCost activation = ActivationCost::folded;
};

/// Bottleneck of a residual network, arXiv 1512.03385, with the stride in the spatial convolution ("v1.5").
struct Bottleneck {
  std::int64_t out_channels = 1, hidden_channels = 1;
  std::int64_t kernel = 3, stride = 1, groups = 1;
  ActivationCost activation = ActivationCost::folded;
};

/// Lists the layers of a network, computing shapes and refusing what does not fit. Every method appends the layers it
/// needs and returns what they put out.
/// @throws Error{invalid_input} "PLACE: layer `NAME`: …" for shapes that do not fit, for more than max_layers layers,
///         and where the operations or elements of a layer or of the whole network need more than 63 bits
class NetworkBuilder {
 public:
  /// @param batch  in [1, max_layer_size]
  explicit NetworkBuilder(std::int64_t batch) : batch_(batch) {}
  /// What errors name as the culprit from here on, such as "net.yaml:12:5".
  void set_place(std::string place) { place_ = std::move(place); }

  /// An input of the network; it may have several.
  Tensor input(const std::string& name, std::int64_t channels, std::int64_t height, std::int64_t width) const;
  Tensor convolution(const std::string& name, const Tensor& input, const Convolution& options);
  /// Output per axis: (in − 1)·stride + dilation·(kernel − 1) + 1 − padding + output padding.
  Tensor transposed_convolution(const std::string& name, const Tensor& input, const TransposedConvolution& options);
  Tensor pool(const std::string& name, const Tensor& input, const Window& window);
  Tensor global_pool(const std::string& name, const Tensor& input);
  /// Of the flattened input.
  Tensor fully_connected(const std::string& name, const Tensor& input, std::int64_t out, bool bias = true);
  /// The same weights on every row (position) of the input.
  Tensor matmul(const std::string& name, const Tensor& input, std::int64_t out, bool bias = true);
  /// Product of two activations, per head. Transposed: first [m, d] × second [n, d] → [heads·m, n], each head with
  /// its share of d. Otherwise: first [heads·m, k] × second [k, d] → [m, d]. Rows are height·width.
  Tensor matmul(const std::string& name, const Tensor& first, const Tensor& second, bool transposed,
                std::int64_t heads = 1);
  /// As large as the first operand; the others have its shape or, with `broadcast`, 1 in place of a dimension.
  Tensor elementwise(const std::string& name, std::span<const Tensor> operands, const Elementwise& work = {});
  Tensor activation(const std::string& name, const Tensor& input, ActivationCost cost);
  /// Another height and width: nearest is one operation per output element, bilinear four multiply-adds.
  Tensor resize(const std::string& name, const Tensor& input, std::int64_t height, std::int64_t width, bool bilinear);
  /// Looks up one row of a table [rows, width] per element of `indices`, whose channels are 1, or which is one row.
  Tensor embedding(const std::string& name, const Tensor& indices, std::int64_t rows, std::int64_t width);

  /// Data movement alone, and no layer: parts are written side by side, shapes are a way to read.
  Tensor concatenate(const std::string& name, std::span<const Tensor> parts, Axis axis = Axis::channels) const;
  /// As many elements in another shape, also in another order (transposition).
  Tensor reshape(const std::string& name, const Tensor& input, std::int64_t channels, std::int64_t height,
                 std::int64_t width) const;
  /// `size` of the input's channels, rows or columns.
  Tensor slice(const std::string& name, const Tensor& input, Axis axis, std::int64_t size) const;

  /// Recurrent cells. @param steps  0: the rows of the input, which also may be one row that comes in at every step
  /// @param all  put out the state of every step, not of the last alone
  /// LSTM: Hochreiter and Schmidhuber 1997, without peepholes: 4·h·(i + h) weights and 4·h biases.
  Tensor lstm(const std::string& name, const Tensor& input, std::int64_t units, std::int64_t steps, bool bias,
              bool all);
  /// GRU: arXiv 1406.1078: 3·h·(i + h) weights and 3·h biases.
  Tensor gru(const std::string& name, const Tensor& input, std::int64_t units, std::int64_t steps, bool bias, bool all);

  Tensor squeeze_excite(const std::string& name, const Tensor& input, std::int64_t squeezed_channels);
  Tensor inverted_residual(const std::string& name, const Tensor& input, const InvertedResidual& options);
  Tensor basic_block(const std::string& name, const Tensor& input, const BasicBlock& options);
  Tensor bottleneck(const std::string& name, const Tensor& input, const Bottleneck& options);

  /// Any other layer, which reads `inputs`; its batch is multiplied by that of the network.
  Tensor append(Layer layer, std::span<const Tensor> inputs);

  std::int64_t batch() const { return batch_; }
  const std::vector<Layer>& layers() const { return layers_; }
  std::vector<Layer> take_layers() { return std::move(layers_); }

 private:
  Error error(std::string_view layer, std::string_view message, std::string hint = "") const;
  /// a · b where both are sizes, refused beyond max_layer_size.
  std::int64_t size_product(const std::string& name, std::string_view what, std::int64_t a, std::int64_t b) const;
  void check_size(const std::string& name, std::string_view what, std::int64_t size, std::int64_t min = 1) const;
  void check_window(const std::string& name, const Window& window) const;
  void check_groups(const std::string& name, std::int64_t groups, std::int64_t in, std::int64_t out) const;
  void apply_window(Layer& layer, const Tensor& input, const Window& window) const;
  std::int64_t recurrent_steps(const std::string& name, const Tensor& input, std::int64_t steps) const;
  Tensor recurrent_matmul(const std::string& name, std::span<const Tensor> operands, std::int64_t out,
                          std::int64_t steps, bool bias);
  /// x + input, where the input goes through a 1×1 convolution if the shapes differ.
  Tensor add_shortcut(const std::string& name, const Tensor& x, const Tensor& input, std::int64_t stride,
                      ActivationCost activation);
  Tensor recurrent_elementwise(const std::string& name, std::span<const Tensor> operands, std::int64_t channels,
                               std::int64_t steps);
  std::vector<int> merged_producers(const std::string& name, std::span<const Tensor> tensors) const;
  std::int64_t batch_;
  std::string place_;
  std::vector<Layer> layers_;
  std::uint64_t macs_ = 0, vector_operations_ = 0, parameters_ = 0;
};

}  // namespace corbel
