#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace corbel {

/// What the placeholders of a run stand for.
using RunValues = std::map<std::string, std::string, std::less<>>;

/// A text with placeholders: {pes_x}, {workload.name}. A brace that is not around a single name, as in JSON or C,
/// stands for itself; {{name}} becomes {name}. Immutable, thread-safe.
class RunText {
 public:
  RunText() = default;
  /// @param known  names there are
  /// @param place  for messages: where the text stands; with `is_file`, lines are counted from it
  /// @throws Error naming the place for a name that is not known, with the near miss
  RunText(std::string_view text, std::span<const std::string> known, const std::string& place, bool is_file = false);

  /// The text as written.
  const std::string& text() const { return text_; }
  bool uses(std::string_view name) const;
  /// @param quoted  each value as a word of its own for /bin/sh
  std::string fill(const RunValues& values, bool quoted = false) const;

 private:
  struct Part {
    std::string text, name;  // the text, then the value of the name, if there is one
  };
  std::string text_;
  std::vector<Part> parts_;
};

}  // namespace corbel
