#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace corbel {

/// What long work reports to, and asks whether to stop. The libraries never print; `apps/` implements this.
/// Thread-safe implementations only: workers may call from any thread.
class Monitor {
 public:
  virtual ~Monitor() = default;
  /// @param stage  what is being done, such as "sweep"
  /// @param done, total  in units of the stage; total 0 when it is not known
  /// @param note  one short phrase, such as "best 0.41 ms"
  virtual void progress(std::string_view stage, std::uint64_t done, std::uint64_t total, std::string_view note) = 0;
  /// A fact the user should see once, such as "resuming: 3,000 of 8,000 rows are there".
  virtual void message(std::string_view text) = 0;
  /// True after Ctrl-C: finish the current unit, keep what is done, throw Error{interrupted}.
  virtual bool stop_requested() const = 0;
  /// @throws Error{interrupted} if stop_requested()
  void check() const;
};

/// For work that is a part of other work, which has a bar of its own: passes on messages, unless they too are of no use
/// there, and the wish to stop.
class QuietMonitor final : public Monitor {
 public:
  explicit QuietMonitor(Monitor& outer, bool passes_messages = true)
      : outer_(outer), passes_messages_(passes_messages) {}
  void progress(std::string_view, std::uint64_t, std::uint64_t, std::string_view) override {}
  void message(std::string_view text) override {
    if (passes_messages_) outer_.message(text);
  }
  bool stop_requested() const override { return outer_.stop_requested(); }

 private:
  Monitor& outer_;
  bool passes_messages_;
};

/// A monitor that says nothing and never stops.
Monitor& silent_monitor();

}  // namespace corbel
