#include "terminal.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "corbel/base/error.hpp"
#include "corbel/base/units.hpp"

namespace corbel::cli {

std::atomic<int> stop_signal{0};

namespace {

void on_signal(int signal) {
  stop_signal.store(signal);
  std::signal(signal, SIG_DFL);
}

/// Columns a text takes on a terminal: bytes that start a UTF-8 character.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

bool looks_numeric(std::string_view text) {
  return !text.empty() &&
         (std::isdigit(static_cast<unsigned char>(text.front())) || text.front() == '-' || text.front() == '+') &&
         text != "-";
}

}  // namespace

std::string duration_text(double seconds) {
  if (seconds < 90) return fmt::format("{:.0f} s", seconds);
  if (seconds < 5400) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

void install_signal_handlers() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

TerminalMonitor::TerminalMonitor(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) != 0) {}

TerminalMonitor::~TerminalMonitor() {
  clear_bar();
}

void TerminalMonitor::clear_bar() {
  if (bar_shown_) fmt::print(stderr, "\r\x1b[K");
  bar_shown_ = false;
}

void TerminalMonitor::progress(std::string_view stage, std::uint64_t done, std::uint64_t total, std::string_view note) {
  if (quiet_) return;
  const std::lock_guard lock(mutex_);
  const Clock::time_point now = Clock::now();
  if (stage != stage_) {
    stage_ = stage;
    stage_start_ = last_shown_ = now;
    first_done_ = done;
    if (done < total) return;
  }
  const bool finished = total > 0 && done >= total;
  const double since_shown = std::chrono::duration<double>(now - last_shown_).count();
  if (!finished && since_shown < (terminal_ ? 0.1 : 10.0)) return;
  last_shown_ = now;

  const double seconds = std::chrono::duration<double>(now - stage_start_).count();
  const double rate = seconds > 0 ? static_cast<double>(done - std::min(done, first_done_)) / seconds : 0;
  std::string text = fmt::format("{:<10}", stage);
  if (total > 0) {
    const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
    if (terminal_) {
      const auto filled = static_cast<std::size_t>(share * 24);
      text += "[" + std::string(filled, '=') + std::string(24 - filled, ' ') + "] ";
    }
    text += fmt::format("{:3.0f} %  {} of {}", share * 100, format_for_people(static_cast<double>(done), 12),
                        format_for_people(static_cast<double>(total), 12));
  } else {
    text += format_for_people(static_cast<double>(done), 12);
  }
  if (rate > 0) {
    text += fmt::format("  {}/s", format_for_people(rate, 3));
    if (total > done) text += fmt::format("  {} left", duration_text(static_cast<double>(total - done) / rate));
  }
  if (!note.empty()) text += fmt::format("  {}", note);
  if (terminal_) {
    winsize size{};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 && width(text) >= size.ws_col) {
      text.resize(size.ws_col - 1u);
    }
    fmt::print(stderr, "\r\x1b[K{}", text);
    bar_shown_ = true;
    if (finished) {
      fmt::print(stderr, "\n");
      bar_shown_ = false;
    }
  } else {
    fmt::print(stderr, "{}\n", text);
  }
  if (finished) stage_.clear();
  std::fflush(stderr);
}

void TerminalMonitor::message(std::string_view text) {
  if (quiet_) return;
  const std::lock_guard lock(mutex_);
  clear_bar();
  fmt::print(stderr, "{}\n", text);
}

Table::Table(std::vector<std::string> header) {
  row(std::move(header));
}

void Table::row(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = printable(cell, cell.max_size());
  rows_.push_back(std::move(cells));
}

void Table::print() const {
  const std::size_t columns = rows_.front().size();
  std::vector<std::size_t> widths(columns, 0);
  std::vector<bool> numeric(columns, rows_.size() > 1);
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    for (std::size_t c = 0; c < columns && c < rows_[r].size(); ++c) {
      widths[c] = std::max(widths[c], width(rows_[r][c]));
      if (r > 0 && !rows_[r][c].empty() && rows_[r][c] != "-" && !looks_numeric(rows_[r][c])) numeric[c] = false;
    }
  }
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    std::string line;
    for (std::size_t c = 0; c < columns; ++c) {
      const std::string cell = c < rows_[r].size() ? rows_[r][c] : "";
      const std::string space(widths[c] - width(cell), ' ');
      line += numeric[c] ? space + cell : cell + space;
      if (c + 1 < columns) line += "  ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    fmt::print("{}\n", line);
    if (r > 0) continue;
    std::string rule;
    for (std::size_t c = 0; c < columns; ++c) rule += std::string(widths[c], '-') + (c + 1 < columns ? "  " : "");
    fmt::print("{}\n", rule);
  }
}

}  // namespace corbel::cli
