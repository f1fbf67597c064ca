#include "corbel/simulator/process.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <limits>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "corbel/base/config.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/units.hpp"
#include "corbel/simulator/internal/process_settings.hpp"
#include "corbel/simulator/internal/run_folders.hpp"
#include "corbel/simulator/internal/run_input.hpp"
#include "corbel/workload/network_json.hpp"

namespace corbel {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();
constexpr milliseconds longest_retry_wait{60'000};

/// Not durable: it lives as long as its run.
void write_input(const std::filesystem::path& path, std::string_view content) {
  std::error_code failure;
  std::filesystem::create_directories(path.parent_path(), failure);
  std::ofstream file(path, std::ios::binary);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  file.close();
  if (!file) {
    throw Error(ErrorCode::file_access, "cannot write " + path.string(),
                "make room on the disk, or name another "
                "folder with `run_dir:`");
  }
}

/// A reason as a stable word: what a pattern matched may be anything.
std::string as_word(std::string_view text) {
  std::string word;
  for (const char c : text.substr(0, 60)) {
    const bool fits = std::isalnum(static_cast<unsigned char>(c)) != 0;
    if (fits) word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (!fits && !word.empty() && word.back() != '_') word += '_';
  }
  while (!word.empty() && word.back() == '_') word.pop_back();
  return word.empty() ? "unnamed" : word;
}

/// "{1}_overflow" with what the groups of the match are.
std::string with_groups(std::string_view text, const std::vector<std::string>& groups) {
  std::string filled;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_group = i + 2 < text.size() && text[i] == '{' && text[i + 2] == '}' && text[i + 1] >= '0' &&
                          static_cast<std::size_t>(text[i + 1] - '0') < groups.size();
    if (!is_group) {
      filled += text[i];
      continue;
    }
    filled += groups[static_cast<std::size_t>(text[i + 1] - '0')];
    i += 2;
  }
  return filled;
}

/// Says what one run came to.
class Judge {
 public:
  Judge(const ProcessSettings& settings, const RunResult& run, RunOutput& output, const RunValues& values)
      : settings_(settings), run_(run), output_(output), values_(values) {
    if (run.end != RunResult::End::exited) return;
    for (const MetricSource& source : settings.metrics) {
      readings_.push_back(output.read(source));
      const Reading& reading = readings_.back();
      metrics_.push_back(reading.state == Reading::State::value ? reading.value : nan_value);
    }
  }

  Outcome outcome() {
    for (const OutcomeRule& rule : settings_.rules) {
      std::vector<std::string> groups;
      if (!holds(rule, groups)) continue;
      const std::string shown = groups.empty() ? ending() : in_quotes(groups.front());
      return without_metrics(rule.state, as_word(with_groups(rule.reason, groups)),
                             rule.state == OutcomeState::infeasible ? shown : with_last_lines(shown));
    }
    const auto failed = [&](const char* reason, const std::string& detail) {
      return without_metrics(OutcomeState::failed, reason, with_last_lines(detail));
    };
    switch (run_.end) {
      case RunResult::End::timeout:
        return failed("timeout", ending());
      case RunResult::End::output:
        return failed("output_limit", ending());
      case RunResult::End::signalled:
        return failed("crashed", ending());
      case RunResult::End::exited:
      case RunResult::End::stopped:
        break;
    }
    for (const Reading& reading : readings_) {
      if (reading.state == Reading::State::value) continue;
      const std::string code = run_.status == 0 ? "" : fmt::format(" (exit code {})", run_.status);
      return failed(reading.reason.c_str(), reading.detail + code);
    }
    return {OutcomeState::complete, "", "", metrics_};
  }

 private:
  Outcome without_metrics(OutcomeState state, std::string reason, std::string detail) const {
    return {state, std::move(reason), std::move(detail), std::vector<double>(settings_.metrics.size(), nan_value)};
  }

  std::string ending() const {
    switch (run_.end) {
      case RunResult::End::timeout:
        return fmt::format("stopped after {} s",
                           format_number(static_cast<double>(settings_.limits.time.count()) / 1000));
      case RunResult::End::output:
        return fmt::format("stopped for writing more than {}",
                           format_bytes(static_cast<double>(settings_.limits.output_bytes)));
      case RunResult::End::signalled:
        return "ended by " + signal_name(run_.status);
      case RunResult::End::exited:
      case RunResult::End::stopped:
        break;
    }
    return fmt::format("exit code {}", run_.status);
  }

  std::string with_last_lines(std::string text) const {
    const std::string errors = last_lines(run_.errors), output = last_lines(run_.output);
    if (!errors.empty()) text += "; its last words: " + errors;
    if (!output.empty()) text += (errors.empty() ? "; its last words: " : "; before them: ") + output;
    return text;
  }

  bool holds(const OutcomeRule& rule, std::vector<std::string>& groups) {
    const bool has_exited = run_.end == RunResult::End::exited;
    // What was cut off says nothing of the design, unless the user says that just this does.
    if (rule.state == OutcomeState::infeasible && !has_exited && !rule.is_of_broken_runs()) return false;
    if (rule.timeout && run_.end != RunResult::End::timeout) return false;
    if (!rule.signals.empty() && (run_.end != RunResult::End::signalled || !rule.signals.contains(run_.status))) {
      return false;
    }
    if (rule.any_failure_code && (!has_exited || run_.status == 0)) return false;
    if (!rule.exit_codes.empty() && (!has_exited || std::find(rule.exit_codes.begin(), rule.exit_codes.end(),
                                                              run_.status) == rule.exit_codes.end())) {
      return false;
    }
    if (!rule.missing.empty() && !is_any_missing(rule.missing)) return false;
    if (rule.met) {
      const auto& used = rule.met->metrics_used();
      const auto is_known = [&](std::size_t i) { return has_exited && std::isfinite(metrics_[i]); };
      if (!std::all_of(used.begin(), used.end(), is_known) || !rule.met->satisfied(Design{0}, metrics_)) return false;
    }
    return !rule.pattern || matches(rule, groups);
  }

  bool is_any_missing(const std::vector<std::string>& names) const {
    for (std::size_t i = 0; i < readings_.size(); ++i) {
      const bool is_named = std::find(names.begin(), names.end(), settings_.metrics[i].metric) != names.end();
      if (is_named && readings_[i].state == Reading::State::missing) return true;
    }
    return false;
  }

  bool matches(const OutcomeRule& rule, std::vector<std::string>& groups) {
    std::vector<const std::string*> texts;
    Reading ignored;
    if (rule.file) {
      texts.push_back(output_.text(rule.file->fill(values_), ignored));
    } else {
      texts = {&run_.output, &run_.errors};
    }
    for (const std::string* text : texts) {
      if (text == nullptr) continue;
      const auto found = rule.pattern->matches(*text, 1);
      if (found.empty()) continue;
      groups.assign(found.front().begin(), found.front().end());
      return true;
    }
    return false;
  }

  const ProcessSettings& settings_;
  const RunResult& run_;
  RunOutput& output_;
  const RunValues& values_;
  std::vector<Reading> readings_;
  std::vector<double> metrics_;
};

class ProcessSimulator final : public Simulator {
 public:
  explicit ProcessSimulator(ProcessSettings settings)
      : settings_(std::move(settings)), folders_(settings_.run_dir, settings_.program, settings_.keep) {
    for (const MetricSource& source : settings_.metrics) {
      const char* kinds[] = {"JSON", "pattern", "column"};
      metrics_.push_back({source.metric,
                          fmt::format("{} {} of {}", kinds[static_cast<int>(source.kind)],
                                      source.pattern ? source.pattern->text() : source.key, source.file.text()),
                          true});
    }
  }

  const std::string& name() const override { return name_; }
  const std::string& fingerprint() const override { return settings_.fingerprint; }
  std::span<const HardwareParameter> hardware_parameters() const override { return settings_.parameters; }
  std::span<const MetricInfo> metrics() const override { return metrics_; }
  bool needs_workload() const override { return settings_.needs_workload; }
  std::size_t jobs() const override { return settings_.jobs; }

  std::vector<std::pair<std::string, std::string>> settings() const override {
    std::string command;
    for (const RunText& argument : settings_.command) command += (command.empty() ? "" : " ") + argument.text();
    const auto limit = [](double value, const std::string& text) { return value > 0 ? text : std::string("none"); };
    const auto time = static_cast<double>(settings_.limits.time.count()) / 1000;
    const auto memory = static_cast<double>(settings_.limits.memory_bytes);
    return {{"program", settings_.program},
            {"version", settings_.version.empty() ? "not given" : settings_.version},
            {"command", command},
            {"limits.time", limit(time, format_number(time) + " s")},
            {"limits.memory", limit(memory, format_bytes(memory))},
            {"limits.output", format_bytes(static_cast<double>(settings_.limits.output_bytes))},
            {"retries", std::to_string(settings_.retries)},
            {"jobs", std::to_string(settings_.jobs)},
            {"keep", std::to_string(settings_.keep)}};
  }

  SimulatorDescription description() const override {
    SimulatorDescription description = describe_process_simulators();
    for (const OutcomeRule& rule : settings_.rules) {
      description.reasons.push_back({rule.reason, fmt::format("{}: by rule", to_string(rule.state))});
    }
    return description;
  }

  std::vector<Outcome> simulate(std::span<const Hardware> hardware, const Network* network) const override {
    return simulate_until_stopped(hardware, network, silent_monitor());
  }

  std::vector<Outcome> simulate_until_stopped(std::span<const Hardware> hardware, const Network* network,
                                              const Monitor& monitor) const override {
    if (settings_.needs_workload && network == nullptr) {
      throw Error(ErrorCode::invalid_input, fmt::format("{} runs a network, and none is given", settings_.program),
                  "name a workload");
    }
    std::vector<Outcome> outcomes;
    for (const Hardware& values : hardware) outcomes.push_back(simulate_one(values, network, monitor));
    return outcomes;
  }

  std::vector<double> static_metrics(const Hardware&) const override {
    return std::vector<double>(metrics_.size(), nan_value);
  }

 private:
  Outcome simulate_one(const Hardware& hardware, const Network* network, const Monitor& monitor) const {
    milliseconds wait = settings_.retry_wait;
    for (std::size_t attempt = 0;; ++attempt) {
      bool is_worth_repeating = false;
      Outcome outcome = run(hardware, network, monitor, is_worth_repeating);
      if (outcome.state != OutcomeState::failed || !is_worth_repeating || attempt >= settings_.retries) return outcome;
      pause(wait, monitor);
      wait = std::min(2 * wait, longest_retry_wait);
    }
  }

  static void pause(milliseconds time, const Monitor& monitor) {
    constexpr milliseconds step{50};
    for (; time.count() > 0; time -= step) {
      monitor.check();
      std::this_thread::sleep_for(std::min(time, step));
    }
  }

  Outcome run(const Hardware& hardware, const Network* network, const Monitor& monitor,
              bool& is_worth_repeating) const {
    const std::filesystem::path folder = folders_.make();
    Outcome outcome;
    try {
      const RunValues values = values_of(hardware, network, folder);
      const Command command = prepare(hardware, network, values, folder);
      const RunResult result = runner_.run(command, settings_.limits, [&] { return monitor.stop_requested(); });
      if (result.end == RunResult::End::stopped) monitor.check();
      // What was stopped at a limit took long, and would again.
      is_worth_repeating = result.end == RunResult::End::exited || result.end == RunResult::End::signalled;
      RunOutput output(result, folder, values, settings_.limits.output_bytes);
      outcome = Judge(settings_, result, output, values).outcome();
      if (outcome.state == OutcomeState::failed || outcome.state == OutcomeState::abandoned) {
        keep(folder, result, outcome);
        return outcome;
      }
    } catch (const Error& error) {
      folders_.remove(folder);
      if (error.code() != ErrorCode::tool_failure) throw;
      is_worth_repeating = true;
      return {OutcomeState::failed, "not_started", error.what(), std::vector<double>(metrics_.size(), nan_value)};
    }
    folders_.remove(folder);
    return outcome;
  }

  RunValues values_of(const Hardware& hardware, const Network* network, const std::filesystem::path& folder) const {
    RunValues values;
    for (std::size_t i = 0; i < settings_.parameters.size(); ++i) {
      values[settings_.parameters[i].name] = value_text(hardware.at(i), settings_.is_boolean[i]);
    }
    values["study_dir"] = settings_.folder.string();
    values["run_dir"] = folder.string();
    values["input.file"] = (folder / "input.json").string();
    values["workload.file"] = (folder / "workload.json").string();
    values["workload.name"] = network == nullptr ? "" : network->name;
    values["workload.batch"] = network == nullptr ? "" : std::to_string(network->batch);
    values["workload.layers"] = network == nullptr ? "" : std::to_string(network->layers.size());
    return values;
  }

  Command prepare(const Hardware& hardware, const Network* network, const RunValues& values,
                  const std::filesystem::path& folder) const {
    Command command;
    command.folder = folder;
    for (const auto& [name, content] : settings_.templates) write_input(folder / name, content.fill(values));
    if (settings_.writes_workload) write_input(folder / "workload.json", text_of(*network));
    if (settings_.writes_input) {
      json design = json::object(), units = json::object();
      for (std::size_t i = 0; i < settings_.parameters.size(); ++i) {
        const HardwareParameter& parameter = settings_.parameters[i];
        design[parameter.name] = value_json(hardware.at(i), settings_.is_boolean[i]);
        if (!parameter.unit.empty()) units[parameter.name] = parameter.unit;
      }
      write_input(folder / "input.json",
                  fmt::format("{{\"design\": {}, \"units\": {}, \"workload\": {}}}\n", design.dump(), units.dump(),
                              settings_.needs_workload ? text_of(*network) : "null"));
      if (settings_.json_input) command.input = folder / "input.json";
    }
    if (settings_.shell) {
      command.arguments = {"/bin/sh", "-c", settings_.command.front().fill(values, /*quoted=*/true)};
    } else {
      for (const RunText& argument : settings_.command) command.arguments.push_back(argument.fill(values));
      command.arguments.front() = program_path(settings_.folder, command.arguments.front());
    }
    for (const auto& [name, value] : settings_.environment) command.environment.emplace_back(name, value.fill(values));
    return command;
  }

  /// A network of thousands of layers is written for every run, but only once as JSON.
  std::string text_of(const Network& network) const {
    const std::string key = network.name + " " + network.fingerprint();
    const std::lock_guard lock(mutex_);
    std::string& text = network_texts_[key];
    if (text.empty()) text = to_json(network).dump(-1, ' ', false, json::error_handler_t::replace);
    return text;
  }

  void keep(const std::filesystem::path& folder, const RunResult& result, Outcome& outcome) const {
    try {
      if (settings_.keep > 0) {
        write_input(folder / "stdout.txt", result.output);
        write_input(folder / "stderr.txt", result.errors);
      }
    } catch (const Error&) {
      // A full disk is told by the next run.
    }
    const std::filesystem::path kept = folders_.keep(folder);
    if (!kept.empty()) outcome.detail += "; kept in " + kept.string();
  }

  ProcessSettings settings_;
  std::string name_ = "process";
  std::vector<MetricInfo> metrics_;
  ProcessRunner runner_;
  mutable RunFolders folders_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::string> network_texts_;
};

}  // namespace

std::unique_ptr<Simulator> make_process_simulator(const Config& settings, const DesignSpace& space) {
  if (settings.is_null()) {
    throw Error(ErrorCode::invalid_input, "the simulator `process` needs a command and metrics",
                "write `simulator: {name: process, command: [my_sim, '{pes_x}'], metrics: [latency_ms]}`");
  }
  return std::make_unique<ProcessSimulator>(ProcessSettings::read(settings, space));
}

SimulatorDescription describe_process_simulators() {
  SimulatorDescription description;
  description.settings = process_setting_help();
  description.reasons = process_failure_help();
  description.documentation = "docs/process.md";
  return description;
}

}  // namespace corbel
