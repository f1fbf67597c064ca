#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <onnx/defs/parser.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "corbel/base/error.hpp"
#include "corbel/workload/onnx.hpp"

namespace corbel {

inline std::string joined(const std::vector<std::int64_t>& values) {
  std::string text;
  for (const std::int64_t value : values) text += (text.empty() ? "" : ", ") + std::to_string(value);
  return text;
}

/// A node that writes `name`, an int64 vector.
inline std::string integers(const std::string& name, const std::vector<std::int64_t>& values) {
  return name + " = Constant <value = int64[" + std::to_string(values.size()) + "] {" + joined(values) + "}> ()\n";
}

/// Nodes that write `name`, a float constant of this shape, as operator sets from 9 on can.
inline std::string weights(const std::string& name, const std::vector<std::int64_t>& shape) {
  return integers(name + "_shape", shape) + name + " = ConstantOfShape (" + name + "_shape)\n";
}

/// The same with all of its values, for every operator set.
inline std::string written_weights(const std::string& name, const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  std::string values = "0.5";
  for (std::int64_t i = 1; i < count; ++i) values += ", 0.5";
  return name + " = Constant <value = float[" + joined(shape) + "] {" + values + "}> ()\n";
}

/// The bytes of a model in the text form of the ONNX library: `inputs` such as "float[1, 3, 8, 8] x"; its output is
/// `y`.
inline std::string onnx_bytes(const std::string& inputs, const std::string& nodes, int opset = 13) {
  const std::string text = "<ir_version: 8, opset_import: [\"\" : " + std::to_string(opset) +
                           ", \"com.microsoft\" : 1]>\ng (" + inputs + ") => (float[?] y) {\n" + nodes + "\n}";
  onnx::ModelProto model;
  onnx::OnnxParser parser(text.c_str());
  const auto status = parser.Parse(model);
  EXPECT_TRUE(status.IsOK()) << status.ErrorMessage() << "\n" << text;
  return model.SerializeAsString();
}

inline Network onnx_network(const std::string& inputs, const std::string& nodes, int opset = 13,
                            const NetworkOptions& options = {}) {
  return network_from_onnx(onnx_bytes(inputs, nodes, opset), "model.onnx", options);
}

/// "conv pool elementwise"
inline std::string kinds(const Network& network) {
  std::string text;
  for (const Layer& layer : network.layers) text += (text.empty() ? "" : " ") + std::string(to_string(layer.kind));
  return text;
}

/// What an import of these bytes complains about: message and hint. Fails the test if it does not.
inline std::pair<std::string, std::string> onnx_complaint(const std::string& bytes, const NetworkOptions& options = {},
                                                          ErrorCode code = ErrorCode::invalid_input) {
  try {
    network_from_onnx(bytes, "model.onnx", options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_TRUE(std::string(error.what()).starts_with("model.onnx: ")) << error.what();
    return {error.what(), error.hint()};
  }
  ADD_FAILURE() << "accepted";
  return {};
}

}  // namespace corbel
