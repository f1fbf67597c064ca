#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace corbel {

/// Text made safe for HTML and SVG, inside elements and quoted attributes. Control characters and bytes that are not
/// UTF-8 become U+FFFD.
std::string html_escape(std::string_view text);

/// `<code>` of plain text.
std::string html_code(std::string_view text);

/// The first `characters` code points, with an ellipsis if there are more. Not escaped.
std::string shorten(std::string_view text, std::size_t characters);

/// Code points of valid UTF-8.
std::size_t text_length(std::string_view text);

/// Upper bound of a label's width at the style's 12 px, for the widest common interface fonts.
double label_width(std::string_view label);

/// A coordinate to a tenth of a pixel, without the digits nobody sees.
std::string px(double value);

/// A table; cells and headings are HTML already.
class HtmlTable {
 public:
  enum class Align { text, number };
  struct Column {
    std::string heading;
    Align align = Align::text;
  };

  explicit HtmlTable(std::vector<Column> columns, std::string css_class = "");
  /// @param cells  one per column
  void row(const std::vector<std::string>& cells, std::string_view css_class = "");
  /// A second line that belongs to the row above and spans all columns but the first.
  void note(std::string_view html, std::string_view css_class = "");
  bool empty() const { return body_.empty(); }
  std::string html() const;

 private:
  std::vector<Column> columns_;
  std::string css_class_;
  std::string body_;
};

/// `<ul>` of items that are HTML already; "" for none.
std::string html_list(const std::vector<std::string>& items, std::string_view css_class = "");

}  // namespace corbel
