#include "corbel/report/page.hpp"

#include <fmt/format.h>

#include "corbel/report/html.hpp"
#include "corbel/report/style.hpp"

namespace corbel {

std::string html_page(const PageParts& parts) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
      "script-src "
      "'unsafe-inline'\">\n"
      "<title>{0} · Corbel report</title>\n<style>\n{1}</style>\n</head>\n<body>\n"
      "<header><div><p class=\"soft\">{2}</p><h1>{0}</h1><p class=\"soft\">{3}</p></div>"
      "<button type=\"button\" id=\"theme\" hidden>Dark</button></header>\n<main>\n{4}</main>\n"
      "<footer>{5}</footer>\n"
      "<div id=\"tip\" hidden></div>\n<script>\n{6}</script>\n</body>\n</html>\n",
      html_escape(parts.title), report_style(), parts.kind, parts.subtitle, parts.body, parts.footer, report_script());
}

}  // namespace corbel
