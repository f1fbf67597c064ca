#pragma once

#include <string>
#include <string_view>

namespace corbel {

/// "" if every tag of the page is closed in order, every attribute value is quoted, and no `<` or bare `&` stands in
/// text; otherwise what is wrong and where. Knows HTML's void elements and the raw text of script and style.
std::string html_fault(std::string_view html);

/// The same of an XML document without a prologue, in which every tag has to be closed.
std::string xml_fault(std::string_view xml);

}  // namespace corbel
