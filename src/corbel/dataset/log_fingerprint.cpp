#include "corbel/dataset/log_fingerprint.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>

#include "corbel/base/hash.hpp"

namespace corbel {
namespace {

constexpr std::size_t rows_per_block = 4096;

void append(std::string& out, std::string_view text) {
  out += std::to_string(text.size());
  out += ':';
  out += text;
}

static_assert(std::endian::native == std::endian::little, "numbers are hashed as little-endian bytes");
void append(std::string& out, std::uint64_t number) {
  out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

// All NaNs are one, and -0 is 0: what compares equal must hash equal.
void append(std::string& out, double number) {
  if (std::isnan(number)) number = std::numeric_limits<double>::quiet_NaN();
  if (number == 0) number = 0;
  append(out, std::bit_cast<std::uint64_t>(number));
}

}  // namespace

LogFingerprint::LogFingerprint(const TrialGroup& group) {
  append(digests_, group.space.fingerprint());
  append(digests_, group.simulator_fingerprint);
  append(digests_, group.workload_fingerprint);
  for (const std::string& name : group.metrics) append(digests_, name);
}

void LogFingerprint::add(const TrialView& trial) {
  append(block_, trial.design);
  block_ += static_cast<char>(trial.state);
  append(block_, trial.reason);
  for (const double value : trial.metrics) append(block_, value);
  if (++rows_in_block_ == rows_per_block) close_block();
}

void LogFingerprint::close_block() {
  append(digests_, fingerprint(block_));
  block_.clear();
  rows_in_block_ = 0;
}

std::string LogFingerprint::finish() {
  if (rows_in_block_ > 0) close_block();
  return fingerprint(digests_);
}

}  // namespace corbel
