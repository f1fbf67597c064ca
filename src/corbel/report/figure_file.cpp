#include "corbel/report/figure_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "corbel/report/axis.hpp"
#include "corbel/report/html.hpp"
#include "corbel/report/style.hpp"

namespace corbel {
namespace {

constexpr int bar_row = 34, bar_height = 22, bars_top = 6, bars_foot = 46;
constexpr std::size_t part_colours = 7;

std::string part_class(std::size_t part) {
  return fmt::format("part p{}", std::min(part, part_colours - 1));
}

/// Of running text, whose letters are not all wide.
double text_width(std::string_view text) {
  return 0.9 * label_width(text);
}

/// Lines of words, none wider than `width` unless it is one word.
std::vector<std::string> wrapped(std::string_view text, double width) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string word(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (lines.empty() || text_width(lines.back() + " " + word) > width) {
      lines.push_back(word);
    } else {
      lines.back() += " " + word;
    }
  }
  return lines;
}

}  // namespace

int stacked_bars_height(const StackedBars& bars) {
  return bars_top + bar_row * static_cast<int>(bars.bars.size()) + bars_foot;
}

std::string stacked_bars_svg(const StackedBars& bars) {
  double label_space = 0;
  for (const StackedBars::Bar& bar : bars.bars) label_space = std::max(label_space, label_width(bar.label));
  const double left = label_space + 10, full = bars.width - 20 - left;
  const double bottom = stacked_bars_height(bars) - bars_foot;
  std::string out = fmt::format("<svg class=\"chart\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n",
                                bars.width, stacked_bars_height(bars), html_escape(bars.title));
  std::string grid, labels;
  for (int percent = 0; percent <= 100; percent += 20) {
    const std::string x = px(left + full * percent / 100);
    grid += fmt::format("M{} {}V{}", x, bars_top, px(bottom));
    labels += fmt::format("<text text-anchor=\"middle\" x=\"{}\" y=\"{}\">{}</text>", x, px(bottom + 17), percent);
  }
  out += fmt::format("<path class=\"grid\" d=\"{}\"/>\n<g class=\"axis\">{}\n", grid, labels);
  out += fmt::format("<text class=\"name\" text-anchor=\"middle\" x=\"{}\" y=\"{}\">{}</text></g>\n",
                     px(left + full / 2), px(bottom + 38), html_escape(bars.axis_title));
  for (std::size_t i = 0; i < bars.bars.size(); ++i) {
    const StackedBars::Bar& bar = bars.bars[i];
    const double top = bars_top + bar_row * static_cast<double>(i) + (bar_row - bar_height) / 2.0;
    out += fmt::format("<text text-anchor=\"end\" x=\"{}\" y=\"{}\">{}</text>\n", px(left - 8),
                       px(top + bar_height / 2.0 + 4), html_escape(bar.label));
    double x = left;
    for (std::size_t part = 0; part < std::min(bar.shares.size(), bars.parts.size()); ++part) {
      const double share = std::isfinite(bar.shares[part]) ? std::clamp(bar.shares[part], 0.0, 1.0) : 0;
      if (share == 0) continue;
      const std::string text = fmt::format("{:.0f}", 100 * share);
      out += fmt::format(
          "<g><rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/><title>{}: {:.1f} %</title></g>\n",
          part_class(part), px(x), px(top), px(share * full), bar_height, html_escape(bars.parts[part]), 100 * share);
      if (share * full >= label_width(text) + 3) {
        double middle = x + share * full / 2;
        const double mark = left + bar.reference * full;
        if (std::abs(mark - middle) < label_width(text)) middle = mark + (middle < mark ? -1 : 1) * label_width(text);
        middle = std::clamp(middle, x + label_width(text) / 2, x + share * full - label_width(text) / 2);
        out += fmt::format("<text class=\"part-label\" text-anchor=\"middle\" x=\"{}\" y=\"{}\">{}</text>\n",
                           px(middle), px(top + bar_height / 2.0 + 4), text);
      }
      x += share * full;
    }
    if (!std::isfinite(bar.reference)) continue;
    const std::string line = fmt::format("M{} {}V{}", px(left + std::clamp(bar.reference, 0.0, 1.0) * full),
                                         px(top - 3), px(top + bar_height + 3));
    out += fmt::format(
        "<g><path class=\"reference-ground\" d=\"{}\"/><path class=\"reference\" d=\"{}\"/>"
        "<title>{}: {:.1f} %</title></g>\n",
        line, line, html_escape(bars.reference_label), 100 * bar.reference);
  }
  return out + "</svg>\n";
}

std::vector<LegendItem> legend_items(const StackedBars& bars) {
  std::vector<LegendItem> items;
  for (std::size_t part = 0; part < bars.parts.size(); ++part) {
    items.push_back({fmt::format("<rect class=\"{}\" x=\"4\" y=\"1\" width=\"16\" height=\"14\"/>", part_class(part)),
                     bars.parts[part]});
  }
  const bool any = std::any_of(bars.bars.begin(), bars.bars.end(),
                               [](const StackedBars::Bar& bar) { return std::isfinite(bar.reference); });
  if (any) items.push_back({"<path class=\"reference\" d=\"M12 0V16\"/>", bars.reference_label});
  return items;
}

FigureFile::Panel chart_panel(const Chart& chart, std::string heading) {
  return {std::move(heading), chart.width, chart.height, chart_svg(chart)};
}

std::string svg_file(const FigureFile& figure) {
  constexpr int margin = 22, gap = 26, legend_row = 22, note_row = 17;
  const int columns = std::max(figure.columns, 1);
  const int panel_width = figure.panels.empty() ? 400 : figure.panels.front().width;
  const int panel_height = figure.panels.empty() ? 0 : figure.panels.front().height;
  const bool has_headings = std::any_of(figure.panels.begin(), figure.panels.end(),
                                        [](const FigureFile::Panel& panel) { return !panel.heading.empty(); });
  const int heading_height = has_headings ? 22 : 0;
  const int inner = columns * panel_width + (columns - 1) * gap;
  int y = margin + 16;
  std::string body =
      fmt::format("<text class=\"heading\" x=\"{}\" y=\"{}\">{}</text>\n", margin, y, html_escape(figure.title));
  y += 14;

  double x = margin;
  if (!figure.legend.empty()) y += 4;
  for (const LegendItem& item : figure.legend) {
    const double width = 30 + text_width(item.label) + 18;
    if (x > margin && x + width > margin + inner) {
      x = margin;
      y += legend_row;
    }
    body += fmt::format("<g transform=\"translate({} {})\">{}<text class=\"soft\" x=\"30\" y=\"12\">{}</text></g>\n",
                        px(x), y, item.swatch, html_escape(item.label));
    x += width;
  }
  if (!figure.legend.empty()) y += legend_row;
  y += 12;

  for (std::size_t i = 0; i < figure.panels.size(); ++i) {
    const FigureFile::Panel& panel = figure.panels[i];
    const int column = static_cast<int>(i) % columns, row = static_cast<int>(i) / columns;
    const int left = margin + column * (panel_width + gap), top = y + row * (heading_height + panel_height + 14);
    if (!panel.heading.empty()) {
      body += fmt::format("<text class=\"panel-heading\" x=\"{}\" y=\"{}\">{}</text>\n", left, top + 12,
                          html_escape(panel.heading));
    }
    body += fmt::format("<svg x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\">{}</svg>\n", left, top + heading_height,
                        panel.width, panel.height, panel.svg);
  }
  const int rows = (static_cast<int>(figure.panels.size()) + columns - 1) / columns;
  y += rows * (heading_height + panel_height + 14) - 14;
  if (!figure.note.empty()) y += 6;
  for (const std::string& line : wrapped(figure.note, inner)) {
    y += note_row;
    body += fmt::format("<text class=\"soft\" x=\"{}\" y=\"{}\">{}</text>\n", margin, y, html_escape(line));
  }
  const int width = inner + 2 * margin, height = y + margin;
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" width=\"{0}\" height=\"{1}\" "
      "viewBox=\"0 0 {0} {1}\" role=\"img\">\n<title>{2}</title><desc>{3}</desc>\n<style>\n{4}</style>\n"
      "<rect class=\"ground\" x=\"0.5\" y=\"0.5\" width=\"{5}\" height=\"{6}\" rx=\"8\"/>\n{7}</svg>\n",
      width, height, html_escape(figure.title), html_escape(figure.description), figure_style(), width - 1, height - 1,
      body);
}

}  // namespace corbel
