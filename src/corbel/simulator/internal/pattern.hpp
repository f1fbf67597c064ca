#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace re2 {
class RE2;
}

namespace corbel {

class Config;

/// A regular expression (RE2: time linear in the text, whatever the text); `^` and `$` are of lines. Immutable, cheap
/// to copy, thread-safe.
class Pattern {
 public:
  /// @throws Error naming the place for what is no regular expression
  explicit Pattern(const Config& node);

  const std::string& text() const { return text_; }
  std::size_t groups() const;
  /// What the whole and each group match, for every match up to `most`, in the order of the text.
  std::vector<std::vector<std::string_view>> matches(std::string_view in, std::size_t most = 1'000'000) const;

 private:
  std::string text_;
  std::shared_ptr<const re2::RE2> expression_;
};

}  // namespace corbel
