#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace corbel {

/// A dense array of floats, row-major.
struct StoredTensor {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};
using TensorMap = std::map<std::string, StoredTensor, std::less<>>;

/// What a safetensors file holds (https://huggingface.co/docs/safetensors, "Format"): little-endian header length,
/// JSON header, raw tensors. Corbel writes and reads float32 only.
struct TensorFile {
  std::map<std::string, std::string> metadata;
  TensorMap tensors;
};

/// The file's bytes. The same content gives the same bytes.
std::string encode_safetensors(const TensorFile& file);

/// @param name  stands for the file in messages
/// @throws Error{corrupt}, naming what is wrong, for anything that is not exactly such a file: truncated, trailing
///         bytes, overlapping or uncovered ranges, another dtype, a shape that does not fit its bytes, values that are
///         not finite, a header over 16 MB or nested deeper than 8 levels
TensorFile decode_safetensors(std::string_view bytes, std::string_view name);

}  // namespace corbel
