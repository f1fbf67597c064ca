#pragma once

#include <string>
#include <string_view>

namespace corbel {

/// The parts of a page that differ from report to report; all HTML but `title`.
struct PageParts {
  std::string title;  ///< plain text
  std::string kind;   ///< above the title: "Corbel design report"
  std::string subtitle;
  std::string body;
  std::string footer;
};

/// One HTML file that needs nothing but itself; the browser itself is told to refuse anything from outside.
std::string html_page(const PageParts& parts);

}  // namespace corbel
