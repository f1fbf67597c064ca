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
  std::vector<int> producers = {-1};  ///< the layers that write its parts; −1: the network's input
};
/// "[channels, height, width]"
std::string to_string(const Tensor& tensor);

/// The window of a convolution or pooling.
struct Window {
  std::int64_t kernel_height = 1, kernel_width = 1;
  std::int64_t stride_height = 1, stride_width = 1;
  std::int64_t dilation = 1;
  bool same = true;  ///< padded so that the output is the input over the stride, rounded up
  std::int64_t padding_height = 0, padding_width = 0;  ///< on each side; only if not `same`
};
Window square_window(std::int64_t kernel, std::int64_t stride = 1);

struct Convolution {
  std::int64_t out_channels = 1;
  Window window;
  std::int64_t groups = 1;
  bool bias = true;
};

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

  Tensor convolution(const std::string& name, const Tensor& input, const Convolution& options);
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
  /// One operation per element of the first operand. The others have its shape or, with `broadcast`, 1 in place of
  /// a dimension.
  Tensor elementwise(const std::string& name, std::span<const Tensor> operands, bool broadcast = false);
  Tensor activation(const std::string& name, const Tensor& input, ActivationCost cost);
  /// Along the channels. Data movement alone: parts are written side by side, so there is no layer.
  Tensor concatenate(const std::string& name, std::span<const Tensor> parts) const;

  /// Recurrent cells. @param steps  0: the rows of the input, which also may be one row that comes in at every step
  /// @param all  put out the state of every step, not of the last alone
  /// LSTM: Hochreiter and Schmidhuber 1997, without peepholes: 4·h·(i + h) weights and 4·h biases.
  Tensor lstm(const std::string& name, const Tensor& input, std::int64_t units, std::int64_t steps, bool bias,
              bool all);
  /// GRU: arXiv 1406.1078: 3·h·(i + h) weights and 3·h biases.
  Tensor gru(const std::string& name, const Tensor& input, std::int64_t units, std::int64_t steps, bool bias, bool all);

  Tensor squeeze_excite(const std::string& name, const Tensor& input, std::int64_t squeezed_channels);
  Tensor inverted_residual(const std::string& name, const Tensor& input, const InvertedResidual& options);
  Tensor bottleneck(const std::string& name, const Tensor& input, const Bottleneck& options);

  std::int64_t batch() const { return batch_; }
  const std::vector<Layer>& layers() const { return layers_; }
  std::vector<Layer> take_layers() { return std::move(layers_); }

 private:
  Error error(std::string_view layer, std::string_view message, std::string hint = "") const;
  /// a · b where both are sizes, refused beyond max_layer_size.
  std::int64_t size_product(const std::string& name, std::string_view what, std::int64_t a, std::int64_t b) const;
  void apply_window(Layer& layer, const Tensor& input, const Window& window) const;
  std::int64_t recurrent_steps(const std::string& name, const Tensor& input, std::int64_t steps) const;
  Tensor recurrent_matmul(const std::string& name, std::span<const Tensor> operands, std::int64_t out,
                          std::int64_t steps, bool bias);
  Tensor recurrent_elementwise(const std::string& name, std::span<const Tensor> operands, std::int64_t channels,
                               std::int64_t steps);
  std::vector<int> merged_producers(const std::string& name, std::span<const Tensor> tensors) const;
  /// Appends the layer, which reads `inputs`.
  Tensor append(Layer layer, std::span<const Tensor> inputs);

  std::int64_t batch_;
  std::string place_;
  std::vector<Layer> layers_;
  std::uint64_t macs_ = 0, vector_operations_ = 0, parameters_ = 0;
};

}  // namespace corbel
