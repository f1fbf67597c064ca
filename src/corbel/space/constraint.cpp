#include "corbel/space/constraint.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "corbel/base/error.hpp"
#include "corbel/base/text.hpp"
#include "corbel/base/units.hpp"
#include "corbel/space/constraint_terms.hpp"

namespace corbel {
namespace {

constexpr std::size_t max_text_bytes = 10'000;
constexpr int max_depth = 64;

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_space(char c) {
  return c == ' ' || c == '\t';
}

using Terms = std::vector<ConstraintTerm>;
using Kind = ConstraintTerm::Kind;

/// Recursive descent over the grammar of docs/formats/space.md, straight into postfix order.
class Parser {
 public:
  explicit Parser(ConstraintData& data) : data_(data), text_(data.text) {}

  void parse() {
    sum(data_.left);
    data_.comparison_column = column();
    data_.comparison = comparison();
    sum(data_.right);
    skip_space();
    if (at_ >= text_.size()) return;
    if (std::string_view("<>=!").find(text_[at_]) != std::string_view::npos) {
      throw error("a second comparison", "write two constraints");
    }
    throw unexpected();
  }

 private:
  /// Counts nesting for as long as it lives.
  struct Level {
    explicit Level(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > max_depth) {
        throw parser_.error("nesting deeper than " + std::to_string(max_depth) + " levels");
      }
    }
    ~Level() { --parser_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    Parser& parser_;
  };

  std::size_t column() const { return at_ + 1; }
  Error error(const std::string& what, std::string hint = "") const {
    return data_.error(column(), what, std::move(hint));
  }
  Error unexpected() const {
    if (at_ >= text_.size()) return error("it ends too early", "such as area_mm2 <= 29");
    // A whole UTF-8 character, if that is what stands here.
    std::size_t length = 1;
    while (at_ + length < text_.size() && (text_[at_ + length] & 0xC0) == 0x80) ++length;
    return error("unexpected " + in_quotes(text_.substr(at_, length)));
  }

  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }
  char peek() {
    skip_space();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool accept(char c) {
    if (peek() != c || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (accept(c)) return;
    if (at_ >= text_.size()) throw error(std::string("`") + c + "` is missing");
    throw unexpected();
  }

  Comparison comparison() {
    skip_space();
    data_.comparison_column = column();
    constexpr std::pair<std::string_view, Comparison> spellings[] = {
        {"<=", Comparison::less_equal}, {">=", Comparison::greater_equal}, {"==", Comparison::equal},
        {"!=", Comparison::not_equal},  {"<", Comparison::less},           {">", Comparison::greater},
    };
    const std::string_view rest = text_.substr(at_);
    for (const auto& [spelling, value] : spellings) {
      if (!rest.starts_with(spelling)) continue;
      at_ += spelling.size();
      return value;
    }
    if (rest.starts_with('=')) throw error("unexpected `=`", "write == to compare, or <=");
    if (rest.empty()) throw error("a comparison is missing", "such as area_mm2 <= 29");
    throw unexpected();
  }

  void sum(Terms& out) {
    product(out);
    for (;;) {
      const char c = peek();
      if (c != '+' && c != '-') return;
      const std::size_t at = column();
      ++at_;
      product(out);
      add(out, c == '+' ? Kind::add : Kind::subtract, at);
    }
  }

  void product(Terms& out) {
    unary(out);
    for (;;) {
      const char c = peek();
      if (c != '*' && c != '/') return;
      const std::size_t at = column();
      ++at_;
      unary(out);
      add(out, c == '*' ? Kind::multiply : Kind::divide, at);
    }
  }

  void unary(Terms& out) {
    const Level level(*this);
    const char c = peek();
    const std::size_t at = column();
    if (c == '-') {
      ++at_;
      unary(out);
      add(out, Kind::negate, at);
    } else if (c == '(') {
      ++at_;
      sum(out);
      expect(')');
    } else if (is_digit(c) || c == '.') {
      number(out);
    } else if (c == '\'' || c == '"') {
      label(out, c);
    } else if (is_letter(c)) {
      name(out);
    } else {
      throw unexpected();
    }
  }

  void number(Terms& out) {
    ConstraintTerm term{Kind::number};
    term.column = column();
    const char* first = text_.data() + at_;
    const auto [end, failure] = std::from_chars(first, text_.data() + text_.size(), term.value);
    if (failure == std::errc::result_out_of_range) throw error("the number is out of range");
    if (failure != std::errc{} || !std::isfinite(term.value)) throw unexpected();
    term.text.assign(first, end);
    at_ += static_cast<std::size_t>(end - first);
    const std::size_t after_number = at_;
    skip_space();
    term.unit = unit();
    if (term.unit.empty()) at_ = after_number;
    out.push_back(std::move(term));
  }

  /// A unit at the cursor, or "".
  std::string unit() {
    std::size_t end = at_;
    const auto in_unit = [&](std::size_t i) {
      return i < text_.size() && (is_letter(text_[i]) || (i > at_ && is_digit(text_[i])) || (text_[i] & 0x80) != 0 ||
                                  (text_[i] == '^' && i > at_));
    };
    while (in_unit(end)) ++end;
    if (end == at_) return "";
    // "5 GB/s", but "12 ms/steps" is a division.
    if (text_.substr(end).starts_with("/s") && !in_unit(end + 2) &&
        is_known_unit(std::string(text_.substr(at_, end - at_)) + "/s")) {
      end += 2;
    }
    std::string found(text_.substr(at_, end - at_));
    at_ = end;
    return found;
  }

  void label(Terms& out, char quote) {
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) throw error("a quote opens here and is never closed");
    ConstraintTerm term{Kind::label};
    term.column = column();
    term.text = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    out.push_back(std::move(term));
  }

  void word(std::string& out) {
    while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_]))) out += text_[at_++];
  }

  void name(Terms& out) {
    ConstraintTerm term{Kind::name};
    term.column = column();
    word(term.text);
    // "mobilenet_v2.latency_ms": the metric of one of several networks.
    if (at_ + 1 < text_.size() && text_[at_] == '.' && is_letter(text_[at_ + 1])) {
      term.text += text_[at_++];
      word(term.text);
    }
    if (peek() == '(') {
      call(out, term);
      return;
    }
    if (std::find(data_.names.begin(), data_.names.end(), term.text) == data_.names.end()) {
      data_.names.push_back(term.text);
    }
    out.push_back(std::move(term));
  }

  void call(Terms& out, const ConstraintTerm& function) {
    if (function.text != "min" && function.text != "max") {
      throw data_.error(function.column, "unknown function " + in_quotes(function.text), "there are min and max");
    }
    const Kind kind = function.text == "min" ? Kind::min : Kind::max;
    expect('(');
    sum(out);
    while (accept(',')) {
      sum(out);
      add(out, kind, function.column);
    }
    expect(')');
  }

  static void add(Terms& out, Kind kind, std::size_t at) {
    ConstraintTerm term{kind};
    term.column = at;
    out.push_back(std::move(term));
  }

  ConstraintData& data_;
  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

std::string ConstraintData::where() const {
  return (place.empty() ? "" : place + ": ") + "constraint " + in_quotes(text);
}

Error ConstraintData::error(std::size_t column, const std::string& what, std::string hint) const {
  return Error(ErrorCode::invalid_input, where() + ", column " + std::to_string(column) + ": " + what, std::move(hint));
}

Constraint Constraint::parse(std::string_view text, std::string_view place) {
  const auto data = std::make_shared<ConstraintData>();
  text = trim(text);
  data->text = text;
  data->place = place;
  if (text.size() > max_text_bytes) {
    throw data->error(max_text_bytes, "longer than " + std::to_string(max_text_bytes) + " bytes");
  }
  if (!is_text(text)) throw data->error(1, "not UTF-8 text");
  Parser(*data).parse();
  if (data->names.empty()) {
    for (const auto* side : {&data->left, &data->right}) {
      for (const ConstraintTerm& term : *side) {
        if (term.unit.empty() || is_known_unit(term.unit)) continue;
        throw data->error(term.column, in_quotes(term.unit) + " is no known unit", "to multiply, write *");
      }
    }
    throw data->error(1, "it names no parameter and no metric", "such as area_mm2 <= 29");
  }
  Constraint constraint;
  constraint.data_ = data;
  return constraint;
}

const std::string& Constraint::text() const {
  return data_->text;
}
const std::vector<std::string>& Constraint::names() const {
  return data_->names;
}

}  // namespace corbel
