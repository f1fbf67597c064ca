#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace corbel {

class Config;

enum class LayerKind {
  conv,             ///< convolution, also grouped (1 < groups < in_channels)
  depthwise,        ///< convolution with groups == in_channels
  pool,             ///< max or average, no parameters
  fully_connected,  ///< [batch × in_channels] × weights [in_channels × out_channels]
  matmul,           ///< [m × k] × [k × n], both operands activations (attention), or weights when weight_operand
  elementwise,      ///< add, multiply, activation function, softmax, …: `operations` per output element
  transposed_conv,  ///< every input position times the whole kernel, summed where the products overlap
  resize,           ///< nearest or bilinear interpolation to another height and width, no parameters
  embedding,        ///< rows of a table, chosen by index: no operation, only traffic
};
std::string_view to_string(LayerKind kind);

/// One layer with everything a cost model needs, in elements; batch already applied where noted. int8 elements.
/// Convolution and pooling use channels, heights, kernels; fully connected and matmul use the same fields as
/// in_channels = k, out_channels = n, out_height = m (rows per sample), all others 1. The heads of an attention product
/// share no operand, so they count as samples: batch = inference batch × heads. An embedding looks up out_height rows
/// of out_channels elements in a table of in_channels rows. Counts never wrap: they stop at 2^63, which no layer of a
/// loaded network reaches.
struct Layer {
  std::string name;
  LayerKind kind = LayerKind::conv;
  std::int64_t batch = 1;
  std::int64_t in_channels = 1, in_height = 1, in_width = 1;
  std::int64_t out_channels = 1, out_height = 1, out_width = 1;
  std::int64_t kernel_height = 1, kernel_width = 1;
  std::int64_t stride_height = 1, stride_width = 1;
  std::int64_t dilation = 1;
  std::int64_t groups = 1;
  /// A recurrent cell's matmul runs `steps` times in sequence with the same weights; 1 otherwise.
  std::int64_t steps = 1;
  bool weight_operand = true;  ///< matmul: the second operand is a parameter, not an activation
  bool bias = true;
  /// Elementwise: input tensors of the full size, without those that are broadcast (squeeze-and-excite's scale).
  std::int64_t operands = 1;
  std::int64_t operations = 1;  ///< elementwise and resize: vector operations per output element
  /// Elementwise: multiplies by a parameter per channel, and with `bias` adds another (normalisations).
  bool scale = false;
  /// Indices of the layers whose outputs it reads, rising, each below its own; −1 stands for the network's inputs,
  /// empty for the network's inputs alone, or for nothing where network_input_elements is 0.
  std::vector<int> inputs;
  /// Of its operands, the elements that come from the network's inputs, over the batch, each operand once however many
  /// steps read it.
  std::uint64_t network_input_elements = 0;

  /// Multiply-accumulates over batch and steps; 0 for pool, elementwise, resize and embedding. Those of a transposed
  /// convolution are before its output is cropped.
  std::uint64_t macs() const;
  /// Operations that are not multiply-accumulates (pool, elementwise, resize), over batch and steps.
  std::uint64_t vector_operations() const;
  /// Weights and biases, each counted once.
  std::uint64_t parameters() const;
  std::uint64_t weight_elements() const;  ///< without biases
  /// All operands that are activations, over batch and steps; an embedding's are its indices.
  std::uint64_t input_elements() const;
  std::uint64_t output_elements() const;  ///< over batch and steps
};

/// A neural network as a list of layers in the order they run. Immutable after construction.
struct Network {
  std::string name;
  std::string title;   ///< for people: "MobileNetV2 1.0, 224×224"
  std::string source;  ///< where the architecture is published
  std::string domain;  ///< "classification", "detection", "segmentation", "recurrent", …
  std::int64_t batch = 1;
  std::vector<Layer> layers;

  std::uint64_t total_macs() const;
  std::uint64_t total_parameters() const;
  std::uint64_t total_vector_operations() const;
  /// Of everything that decides its cost (not names or titles); what stores compare.
  std::string fingerprint() const;
};

/// Names in the zoo, sorted.
std::vector<std::string> zoo_names();
/// Folder of the zoo: $CORBEL_ZOO, else beside the program's installation, else the source tree's.
std::filesystem::path zoo_folder();

/// What can be chosen of a network when it is loaded.
struct NetworkOptions {
  std::int64_t batch = 0;                          ///< inference batch size; 0: as the file says
  std::map<std::string, std::int64_t> dimensions;  ///< sizes of an ONNX file's open dimensions; docs/formats/onnx.md
};

/// A zoo name ("mobilenet_v2"), or a path of a workload YAML file (docs/formats/workload.md) or of an ONNX file
/// (".onnx"; docs/formats/onnx.md).
/// @param relative_to  folder from which a relative path starts
/// @throws Error{not_found} with the near misses for an unknown name;
///         Error{invalid_input} naming file, line and column, or node; also for sizes that overflow 63 bits or shapes
///         that do not fit; Error{unsupported} for operators of an ONNX file that cannot become layers
Network load_network(std::string_view name_or_path, const std::filesystem::path& relative_to = {},
                     const NetworkOptions& options = {});
Network load_network(std::string_view name_or_path, const std::filesystem::path& relative_to, std::int64_t batch);
Network network_from_config(const Config& config, std::int64_t batch = 0);

/// The numbers a surrogate sees of a network, so that one model can serve several: logarithms of totals and shares of
/// operations by kind. docs/formats/workload.md lists them.
std::vector<float> context_vector(const Network& network);
const std::vector<std::string>& context_names();

}  // namespace corbel
