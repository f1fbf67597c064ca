#include "corbel/study/told_results.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "corbel/base/error.hpp"
#include "corbel/base/units.hpp"

namespace corbel {
namespace {

using nlohmann::json;

constexpr std::string_view example = R"([{"id": 123, "metrics": {"latency_ms": 1.2}}])";

Error bad(const std::string& place, const std::string& what, std::string hint) {
  return Error(ErrorCode::invalid_input, place + ": " + what, std::move(hint));
}

/// A value for messages.
std::string shown(const json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  return in_quotes(value.dump(-1, ' ', false, json::error_handler_t::replace));
}

std::string place_of_entry(const std::string& place, std::size_t entry) {
  return fmt::format("{}: result {}", place, entry);
}

/// JSON in which no key is repeated: the second value would replace the first silently.
json parse_strictly(std::string_view text, const std::string& place) {
  using Event = json::parse_event_t;
  std::vector<std::set<std::string>> keys;
  int level = 1;  // of the entries: in a list, or in one under "results"
  std::size_t entries = 0;
  const auto watch = [&](int depth, Event event, json& parsed) {
    // Copies and destructors of nested values recurse.
    if (depth > 16) throw bad(place, "nested too deeply", fmt::format("write a list of results, such as {}", example));
    if (depth == 0 && event == Event::object_start) level = 2;
    if (depth == level && (event == Event::object_start || event == Event::array_start || event == Event::value)) {
      ++entries;
    }
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key && !keys.back().insert(parsed.get<std::string>()).second) {
      throw bad(depth > level ? place_of_entry(place, entries - 1) : place,
                fmt::format("the key {} stands twice in one object", in_quotes(parsed.get<std::string>())),
                "keep one of them");
    }
    return true;
  };
  try {
    return json::parse(text, watch);
  } catch (const json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 5: …"
    std::string what = error.what();
    if (const std::size_t end = what.find("] "); end != std::string::npos) what.erase(0, end + 2);
    const bool nan = text.find("NaN") != std::string_view::npos || text.find("Infinity") != std::string_view::npos;
    throw bad(place, "not JSON: " + printable(what, 300),
              nan ? "JSON has no NaN: tell such a design as {\"state\": \"failed\"} or \"infeasible\""
                  : fmt::format("write a list of results, such as {}", example));
  }
}

/// Reads one entry.
class Entry {
 public:
  Entry(const json& entry, std::string place, const Question& question)
      : entry_(entry), place_(std::move(place)), question_(question), metrics_(question.metrics()) {}

  Trial read() const {
    if (!entry_.is_object()) {
      throw bad(place_, fmt::format("{} is no result", shown(entry_)), fmt::format("write objects: {}", example));
    }
    for (const auto& [key, value] : entry_.items()) {
      static const std::vector<std::string> known = {"id", "design", "metrics", "state", "reason"};
      if (std::find(known.begin(), known.end(), key) == known.end()) throw unknown_name("key", key, known, place_);
    }
    Trial trial;
    trial.design = design();
    trial.metrics.assign(metrics_.size(), std::numeric_limits<double>::quiet_NaN());
    const bool has_metrics = read_metrics(trial.metrics);
    trial.state = state(has_metrics);
    trial.reason = reason(trial.state);
    if (trial.state == TrialState::complete) require_answer(trial);
    return trial;
  }

 private:
  const json* find(const char* key) const {
    const auto found = entry_.find(key);
    return found == entry_.end() ? nullptr : &*found;
  }

  DesignId design() const {
    const json* id = find("id");
    const json* design = find("design");
    if (!id && !design) {
      throw bad(place_, "it says of no design what it is", "give its `id`, as corbel ask printed it, or its `design`");
    }
    const DesignSpace& space = question_.space();
    if (id) {
      const bool is_id = id->is_number_unsigned() && id->get<std::uint64_t>() < space.size();
      if (!is_id) {
        throw bad(place_, fmt::format("`id` is {}", shown(*id)),
                  fmt::format("ids of this space are whole numbers from 0 to {}", space.size() - 1));
      }
    }
    if (!design) return id->get<DesignId>();
    const DesignId described = space.id(parse_design(*design));
    if (id && id->get<DesignId>() != described) {
      throw bad(place_, fmt::format("`id` is {}, and `design` is that of {}", id->get<DesignId>(), described),
                "give one of them");
    }
    return described;
  }

  Design parse_design(const json& design) const {
    if (!design.is_object()) {
      throw bad(place_, fmt::format("`design` is {}", shown(design)),
                R"(write a value for every parameter, as in {"pes_x": 4, …})");
    }
    std::vector<std::pair<std::string, std::string>> values;
    for (const auto& [name, value] : design.items()) {
      if (value.is_structured() || value.is_null()) {
        throw bad(place_, fmt::format("`design`: `{}` is {}", name, shown(value)),
                  "give a number, a word, true or false");
      }
      values.emplace_back(name, value.is_string()         ? value.get<std::string>()
                                : value.is_number_float() ? format_number(value.get<double>())
                                                          : value.dump());
    }
    return question_.space().parse(values, place_ + ", `design`");
  }

  /// Whether there is any.
  bool read_metrics(std::vector<double>& out) const {
    const json* metrics = find("metrics");
    if (!metrics || metrics->is_null()) return false;
    if (!metrics->is_object()) {
      throw bad(place_, fmt::format("`metrics` is {}", shown(*metrics)), R"(write {"latency_ms": 1.2, …})");
    }
    bool any = false;
    for (const auto& [name, value] : metrics->items()) {
      const auto found = std::find(metrics_.begin(), metrics_.end(), name);
      if (found == metrics_.end()) {
        const Error unknown = unknown_name("metric", name, metrics_, place_);
        throw Error(unknown.code(), unknown.what(),
                    unknown.hint() + " A study without a simulator lists further ones under `metrics:`");
      }
      if (value.is_null()) continue;
      if (!value.is_number() || !std::isfinite(value.get<double>())) {
        throw bad(place_, fmt::format("`metrics`: `{}` is {}", name, shown(value)),
                  "give a finite number, in the unit of the name; leave out what is not known");
      }
      out[static_cast<std::size_t>(found - metrics_.begin())] = value.get<double>();
      any = true;
    }
    return any;
  }

  TrialState state(bool has_metrics) const {
    static const std::vector<std::string> known = {"complete", "infeasible", "failed"};
    const json* state = find("state");
    if (!state) {
      if (has_metrics) return TrialState::complete;
      throw bad(place_, "it has neither `metrics` nor a `state`",
                R"(tell what was measured, or "state": "infeasible" or "failed")");
    }
    if (!state->is_string()) {
      throw bad(place_, fmt::format("`state` is {}", shown(*state)), "write complete, infeasible or failed");
    }
    const auto name = state->get<std::string>();
    if (name == "complete") return TrialState::complete;
    if (name == "infeasible") return TrialState::infeasible;
    if (name == "failed") return TrialState::failed;
    throw unknown_name("state", name, known, place_);
  }

  std::string reason(TrialState state) const {
    const json* reason = find("reason");
    if (reason && !reason->is_string() && !reason->is_null()) {
      throw bad(place_, fmt::format("`reason` is {}", shown(*reason)), "write a short word, such as out_of_memory");
    }
    const std::string text = reason && reason->is_string() ? printable(reason->get<std::string>(), 200) : "";
    if (state == TrialState::complete && !text.empty()) {
      throw bad(place_, fmt::format("`reason` is {}, and the design is complete", in_quotes(text)),
                "remove it, or say that the design is infeasible or failed");
    }
    return text.empty() && state == TrialState::failed ? "failed" : text;
  }

  /// A complete design that says nothing of the objective or of a limit would count as one that breaks it.
  void require_answer(const Trial& trial) const {
    const auto require = [&](std::size_t metric, const std::string& why) {
      if (!std::isnan(trial.metrics[metric])) return;
      throw bad(place_, fmt::format("`metrics` lacks `{}`, {}", metrics_[metric], why),
                R"(tell it, or "state": "infeasible" if the design has none)");
    };
    require(question_.objective(), "the objective");
    for (const BoundConstraint& constraint : question_.constraints()) {
      for (const std::size_t metric : constraint.metrics_used()) {
        require(metric, fmt::format("which the limit `{}` reads", constraint.text()));
      }
    }
  }

  const json& entry_;
  std::string place_;
  const Question& question_;
  const std::vector<std::string>& metrics_;
};

}  // namespace

std::vector<ToldResult> parse_told(std::string_view text, std::string_view place, const Question& question) {
  const std::string where(place);
  json told = parse_strictly(text, where);
  if (told.is_object()) {
    const std::vector<std::string> known = {"results", "study"};
    for (const auto& [key, value] : told.items()) {
      if (std::find(known.begin(), known.end(), key) == known.end()) throw unknown_name("key", key, known, where);
    }
    const auto results = told.find("results");
    if (results == told.end()) {
      throw bad(where, "it has no `results`", fmt::format(R"(write {{"results": {}}})", example));
    }
    json list = std::move(*results);
    told = std::move(list);
  }
  if (!told.is_array()) {
    throw bad(where, fmt::format("{} is no list of results", shown(told)), fmt::format("write {}", example));
  }
  std::vector<ToldResult> results;
  for (std::size_t i = 0; i < told.size(); ++i) {
    const std::string at = place_of_entry(where, i);
    results.push_back({at, Entry(told[i], at, question).read()});
  }
  return results;
}

}  // namespace corbel
