#include "report/html_check.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

namespace corbel {
namespace {

constexpr std::array<std::string_view, 4> void_elements = {"meta", "br", "wbr", "link"};

bool is_name(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '-';
}

/// Past the attributes of a tag, at its `>` or `/>`; npos with the fault in `fault`.
std::size_t skip_attributes(std::string_view html, std::size_t at, std::string& fault) {
  while (at < html.size()) {
    while (at < html.size() && std::isspace(static_cast<unsigned char>(html[at]))) ++at;
    if (html.substr(at, 1) == ">" || html.substr(at, 2) == "/>") return at;
    const std::size_t begin = at;
    while (at < html.size() && is_name(html[at])) ++at;
    if (at == begin) break;
    if (html.substr(at, 1) != "=") continue;
    if (html.substr(at + 1, 1) != "\"") break;
    const std::size_t end = html.find('"', at + 2);
    if (end == std::string_view::npos || html.substr(at + 2, end - at - 2).find('<') != std::string_view::npos) break;
    at = end + 1;
  }
  fault = "bad attribute near: " + std::string(html.substr(std::min(at, html.size()), 40));
  return std::string_view::npos;
}

std::string markup_fault(std::string_view html, bool is_xml) {
  std::vector<std::string> open;
  std::size_t at = 0;
  while (at < html.size()) {
    if (html[at] == '&') {
      const std::size_t end = html.find(';', at);
      if (end == std::string_view::npos || end - at > 7) return "bare & near: " + std::string(html.substr(at, 40));
    }
    if (html[at] != '<') {
      ++at;
      continue;
    }
    const bool closing = html.substr(at + 1, 1) == "/";
    std::size_t end = at + (closing ? 2 : 1);
    const std::size_t begin = end;
    while (end < html.size() && is_name(html[end])) ++end;
    const std::string name(html.substr(begin, end - begin));
    if (name.empty()) return "bare < near: " + std::string(html.substr(at, 40));
    if (closing) {
      if (open.empty() || open.back() != name) {
        return "</" + name + "> closes " + (open.empty() ? "nothing" : open.back()) +
               " near: " + std::string(html.substr(at, 60));
      }
      open.pop_back();
      at = end + 1;
      continue;
    }
    std::string fault;
    end = skip_attributes(html, end, fault);
    if (end == std::string_view::npos) return fault;
    const bool closed = html[end] == '/';
    at = end + (closed ? 2 : 1);
    const bool is_void = !is_xml && std::find(void_elements.begin(), void_elements.end(), name) != void_elements.end();
    if (closed || is_void) continue;
    open.push_back(name);
    if (!is_xml && (name == "script" || name == "style")) {
      at = html.find("</" + name + ">", at);
      if (at == std::string_view::npos) return name + " is not closed";
    }
  }
  return open.empty() ? "" : "not closed: " + open.back();
}

}  // namespace

std::string html_fault(std::string_view html) {
  constexpr std::string_view doctype = "<!DOCTYPE html>";
  return html.starts_with(doctype) ? markup_fault(html.substr(doctype.size()), false) : "no doctype";
}

std::string xml_fault(std::string_view xml) {
  return xml.starts_with('<') ? markup_fault(xml, true) : "no element";
}

}  // namespace corbel
