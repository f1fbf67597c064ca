#pragma once

#include <atomic>
#include <limits>
#include <string>
#include <vector>

#include "corbel/base/monitor.hpp"

namespace corbel::test {

/// Asks to stop after so many reports of progress, and keeps what it is told.
class StoppingMonitor final : public Monitor {
 public:
  explicit StoppingMonitor(int after = std::numeric_limits<int>::max()) : after_(after) {}
  void progress(std::string_view, std::uint64_t, std::uint64_t, std::string_view) override { ++reports_; }
  void message(std::string_view text) override { messages.emplace_back(text); }
  bool stop_requested() const override { return reports_ >= after_; }

  std::vector<std::string> messages;

 private:
  int after_;
  std::atomic<int> reports_ = 0;
};

}  // namespace corbel::test
