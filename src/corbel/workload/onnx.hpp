#pragma once

#include <string>
#include <string_view>

#include "corbel/workload/network.hpp"

namespace corbel {

/// The network of an ONNX file (opset 6 to 17); docs/formats/onnx.md says what becomes which layer. Weights need not
/// be there: only shapes count.
/// @param bytes  the file's content
/// @param file   what errors call it
/// @throws Error{invalid_input} naming file and node; Error{unsupported} listing all operators that have no layer
/// Thread-safe. Deterministic.
Network network_from_onnx(std::string_view bytes, const std::string& file, const NetworkOptions& options = {});

}  // namespace corbel
