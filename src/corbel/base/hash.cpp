#include "corbel/base/hash.hpp"

#include <xxhash.h>

namespace corbel {

std::uint64_t hash64(std::string_view bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

namespace {

std::string hexadecimal(XXH128_hash_t hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : canonical.digest) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

}  // namespace

std::string fingerprint(std::string_view bytes) {
  return hexadecimal(XXH3_128bits(bytes.data(), bytes.size()));
}

struct FingerprintStream::Data {
  XXH3_state_t* state = XXH3_createState();
  Data() { XXH3_128bits_reset(state); }
  ~Data() { XXH3_freeState(state); }
  Data(const Data&) = delete;
  Data& operator=(const Data&) = delete;
};

FingerprintStream::FingerprintStream() : data_(std::make_unique<Data>()) {}
FingerprintStream::~FingerprintStream() = default;

void FingerprintStream::add(std::string_view bytes) {
  XXH3_128bits_update(data_->state, bytes.data(), bytes.size());
}

std::string FingerprintStream::text() const {
  return hexadecimal(XXH3_128bits_digest(data_->state));
}

}  // namespace corbel
