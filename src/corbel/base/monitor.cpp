#include "corbel/base/monitor.hpp"

#include "corbel/base/error.hpp"

namespace corbel {
namespace {

class SilentMonitor final : public Monitor {
 public:
  void progress(std::string_view, std::uint64_t, std::uint64_t, std::string_view) override {}
  void message(std::string_view) override {}
  bool stop_requested() const override { return false; }
};

}  // namespace

void Monitor::check() const {
  if (stop_requested()) {
    throw Error(ErrorCode::interrupted, "interrupted", "run the same command again to go on where it stopped");
  }
}

Monitor& silent_monitor() {
  static SilentMonitor monitor;
  return monitor;
}

}  // namespace corbel
