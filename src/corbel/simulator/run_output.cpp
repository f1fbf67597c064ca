#include "corbel/simulator/internal/run_output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "corbel/base/error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/base/number.hpp"
#include "corbel/base/text.hpp"
#include "corbel/base/units.hpp"

namespace corbel {
namespace {

using nlohmann::json;

Reading unreadable(std::string reason, std::string detail) {
  return {Reading::State::unreadable, 0, std::move(reason), std::move(detail)};
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

/// Cells of a line of CSV, without the blanks around them.
std::vector<std::string> cells_of(std::string_view line, char separator) {
  std::vector<std::string> cells(1);
  bool is_quoted = false;
  for (const char c : line) {
    if (c == '"') {
      is_quoted = !is_quoted;
    } else if (c == separator && !is_quoted) {
      cells.emplace_back();
    } else {
      cells.back() += c;
    }
  }
  for (std::string& cell : cells) cell = trim(cell);
  return cells;
}

std::string name_of(const std::string& file) {
  return file == "stdout" ? "standard output" : file == "stderr" ? "standard error" : file;
}

/// @throws Error where it is no number, or in a unit that does not fit
double number_of(const MetricSource& source, const std::string& text) {
  double number = 0;
  std::string unit = source.given_unit;
  if (!parse_number(text, number)) {
    const Quantity quantity = parse_quantity(text);
    number = quantity.value;
    unit = quantity.unit;
  }
  if (!unit.empty() && !source.unit.empty() && unit != source.unit) number = convert_unit(number, unit, source.unit);
  return number * source.scale;
}

bool is_not_finite(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  const std::size_t first = text.find_first_not_of("+-");
  const std::string_view word = first == std::string::npos ? std::string_view{} : std::string_view(text).substr(first);
  return word == "nan" || word == "inf" || word == "infinity" || word.starts_with("nan(");
}

}  // namespace

struct RunOutput::Content {
  std::string file;
  std::string text;
  Reading fault;  // where it could not be read
  bool is_there = false;
  std::optional<json> parsed;
};

RunOutput::RunOutput(const RunResult& run, std::filesystem::path folder, const RunValues& values,
                     std::uint64_t most_bytes)
    : run_(run), folder_(std::move(folder)), values_(values), most_bytes_(most_bytes) {}
RunOutput::~RunOutput() = default;

RunOutput::Content& RunOutput::content(const std::string& file) {
  auto& slot = contents_[file];
  if (slot) return *slot;
  slot = std::make_unique<Content>();
  Content& content = *slot;
  content.file = file;
  if (file == "stdout" || file == "stderr") {
    content.text = file == "stdout" ? run_.output : run_.errors;
  } else {
    const std::filesystem::path path = folder_ / file;
    std::error_code failure;
    if (!std::filesystem::exists(path, failure)) {
      content.fault = unreadable("no_output", fmt::format("it wrote no {}", file));
      return content;
    }
    if (!std::filesystem::is_regular_file(path, failure)) {
      content.fault = unreadable("unreadable_output", fmt::format("{} is not a file", file));
      return content;
    }
    try {
      content.text = read_file(path, most_bytes_);
    } catch (const Error& error) {
      content.fault = unreadable("unreadable_output", error.what());
      return content;
    }
  }
  if (trim(content.text).empty()) {
    content.fault = unreadable("no_output", fmt::format("{} is empty", name_of(file)));
    return content;
  }
  content.is_there = true;
  return content;
}

const std::string* RunOutput::text(const std::string& file, Reading& why) {
  const Content& found = content(file);
  if (found.is_there) return &found.text;
  why = found.fault;
  return nullptr;
}

Reading RunOutput::read(const MetricSource& source) {
  Content& found = content(source.file.fill(values_));
  if (!found.is_there) return found.fault;
  switch (source.kind) {
    case MetricSource::Kind::json:
      return read_json(source, found);
    case MetricSource::Kind::pattern:
      return read_pattern(source, found);
    case MetricSource::Kind::column:
      return read_column(source, found);
  }
  return {};
}

Reading RunOutput::read_json(const MetricSource& source, Content& content) {
  if (!content.parsed) {
    content.parsed = json::parse(content.text, nullptr, /*allow_exceptions=*/false);
    if (content.parsed->is_discarded()) {
      // Programs that talk before they answer.
      const auto lines = lines_of(trim(content.text));
      content.parsed = json::parse(lines.back(), nullptr, /*allow_exceptions=*/false);
    }
  }
  const std::string file = name_of(content.file);
  if (content.parsed->is_discarded() || content.parsed->is_primitive()) {
    return unreadable("unreadable_output", fmt::format("neither {} nor its last line is a JSON object", file));
  }
  const json::json_pointer pointer(source.key);
  if (!content.parsed->contains(pointer) || content.parsed->at(pointer).is_null()) {
    return {Reading::State::missing, 0, "missing_metric", fmt::format("{} has no {}", file, source.key)};
  }
  const json& value = content.parsed->at(pointer);
  std::vector<std::string> texts;
  for (const json& each : value.is_array() ? value : json::array({value})) {
    if (each.is_number()) {
      texts.push_back(format_number(each.get<double>()));
    } else if (each.is_string()) {
      texts.push_back(each.get<std::string>());
    } else {
      return unreadable("unreadable_output",
                        fmt::format("{} of {} is no number: {}", source.key, file,
                                    printable(each.dump(-1, ' ', true, json::error_handler_t::replace))));
    }
  }
  return combined(source, texts);
}

Reading RunOutput::read_pattern(const MetricSource& source, Content& content) {
  std::vector<std::string> texts;
  for (const auto& match : source.pattern->matches(content.text)) texts.emplace_back(trim(match[1]));
  if (texts.empty()) {
    return {Reading::State::missing, 0, "missing_metric",
            fmt::format("nothing in {} matches {}", name_of(content.file), in_quotes(source.pattern->text()))};
  }
  return combined(source, texts);
}

Reading RunOutput::read_column(const MetricSource& source, Content& content) {
  const std::string file = name_of(content.file);
  const auto fault = [&](std::size_t line, const std::string& what) {
    return unreadable("unreadable_output", fmt::format("{}:{}: {}", file, line, what));
  };
  std::string_view text = content.text;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  const std::vector<std::string_view> lines = lines_of(text);
  if (text.back() != '\n') return fault(lines.size(), "the file ends in the middle of a line");
  const auto tabs = std::count(lines[0].begin(), lines[0].end(), '\t');
  const auto semicolons = std::count(lines[0].begin(), lines[0].end(), ';');
  const auto commas = std::count(lines[0].begin(), lines[0].end(), ',');
  const char separator = tabs > commas && tabs >= semicolons ? '\t' : semicolons > commas ? ';' : ',';
  const std::vector<std::string> header = cells_of(lines[0], separator);
  const auto column = std::find(header.begin(), header.end(), source.key);
  if (column == header.end()) {
    const std::string near = nearest_name(source.key, header);
    return fault(1, fmt::format("there is no column {}{}", in_quotes(source.key),
                                near.empty() ? "" : fmt::format("; is it {}?", in_quotes(near))));
  }
  if (std::find(column + 1, header.end(), source.key) != header.end()) {
    return fault(1, fmt::format("there are several columns {}", in_quotes(source.key)));
  }
  std::vector<std::string> texts;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    if (trim(lines[i]).empty()) continue;
    std::vector<std::string> cells = cells_of(lines[i], separator);
    if (cells.size() != header.size()) {
      return fault(i + 1, fmt::format("the row has {} cells, the header {}", cells.size(), header.size()));
    }
    texts.push_back(std::move(cells[static_cast<std::size_t>(column - header.begin())]));
  }
  if (texts.empty()) return unreadable("no_output", fmt::format("{} has a header and no row", file));
  return combined(source, texts);
}

Reading RunOutput::combined(const MetricSource& source, const std::vector<std::string>& texts) {
  using Take = MetricSource::Take;
  const std::string file = name_of(source.file.fill(values_));
  if (source.count) {
    const std::string wanted = source.count->fill(values_);
    if (wanted != std::to_string(texts.size())) {
      return unreadable("unreadable_output",
                        fmt::format("{} has {} values of {}, not {}", file, texts.size(), source.metric, wanted));
    }
  }
  if (source.take == Take::only && texts.size() != 1) {
    return unreadable("unreadable_output", fmt::format("{} has {} values of {}, and no `take:` says which", file,
                                                       texts.size(), source.metric));
  }
  std::vector<double> numbers;
  const auto add = [&](const std::string& text) {
    if (text.empty())
      return Reading{Reading::State::missing, 0, "missing_metric",
                     fmt::format("{} is blank in {}", source.metric, file)};
    if (is_not_finite(text)) {
      return Reading{Reading::State::missing, 0, "not_finite", fmt::format("{} is {}", source.metric, printable(text))};
    }
    try {
      numbers.push_back(number_of(source, text));
    } catch (const Error& error) {
      return unreadable("unreadable_output", fmt::format("{} in {}: {}", source.metric, file, error.what()));
    }
    if (std::isfinite(numbers.back())) return Reading{Reading::State::value, numbers.back(), "", ""};
    return Reading{Reading::State::missing, 0, "not_finite", fmt::format("{} overflows", source.metric)};
  };
  if (texts.empty()) return unreadable("unreadable_output", fmt::format("{} has no {}", file, source.metric));
  if (source.take == Take::first) return add(texts.front());
  if (source.take == Take::last) return add(texts.back());
  for (const std::string& text : texts) {
    const Reading reading = add(text);
    if (reading.state != Reading::State::value) return reading;
  }
  double value = numbers.front();
  const double sum = std::accumulate(numbers.begin(), numbers.end(), 0.0);
  if (source.take == Take::sum) value = sum;
  if (source.take == Take::mean) value = sum / static_cast<double>(numbers.size());
  if (source.take == Take::minimum) value = *std::min_element(numbers.begin(), numbers.end());
  if (source.take == Take::maximum) value = *std::max_element(numbers.begin(), numbers.end());
  if (!std::isfinite(value)) {
    return {Reading::State::missing, 0, "not_finite", fmt::format("{} overflows", source.metric)};
  }
  return {Reading::State::value, value, "", ""};
}

std::string last_lines(std::string_view text, std::size_t lines) {
  constexpr std::size_t most_bytes = 20'000;
  if (text.size() > most_bytes) text.remove_prefix(text.size() - most_bytes);
  std::vector<std::string> last;
  const std::vector<std::string_view> all = lines_of(text);
  for (auto line = all.rbegin(); line != all.rend() && last.size() < lines; ++line) {
    // A progress bar writes one line over and over.
    std::string_view shown = trim(*line);
    if (const std::size_t over = shown.rfind('\r'); over != std::string_view::npos) shown = trim(shown.substr(over));
    if (!shown.empty()) last.push_back(printable(shown, 160));
  }
  std::reverse(last.begin(), last.end());
  return fmt::format("{}", fmt::join(last, " / "));
}

}  // namespace corbel
