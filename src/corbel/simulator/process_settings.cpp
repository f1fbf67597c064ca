#include "corbel/simulator/internal/process_settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "corbel/base/config.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/base/hash.hpp"
#include "corbel/base/text.hpp"
#include "corbel/base/units.hpp"

namespace corbel {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr std::uint64_t most_template_bytes = 16 << 20;
/// A version is told at once, or the program waits for something.
constexpr milliseconds version_time{30'000};
constexpr std::int64_t most_jobs = 4096;

/// What a placeholder may be, beside parameters.
const std::vector<std::string>& run_names() {
  static const std::vector<std::string> names = {"study_dir",     "run_dir",        "input.file",     "workload.file",
                                                 "workload.name", "workload.batch", "workload.layers"};
  return names;
}

milliseconds read_time(const Config& node, double most_seconds = 1e8) {
  const double seconds = node.quantity("s");
  if (!(seconds >= 0.001 && seconds <= most_seconds)) {
    throw node.error(fmt::format("{} is no time to wait", in_quotes(node.text())),
                     fmt::format("from 1 ms to {} s", format_number(most_seconds)));
  }
  return milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

std::uint64_t read_bytes(const Config& node) {
  const double bytes = node.quantity("bytes");
  if (!(bytes >= 1024 && bytes <= 1e15)) {
    throw node.error(fmt::format("{} is no limit", in_quotes(node.text())), "from 1 KiB, such as 4 GiB");
  }
  return static_cast<std::uint64_t>(bytes);
}

/// A file in the run's folder, and nowhere else.
void check_inside(const Config& node, const std::string& file) {
  const std::filesystem::path path = std::filesystem::path(file).lexically_normal();
  const bool leaves = path.is_absolute() || path.empty() || *path.begin() == ".." || path == ".";
  if (leaves || file.find('\0') != std::string::npos) {
    throw node.error(fmt::format("{} is no file in the run's folder", in_quotes(file)),
                     "name it without the folder, such as result.json");
  }
}

/// Reads the node, and collects what decides results on the way.
class Reader {
 public:
  Reader(const Config& node, const DesignSpace& space) : node_(node) {
    node.allow_only({"name",        "program",   "version",      "version_command", "command",  "shell",
                     "environment", "stdin",     "templates",    "depends_on",      "workload", "parameters",
                     "metrics",     "failed_if", "abandoned_if", "infeasible_if",   "limits",   "retries",
                     "jobs",        "run_dir",   "keep"});
    settings_.folder = std::filesystem::current_path() / std::filesystem::path(node.file()).parent_path();
    read_parameters(space);
    names_ = run_names();
    for (const HardwareParameter& parameter : settings_.parameters) names_.push_back(parameter.name);
  }

  ProcessSettings read() {
    read_command();
    read_templates();
    read_metrics();
    for (const auto& [key, state] :
         {std::pair{"failed_if", OutcomeState::failed}, std::pair{"abandoned_if", OutcomeState::abandoned},
          std::pair{"infeasible_if", OutcomeState::infeasible}}) {
      if (const Config* rules = node_.find(key)) read_rules(*rules, state);
    }
    read_limits();
    find_uses();
    read_version();
    identity_["corbel"] = "process 1";
    settings_.fingerprint = fingerprint(identity_.dump(-1, ' ', true, json::error_handler_t::replace));
    return std::move(settings_);
  }

 private:
  RunText text(const Config& node, std::string_view key) {
    RunText read(node.text(), names_, node.place());
    identity_[std::string(key)].push_back(read.text());
    texts_.push_back(read);
    return read;
  }

  void read_parameters(const DesignSpace& space) {
    for (const Parameter& parameter : space.parameters()) {
      settings_.parameters.push_back({parameter.name(), parameter.unit(), "a parameter of the space"});
      settings_.is_boolean.push_back(parameter.kind() == ParameterKind::boolean);
    }
    const Config* others = node_.find("parameters");
    if (!others) return;
    for (const Config& other : others->items()) {
      const std::string& name = other.text();
      // As a parameter of a space would be refused.
      try {
        Parameter::boolean(name);
      } catch (const Error& error) {
        throw other.error(error.what(), error.hint());
      }
      if (space.find(name)) continue;
      settings_.parameters.push_back({name, "", "given under `fixed:`"});
      settings_.is_boolean.push_back(false);
      identity_["parameters"].push_back(name);
    }
  }

  void read_command() {
    const Config& command = node_.at("command");
    if (const Config* shell = node_.find("shell")) settings_.shell = shell->boolean();
    if (settings_.shell) {
      if (!command.is_scalar()) {
        throw command.error("with `shell: true` the command is one text", "such as 'sim --x {pes_x} | tee log'");
      }
      settings_.command.push_back(text(command, "command"));
    } else {
      if (!command.is_sequence() || command.items().empty()) {
        throw command.error("`command` is a list of a program and its arguments",
                            "such as [my_sim, --x, '{pes_x}'], or one text with `shell: true`");
      }
      for (const Config& argument : command.items()) settings_.command.push_back(text(argument, "command"));
    }
    identity_["shell"] = settings_.shell;
    if (const Config* environment = node_.find("environment")) {
      for (const auto& [name, value] : environment->entries()) {
        if (name.empty() || name.find('=') != std::string::npos) {
          throw value.error(fmt::format("{} is no name of a variable", in_quotes(name)));
        }
        identity_["environment"].push_back(name);
        settings_.environment.emplace_back(name, text(value, "environment"));
      }
    }
    if (const Config* input = node_.find("stdin")) {
      settings_.json_input = input->choice({"json", "none"}) == "json";
    }
    identity_["stdin"] = settings_.json_input;
    const std::string first = settings_.command.front().text();
    settings_.program = node_.has("program") ? node_.at("program").text()
                        : settings_.shell    ? first.substr(0, first.find(' '))
                                             : std::filesystem::path(first).filename().string();
    identity_["program"] = settings_.program;
  }

  std::filesystem::path beside_study(const Config& node) const {
    const std::filesystem::path path = node.text();
    return path.is_absolute() ? path : settings_.folder / path;
  }

  void read_templates() {
    if (const Config* templates = node_.find("templates")) {
      for (const auto& [name, from] : templates->entries()) {
        check_inside(from, name);
        const std::filesystem::path path = beside_study(from);
        RunText content(read_beside(from, path), names_, path.string(), true);
        identity_["templates"].push_back({name, fingerprint(content.text())});
        texts_.push_back(content);
        settings_.templates.emplace_back(name, std::move(content));
      }
    }
    const Config* others = node_.find("depends_on");
    if (!others) return;
    for (const Config& other : others->items()) {
      identity_["depends_on"].push_back({other.text(), fingerprint(read_beside(other, beside_study(other)))});
    }
  }

  static std::string read_beside(const Config& node, const std::filesystem::path& path) {
    try {
      return read_file(path, most_template_bytes);
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("{}: {}", node.place(), error.what()), error.hint());
    }
  }

  void read_metrics() {
    const Config& metrics = node_.at("metrics");
    if (metrics.is_sequence()) {
      for (const Config& metric : metrics.items()) add_metric(metric, metric.text(), nullptr);
    } else {
      for (const auto& [name, source] : metrics.entries()) add_metric(source, name, &source);
    }
    if (settings_.metrics.empty()) {
      throw metrics.error("`metrics` is empty", "say what the program measures, such as [latency_ms]");
    }
  }

  static bool is_metric_name(const std::string& name) {
    const auto fits = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
    return !name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) == 0 &&
           std::all_of(name.begin(), name.end(), fits);
  }

  /// @param source  null: the key of that name in the JSON on standard output
  void add_metric(const Config& node, const std::string& name, const Config* source) {
    if (!is_metric_name(name)) {
      throw node.error(fmt::format("{} cannot be the name of a metric", in_quotes(name)),
                       "use letters, digits and _, with the unit at the end, as in energy_mj");
    }
    const auto has_name = [&](const auto& other) { return other.metric == name; };
    const auto is_parameter = [&](const HardwareParameter& parameter) { return parameter.name == name; };
    if (std::any_of(settings_.metrics.begin(), settings_.metrics.end(), has_name)) {
      throw node.error(fmt::format("{} is there twice", in_quotes(name)), "remove one of them");
    }
    if (std::any_of(settings_.parameters.begin(), settings_.parameters.end(), is_parameter)) {
      throw node.error(fmt::format("{} is a parameter of the space", in_quotes(name)), "call the metric otherwise");
    }
    MetricSource metric;
    metric.metric = name;
    metric.unit = unit_of_metric(name);
    metric.key = "/" + name;
    metric.file = RunText("stdout", names_, node.place());
    identity_["metrics"].push_back(name);
    if (source != nullptr) read_source(metric, *source);
    settings_.metrics.push_back(std::move(metric));
  }

  void read_source(MetricSource& metric, const Config& source) {
    source.allow_only({"json", "pattern", "column", "file", "unit", "scale", "take", "count"});
    const int kinds = source.has("json") + source.has("pattern") + source.has("column");
    if (kinds != 1) {
      throw source.error(fmt::format("where does {} stand?", metric.metric),
                         "name one of `json:` (a key), `pattern:` (a regular expression) and `column:` (of a CSV)");
    }
    if (const Config* key = source.find("json")) {
      const bool is_pointer = key->text().starts_with("/");
      metric.key = is_pointer ? key->text() : "/" + key->text();
      if (!is_pointer) std::replace(metric.key.begin(), metric.key.end(), '.', '/');
      try {
        json::json_pointer{metric.key};
      } catch (const json::exception&) {
        throw key->error(fmt::format("{} is no key", in_quotes(key->text())),
                         "write it as stats.energy, or as a JSON pointer /stats/energy");
      }
    } else if (const Config* pattern = source.find("pattern")) {
      metric.kind = MetricSource::Kind::pattern;
      metric.pattern.emplace(*pattern);
      if (metric.pattern->groups() < 1) {
        throw pattern->error("nothing says which part of the match is the number",
                             "put it in parentheses, as in 'cycles: ([0-9.]+)'");
      }
    } else {
      metric.kind = MetricSource::Kind::column;
      metric.key = trim(source.at("column").text());
    }
    if (const Config* file = source.find("file")) metric.file = file_text(*file);
    if (const Config* unit = source.find("unit")) {
      metric.given_unit = unit->text();
      if (metric.unit.empty() || !same_dimension(metric.given_unit, metric.unit)) {
        throw unit->error(fmt::format("{} is not in {}", metric.metric, in_quotes(metric.given_unit)),
                          metric.unit.empty() ? "end the metric's name with a unit, or leave `unit:` out"
                                              : fmt::format("its name says {}", metric.unit));
      }
    }
    if (const Config* scale = source.find("scale")) metric.scale = scale->number();
    if (const Config* take = source.find("take")) {
      static constexpr std::string_view takes[] = {"only", "first", "last", "sum", "min", "max", "mean"};
      const auto* const found = std::find(std::begin(takes), std::end(takes), take->choice(takes));
      metric.take = static_cast<MetricSource::Take>(found - std::begin(takes));
    }
    if (const Config* count = source.find("count")) metric.count = text(*count, "metrics");
    identity_["metrics"].push_back({static_cast<int>(metric.kind), metric.key,
                                    metric.pattern ? metric.pattern->text() : "", metric.file.text(), metric.given_unit,
                                    metric.scale, static_cast<int>(metric.take)});
  }

  RunText file_text(const Config& file) {
    if (file.text() != "stdout" && file.text() != "stderr") check_inside(file, file.text());
    return text(file, "files");
  }

  void read_rules(const Config& rules, OutcomeState state) {
    if (rules.is_map()) return add_rule(rules, state);
    for (const Config& rule : rules.items()) add_rule(rule, state);
  }

  void add_rule(const Config& node, OutcomeState state) {
    node.allow_only({"pattern", "file", "exit_code", "signal", "timeout", "missing", "metric", "reason"});
    OutcomeRule rule;
    rule.state = state;
    json identity = {to_string(state)};
    if (const Config* pattern = node.find("pattern")) rule.pattern.emplace(*pattern);
    if (const Config* file = node.find("file")) {
      if (!rule.pattern) throw file->error("`file` is where a `pattern` is looked for", "add one");
      rule.file = file_text(*file);
    }
    if (const Config* code = node.find("exit_code")) {
      if (code->is_scalar() && code->text() == "nonzero") {
        rule.any_failure_code = true;
      } else if (code->is_scalar()) {
        rule.exit_codes.push_back(static_cast<int>(code->integer(0, 255)));
      } else {
        for (const Config& each : code->items()) rule.exit_codes.push_back(static_cast<int>(each.integer(0, 255)));
      }
    }
    if (const Config* signal = node.find("signal")) read_signals(*signal, rule);
    if (const Config* timeout = node.find("timeout")) {
      rule.timeout = timeout->boolean();
      if (!rule.timeout) throw timeout->error("`timeout` is true or not there", "remove it");
      depends_on_time_ = true;
    }
    std::vector<std::string> metrics;
    for (const MetricSource& metric : settings_.metrics) metrics.push_back(metric.metric);
    if (const Config* missing = node.find("missing")) {
      rule.missing = missing->texts();
      if (rule.missing == std::vector<std::string>{"any"}) rule.missing = metrics;
      for (const std::string& name : rule.missing) {
        if (std::find(metrics.begin(), metrics.end(), name) == metrics.end()) {
          throw unknown_name("metric", name, metrics, missing->place());
        }
      }
    }
    if (const Config* metric = node.find("metric")) {
      const DesignSpace no_parameters({Parameter::boolean("_")});
      rule.met.emplace(Constraint::parse(metric->text(), metric->place()), no_parameters, metrics);
    }
    const bool says_something = rule.pattern || !rule.exit_codes.empty() || rule.any_failure_code ||
                                rule.is_of_broken_runs() || !rule.missing.empty() || rule.met;
    if (!says_something) {
      throw node.error("the rule says of no sign when it holds",
                       "add `pattern`, `exit_code`, `signal`, `timeout`, `missing` or `metric`");
    }
    const std::size_t groups = rule.pattern ? rule.pattern->groups() : 0;
    rule.reason = node.has("reason") ? node.at("reason").text() : groups > 0 ? "{1}" : default_reason(rule);
    for (std::size_t i = 0; i + 2 < rule.reason.size(); ++i) {
      if (rule.reason[i] != '{' || rule.reason[i + 2] != '}') continue;
      if (rule.reason[i + 1] >= '0' && rule.reason[i + 1] <= '9' &&
          static_cast<std::size_t>(rule.reason[i + 1] - '0') > groups) {
        throw node.at("reason").error(fmt::format("the pattern has {} groups, and the reason names one more", groups),
                                      "put what is meant in parentheses");
      }
    }
    for (const auto& [key, value] : node.entries()) {
      identity.push_back({key, value.is_scalar() ? value.text() : fmt::format("{}", fmt::join(value.texts(), " "))});
    }
    identity_["rules"].push_back(std::move(identity));
    settings_.rules.push_back(std::move(rule));
  }

  static std::string default_reason(const OutcomeRule& rule) {
    if (rule.timeout) return "timeout";
    if (!rule.signals.empty()) return "crashed";
    if (!rule.missing.empty()) return "missing_metric";
    return std::string(to_string(rule.state));
  }

  static void read_signals(const Config& node, OutcomeRule& rule) {
    if (node.is_scalar() && node.text() == "any") {
      for (int signal = 1; signal < 65; ++signal) rule.signals.insert(signal);
      return;
    }
    for (const std::string& name : node.texts()) {
      const int signal = signal_number(name);
      if (signal == 0) throw node.error(in_quotes(name) + " is no signal", "such as SIGFPE, or any");
      rule.signals.insert(signal);
    }
  }

  void read_limits() {
    if (const Config* limits = node_.find("limits")) {
      limits->allow_only({"time", "grace", "memory", "output", "file"});
      if (const Config* time = limits->find("time")) settings_.limits.time = read_time(*time);
      if (const Config* grace = limits->find("grace")) settings_.limits.grace = read_time(*grace, 3600);
      if (const Config* memory = limits->find("memory")) settings_.limits.memory_bytes = read_bytes(*memory);
      if (const Config* output = limits->find("output")) settings_.limits.output_bytes = read_bytes(*output);
      if (const Config* file = limits->find("file")) settings_.limits.file_bytes = read_bytes(*file);
    }
    if (depends_on_time_) {
      if (settings_.limits.time.count() == 0) {
        throw node_.error("a rule speaks of the time-out, and there is none", "add `limits: {time: 600 s}`");
      }
      identity_["time"] = settings_.limits.time.count();
    }
    if (const Config* retries = node_.find("retries")) {
      retries->allow_only({"times", "wait"});
      settings_.retries = static_cast<std::size_t>(retries->at("times").integer(0, 100));
      if (const Config* wait = retries->find("wait")) settings_.retry_wait = read_time(*wait, 3600);
    }
    if (const Config* jobs = node_.find("jobs")) {
      settings_.jobs = static_cast<std::size_t>(jobs->integer(0, most_jobs));
    }
    if (const Config* folder = node_.find("run_dir")) settings_.run_dir = beside_study(*folder);
    if (const Config* keep = node_.find("keep")) {
      settings_.keep = static_cast<std::size_t>(keep->integer(0, 100'000));
    }
  }

  void find_uses() {
    const auto uses = [&](std::string_view name) {
      return std::any_of(texts_.begin(), texts_.end(), [&](const RunText& each) { return each.uses(name); });
    };
    settings_.writes_workload = uses("workload.file");
    settings_.writes_input = settings_.json_input || uses("input.file");
    settings_.needs_workload = settings_.writes_input;
    for (const std::string& name : run_names()) {
      if (name.starts_with("workload.") && uses(name)) settings_.needs_workload = true;
    }
    if (const Config* workload = node_.find("workload")) {
      const bool needs = workload->boolean();
      for (const std::string& name : run_names()) {
        if (!needs && name.starts_with("workload.") && uses(name)) {
          throw workload->error(fmt::format("{{{}}} is used, and there is no workload", name), "remove one of the two");
        }
      }
      settings_.needs_workload = needs;
    }
    identity_["workload"] = settings_.needs_workload;
  }

  void read_version() {
    const Config* given = node_.find("version");
    const Config* command = node_.find("version_command");
    if (given && command) throw command->error("`version` and `version_command` say the same", "keep one of them");
    if (given) settings_.version = given->text();
    if (command) settings_.version = told_version(*command);
    identity_["version"] = settings_.version;
  }

  std::string told_version(const Config& node) const {
    Command command;
    command.folder = settings_.folder;
    const std::vector<std::string> known = {"study_dir"};
    const RunValues values = {{"study_dir", settings_.folder.string()}};
    for (const Config& argument : node.items()) {
      command.arguments.push_back(RunText(argument.text(), known, argument.place()).fill(values));
    }
    if (command.arguments.empty()) throw node.error("`version_command` is empty", "such as [my_sim, --version]");
    command.arguments.front() = program_path(settings_.folder, command.arguments.front());
    RunLimits limits;
    limits.time = version_time;
    RunResult run;
    try {
      run = ProcessRunner().run(command, limits, {});
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("{}: {}", node.place(), error.what()), error.hint());
    }
    const std::string_view told = trim(trim(run.output).empty() ? run.errors : run.output);
    if (run.end != RunResult::End::exited || run.status != 0 || told.empty()) {
      throw Error(ErrorCode::tool_failure,
                  fmt::format("{}: {} tells no version{}{}", node.place(), in_quotes(command.arguments.front()),
                              told.empty() ? "" : ": ", last_lines(told)),
                  "run it by hand, or write `version: …` instead");
    }
    return std::string(told);
  }

  const Config& node_;
  ProcessSettings settings_;
  std::vector<std::string> names_;
  std::vector<RunText> texts_;  // every one that is filled for a run
  json identity_ = json::object();
  bool depends_on_time_ = false;
};

}  // namespace

ProcessSettings ProcessSettings::read(const Config& node, const DesignSpace& space) {
  return Reader(node, space).read();
}

std::string program_path(const std::filesystem::path& folder, const std::string& program) {
  const bool is_path = program.find('/') != std::string::npos;
  return is_path ? (folder / program).string() : program;
}

std::vector<SimulatorDescription::Line> process_setting_help() {
  return {
      {"command", "the program and its arguments, with placeholders such as {pes_x}, {workload.file}, {study_dir}"},
      {"shell", "true: the command is one text for /bin/sh, values quoted"},
      {"stdin", "json: design and workload as one JSON object on standard input"},
      {"environment", "variables beside those of this process"},
      {"templates", "files of the run's folder, each from a file beside the study with placeholders"},
      {"parameters", "hardware parameters beside the space's, given under `fixed:`"},
      {"workload", "whether it runs a network; found from what is used"},
      {"program, version", "for the fingerprint and for people"},
      {"version_command", "the version as this command tells it"},
      {"depends_on", "files whose content decides results, such as a script"},
      {"metrics", "name: {json | pattern | column, file, unit, scale, take, count}, or a list of JSON keys"},
      {"failed_if", "rules of runs to be tried again: pattern, exit_code, signal, timeout, missing, metric, reason"},
      {"abandoned_if", "rules of runs never to be tried again"},
      {"infeasible_if", "rules of designs that cannot work"},
      {"limits", "time, grace (2 s), memory (of each process), output (16 MiB), file"},
      {"retries", "{times, wait}: failed runs again at once, each wait twice the one before"},
      {"jobs", "programs at once; 0: as many as threads"},
      {"run_dir", "where each run has its folder"},
      {"keep", "folders of failed runs that are kept (10), the newest"},
  };
}

std::vector<SimulatorDescription::Line> process_failure_help() {
  return {
      {"timeout", "failed: stopped at limits.time"},
      {"output_limit", "failed: stopped for writing more than limits.output"},
      {"crashed", "failed: ended by a signal"},
      {"not_started", "failed: no room for another process or file"},
      {"no_output", "failed: a file or stream with metrics is empty or not there"},
      {"unreadable_output", "failed: it is no JSON, no such CSV, no number, …"},
      {"missing_metric", "failed: it can be read and has no such metric"},
      {"not_finite", "failed: a metric is NaN or infinite"},
  };
}

}  // namespace corbel
