#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace corbel {

/// XXH3 of the bytes; stable across machines and versions.
std::uint64_t hash64(std::string_view bytes);

/// XXH3-128 of the bytes as 32 lower-case hexadecimal digits: what fingerprints of spaces, workloads, simulators
/// and datasets are made of.
std::string fingerprint(std::string_view bytes);

}  // namespace corbel
