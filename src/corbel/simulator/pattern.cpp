#include "corbel/simulator/internal/pattern.hpp"

#include <re2/re2.h>

#include "corbel/base/config.hpp"
#include "corbel/base/error.hpp"

namespace corbel {

Pattern::Pattern(const Config& node) : text_(node.text()) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  expression_ = std::make_shared<const re2::RE2>("(?m)" + text_, options);
  if (!expression_->ok()) {
    throw node.error(in_quotes(text_) + " is no regular expression: " + expression_->error(),
                     "write a backslash before a character that stands for itself, and the whole in single quotes");
  }
}

std::size_t Pattern::groups() const {
  return static_cast<std::size_t>(expression_->NumberOfCapturingGroups());
}

std::vector<std::vector<std::string_view>> Pattern::matches(std::string_view in, std::size_t most) const {
  std::vector<std::vector<std::string_view>> found;
  std::vector<re2::StringPiece> parts(groups() + 1);
  const re2::StringPiece text(in.data(), in.size());
  std::size_t from = 0;
  while (
      found.size() < most && from <= in.size() &&
      expression_->Match(text, from, in.size(), re2::RE2::UNANCHORED, parts.data(), static_cast<int>(parts.size()))) {
    std::vector<std::string_view> match;
    for (const re2::StringPiece& part : parts) match.emplace_back(part.data(), part.size());
    found.push_back(std::move(match));
    const auto end = static_cast<std::size_t>(parts[0].data() - in.data()) + parts[0].size();
    from = end + (parts[0].empty() ? 1 : 0);
  }
  return found;
}

}  // namespace corbel
