#include "corbel/report/html.hpp"

#include <fmt/format.h>

#include <cstdint>

namespace corbel {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

/// Length of the well-formed UTF-8 sequence at the start of `text`, or 0. Unicode 15, table 3-7.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  const std::size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (text.size() < length) return 0;
  const std::uint8_t low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const std::uint8_t high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  return length;
}

}  // namespace

std::string html_escape(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = sequence_length(text.substr(i));
    const char c = text[i];
    const bool control =
        (static_cast<std::uint8_t>(c) < 0x20 && c != '\n' && c != '\t') || static_cast<std::uint8_t>(c) == 0x7F;
    if (length == 0 || control) {
      out += replacement;
      ++i;
      continue;
    }
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += text.substr(i, length);
    }
    i += length;
  }
  return out;
}

std::string html_code(std::string_view text) {
  return fmt::format("<code>{}</code>", html_escape(text));
}

std::size_t text_length(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<std::uint8_t>(c) & 0xC0) != 0x80;
  return count;
}

std::string shorten(std::string_view text, std::size_t characters) {
  if (text_length(text) <= characters) return std::string(text);
  std::size_t seen = 0, end = 0;
  while (end < text.size()) {
    if ((static_cast<std::uint8_t>(text[end]) & 0xC0) != 0x80 && ++seen == characters) break;
    ++end;
  }
  return std::string(text.substr(0, end)) + "…";
}

double label_width(std::string_view label) {
  return 7.7 * static_cast<double>(text_length(label));
}

std::string px(double value) {
  std::string text = fmt::format("{:.1f}", value);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text == "-0" ? "0" : text;
}

HtmlTable::HtmlTable(std::vector<Column> columns, std::string css_class)
    : columns_(std::move(columns)), css_class_(std::move(css_class)) {}

void HtmlTable::row(const std::vector<std::string>& cells, std::string_view css_class) {
  body_ += css_class.empty() ? "<tr>" : fmt::format("<tr class=\"{}\">", css_class);
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    body_ += columns_[i].align == Align::number ? "<td class=\"n\">" : "<td>";
    if (i < cells.size()) body_ += cells[i];
    body_ += "</td>";
  }
  body_ += "</tr>\n";
}

void HtmlTable::note(std::string_view html, std::string_view css_class) {
  body_ += fmt::format("<tr class=\"note {}\"><td></td><td colspan=\"{}\">{}</td></tr>\n", css_class,
                       columns_.size() > 1 ? columns_.size() - 1 : 1, html);
}

std::string HtmlTable::html() const {
  std::string head;
  for (const Column& column : columns_) {
    head +=
        fmt::format("<th scope=\"col\"{}>{}</th>", column.align == Align::number ? " class=\"n\"" : "", column.heading);
  }
  return fmt::format(
      "<div class=\"scroll\"><table class=\"{}\"><thead><tr>{}</tr></thead>\n<tbody>\n{}</tbody></table></div>\n",
      css_class_, head, body_);
}

std::string html_list(const std::vector<std::string>& items, std::string_view css_class) {
  if (items.empty()) return "";
  std::string out = fmt::format("<ul class=\"{}\">\n", css_class);
  for (const std::string& item : items) out += fmt::format("<li>{}</li>\n", item);
  return out + "</ul>\n";
}

}  // namespace corbel
