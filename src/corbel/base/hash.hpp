#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace corbel {

/// XXH3 of the bytes; stable across machines and versions.
std::uint64_t hash64(std::string_view bytes);

/// XXH3-128 of the bytes as 32 lower-case hexadecimal digits: what fingerprints of spaces, workloads, simulators
/// and datasets are made of.
std::string fingerprint(std::string_view bytes);

/// The same of bytes that come in parts.
class FingerprintStream {
 public:
  FingerprintStream();
  ~FingerprintStream();
  FingerprintStream(const FingerprintStream&) = delete;
  FingerprintStream& operator=(const FingerprintStream&) = delete;
  void add(std::string_view bytes);
  std::string text() const;

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

}  // namespace corbel
