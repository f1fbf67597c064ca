#include "corbel/scorer/safetensors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "corbel/base/error.hpp"

namespace corbel {
namespace {

constexpr std::uint64_t max_header_bytes = std::uint64_t{16} << 20;
constexpr int max_header_depth = 8;
constexpr std::size_t max_dimensions = 4;

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian");

Error damaged(std::string_view name, std::string_view what) {
  return Error(ErrorCode::corrupt, fmt::format("{}: {}", name, what),
               "the file is damaged or not a safetensors file: copy it again or train again");
}

struct Range {
  std::uint64_t begin, end;
  std::string name;
};

// A name from a hostile file may be long or unprintable: messages show a short, clean form.
std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 60)) out += (c >= ' ' && c < 127) ? c : '?';
  if (text.size() > 60) out += "…";
  return out;
}

nlohmann::json parse_header(std::string_view text, std::string_view name) {
  const auto limit_depth = [&](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    if (depth > max_header_depth) throw damaged(name, "the header is nested too deeply");
    return true;
  };
  nlohmann::json header;
  try {
    header = nlohmann::json::parse(text.begin(), text.end(), limit_depth);
  } catch (const nlohmann::json::exception&) {
    throw damaged(name, "the header is not JSON");
  }
  if (!header.is_object()) throw damaged(name, "the header is not a JSON object");
  return header;
}

std::uint64_t unsigned_number(const nlohmann::json& value, std::string_view file, std::string_view tensor) {
  if (!value.is_number_unsigned()) throw damaged(file, fmt::format("tensor `{}`: a size is not a number", tensor));
  return value.get<std::uint64_t>();
}

}  // namespace

std::string encode_safetensors(const TensorFile& file) {
  nlohmann::json header = nlohmann::json::object();
  if (!file.metadata.empty()) header["__metadata__"] = file.metadata;
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : file.tensors) {
    const std::uint64_t bytes = tensor.values.size() * sizeof(float);
    header[name] = {{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string text = header.dump();
  // Eight-byte alignment of the data, as the format's own writer does it.
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = text.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  bytes += text;
  for (const auto& [name, tensor] : file.tensors) {
    const std::size_t at = bytes.size();
    bytes.resize(at + tensor.values.size() * sizeof(float));
    if (!tensor.values.empty()) {
      std::memcpy(bytes.data() + at, tensor.values.data(), tensor.values.size() * sizeof(float));
    }
  }
  return bytes;
}

TensorFile decode_safetensors(std::string_view bytes, std::string_view name) {
  std::uint64_t length = 0;
  if (bytes.size() < sizeof length) throw damaged(name, "shorter than the 8 bytes of a safetensors header length");
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > max_header_bytes) throw damaged(name, fmt::format("says its header has {} bytes", length));
  if (length > bytes.size() - sizeof length) {
    throw damaged(name, fmt::format("truncated: the header should have {} bytes, {} are there", length,
                                    bytes.size() - sizeof length));
  }
  const nlohmann::json header = parse_header(bytes.substr(sizeof length, length), name);
  const std::string_view data = bytes.substr(sizeof length + length);

  TensorFile file;
  std::vector<Range> ranges;
  for (const auto& [key, entry] : header.items()) {
    if (key == "__metadata__") {
      if (!entry.is_object()) throw damaged(name, "__metadata__ is not an object");
      for (const auto& [field, value] : entry.items()) {
        if (!value.is_string()) throw damaged(name, fmt::format("metadata `{}` is not a string", shown(field)));
        file.metadata[field] = value.get<std::string>();
      }
      continue;
    }
    const std::string tensor_name = shown(key);
    if (!entry.is_object() || !entry.contains("dtype") || !entry.contains("shape") || !entry.contains("data_offsets")) {
      throw damaged(name, fmt::format("tensor `{}` lacks dtype, shape or data_offsets", tensor_name));
    }
    if (entry["dtype"] != "F32") throw damaged(name, fmt::format("tensor `{}` is not float32", tensor_name));
    const nlohmann::json& shape = entry["shape"];
    const nlohmann::json& offsets = entry["data_offsets"];
    if (!shape.is_array() || shape.size() > max_dimensions || !offsets.is_array() || offsets.size() != 2) {
      throw damaged(name, fmt::format("tensor `{}` has a malformed shape or data_offsets", tensor_name));
    }
    const std::uint64_t begin = unsigned_number(offsets[0], name, tensor_name);
    const std::uint64_t end = unsigned_number(offsets[1], name, tensor_name);
    if (begin > end || end > data.size()) {
      throw damaged(name, fmt::format("tensor `{}` lies at bytes {} to {} of {}: truncated or out of range",
                                      tensor_name, begin, end, data.size()));
    }
    StoredTensor tensor;
    std::uint64_t count = 1;
    for (const nlohmann::json& size : shape) {
      const std::uint64_t dimension = unsigned_number(size, name, tensor_name);
      if (dimension > data.size() || (dimension > 0 && count > data.size() / dimension)) {
        throw damaged(name, fmt::format("tensor `{}` has a shape larger than the file", tensor_name));
      }
      count *= dimension;
      tensor.shape.push_back(static_cast<std::int64_t>(dimension));
    }
    if (end - begin != count * sizeof(float)) {
      throw damaged(name, fmt::format("tensor `{}` has {} values in {} bytes", tensor_name, count, end - begin));
    }
    tensor.values.resize(count);
    if (count > 0) std::memcpy(tensor.values.data(), data.data() + begin, end - begin);
    if (!std::all_of(tensor.values.begin(), tensor.values.end(), [](float value) { return std::isfinite(value); })) {
      throw damaged(name, fmt::format("tensor `{}` holds a value that is not finite", tensor_name));
    }
    ranges.push_back({begin, end, tensor_name});
    file.tensors.emplace(key, std::move(tensor));
  }
  std::sort(ranges.begin(), ranges.end(),
            [](const Range& a, const Range& b) { return a.begin != b.begin ? a.begin < b.begin : a.end < b.end; });
  std::uint64_t covered = 0;
  for (const Range& range : ranges) {
    if (range.begin != covered) {
      throw damaged(name, fmt::format("tensor `{}` overlaps another or leaves a gap", range.name));
    }
    covered = range.end;
  }
  if (covered != data.size()) throw damaged(name, fmt::format("{} bytes belong to no tensor", data.size() - covered));
  return file;
}

}  // namespace corbel
