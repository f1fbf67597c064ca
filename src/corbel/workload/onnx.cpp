#include "corbel/workload/onnx.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "corbel/workload/internal/onnx_layers.hpp"
#include "corbel/workload/internal/onnx_model.hpp"

namespace corbel {
namespace {

/// @param model  whose inputs have their sizes
Network build(OnnxModel model) {
  infer_onnx_shapes(model);
  OnnxLayers layers(model);
  Network network;
  network.name = printable(std::filesystem::path(model.file).stem().string());
  network.title = network.name;
  network.source = fmt::format("ONNX operator set {}{}", model.opset,
                               model.producer.empty() ? "" : ", written by " + printable(model.producer));
  network.layers = layers.build();
  network.batch = layers.batch();
  if (network.layers.empty()) {
    throw model.error("the network has no layers: its outputs are inputs or constants, only moved",
                      "check that the right tensors are marked as outputs");
  }
  return network;
}

/// Another batch than the one written in the file must scale the work of every layer, or leave it as it was, and touch
/// no weights: where a graph has the number built in at other places than its reshapes, the batch would become
/// something else.
void check_batch(const OnnxModel& model, const Network& written, const Network& network, std::int64_t batch) {
  const auto scales = [&](std::uint64_t before, std::uint64_t after) {
    const auto wide = [](std::uint64_t a, std::int64_t b) {
      return static_cast<OnnxNumber>(a) * static_cast<OnnxNumber>(b);
    };
    return before == after || wide(before, batch) == wide(after, written.batch);
  };
  for (std::size_t i = 0; i < std::max(written.layers.size(), network.layers.size()); ++i) {
    if (i < written.layers.size() && i < network.layers.size()) {
      const Layer &before = written.layers[i], &after = network.layers[i];
      if (before.kind == after.kind && before.parameters() == after.parameters() &&
          scales(before.macs(), after.macs()) && scales(before.vector_operations(), after.vector_operations()) &&
          scales(before.output_elements(), after.output_elements())) {
        continue;
      }
    }
    const Layer& culprit = i < network.layers.size() ? network.layers[i] : written.layers[i];
    throw model.error(fmt::format("the batch is {} in the file and cannot be {}: layer {} would not do the same for "
                                  "every sample",
                                  written.batch, batch, in_quotes(culprit.name)),
                      "export the network with a symbolic batch dimension, or leave out `batch`");
  }
}

}  // namespace

Network network_from_onnx(std::string_view bytes, const std::string& file, const NetworkOptions& options) {
  OnnxModel model = parse_onnx(bytes, file);
  check_onnx_operators(model);
  OnnxModel written = model;
  set_onnx_inputs(model, options.batch, options.dimensions);
  if (model.written_batch == 0) return build(std::move(model));

  set_onnx_inputs(written, 0, options.dimensions);
  const Network reference = build(std::move(written));
  try {
    Network network = build(model);
    check_batch(model, reference, network, options.batch);
    return network;
  } catch (const Error& error) {
    const std::string_view message = error.what();
    const std::string prefix = file + ": ";
    if (message.find("the batch is") != std::string_view::npos) throw;
    throw model.error(fmt::format("the batch is {} in the file and cannot be {}: {}", model.written_batch,
                                  options.batch, message.starts_with(prefix) ? message.substr(prefix.size()) : message),
                      "export the network with a symbolic batch dimension, or leave out `batch`");
  }
}

}  // namespace corbel
