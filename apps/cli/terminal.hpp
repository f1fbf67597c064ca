#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "corbel/base/monitor.hpp"

namespace corbel::cli {

/// The signal, Ctrl-C (SIGINT) or SIGTERM, that asked to stop once install_signal_handlers() was called; 0 before. A
/// second one ends the process.
extern std::atomic<int> stop_signal;
void install_signal_handlers();

/// Progress on standard error: a bar with rate and time left on a terminal, a plain line every ten seconds and at the
/// end of a stage in a pipe, nothing when quiet. Messages are lines.
class TerminalMonitor : public Monitor {
 public:
  explicit TerminalMonitor(bool quiet);
  ~TerminalMonitor() override;
  void progress(std::string_view stage, std::uint64_t done, std::uint64_t total, std::string_view note) override;
  void message(std::string_view text) override;
  bool stop_requested() const override { return stop_signal.load() != 0; }

 private:
  using Clock = std::chrono::steady_clock;
  void clear_bar();
  std::mutex mutex_;
  bool quiet_;
  bool terminal_;
  bool bar_shown_ = false;
  std::string stage_;
  std::uint64_t first_done_ = 0;
  Clock::time_point stage_start_, last_shown_;
};

/// "40 s", "12 min", "3.5 h".
std::string duration_text(double seconds);

/// A table for people: columns aligned, numbers to the right, and each row a line whatever names it holds: control
/// characters and bytes that are not UTF-8 are shown as by printable().
class Table {
 public:
  explicit Table(std::vector<std::string> header);
  void row(std::vector<std::string> cells);
  /// On standard output.
  void print() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace corbel::cli
