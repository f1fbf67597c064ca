#include "corbel/study/study_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "corbel/base/config.hpp"
#include "corbel/base/error.hpp"
#include "corbel/workload/network.hpp"

namespace corbel {
namespace {

/// @param name  of the zoo, or a file beside the study
Network load_workload(const Config& name, const NetworkOptions& options = {}) {
  try {
    return load_network(name.text(), std::filesystem::path(name.file()).parent_path(), options);
  } catch (const Error& error) {
    // A fault inside a workload file has its place there.
    if (error.code() != ErrorCode::not_found) throw;
    throw Error(error.code(), fmt::format("{}: {}", name.place(), error.what()), error.hint());
  }
}

/// The network of a map with `name` and what can be chosen of it.
Network load_chosen_workload(const Config& node) {
  NetworkOptions options;
  if (const Config* batch = node.find("batch")) options.batch = batch->integer(1, 1 << 20);
  if (const Config* dimensions = node.find("dimensions")) {
    for (const auto& [name, size] : dimensions->entries()) {
      options.dimensions[name] = size.integer(1, std::numeric_limits<std::int32_t>::max());
    }
  }
  return load_workload(node.at("name"), options);
}

Network read_workload(const Config& node) {
  if (node.is_map() && node.has("name") && !node.has("layers")) {
    node.allow_only({"name", "batch", "dimensions"});
    return load_chosen_workload(node);
  }
  if (node.is_map()) return network_from_config(node);
  return load_workload(node);
}

/// An entry of `workloads:`: as `workload:`, with a weight and a name of its own.
void add_workload(WorkloadSuite& suite, const Config& node) {
  WorkloadSuite::Member member;
  if (node.is_map() && !node.has("layers")) {
    node.allow_only({"name", "batch", "dimensions", "weight", "as"});
    member.network = load_chosen_workload(node);
    if (const Config* weight = node.find("weight")) member.weight = weight->number();
  } else {
    member.network = read_workload(node);
  }
  const Config* label = node.is_map() ? node.find("as") : nullptr;
  member.label = label ? label->text() : member.network.name;
  try {
    suite.add(std::move(member));
  } catch (const Error& error) {
    throw node.error(error.what(), error.hint());
  }
}

bool is_word(std::string_view text) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !text.empty() && is_letter(text.front()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

/// A name as the language of constraints takes it, at most one network's: "resnet50.latency_ms".
bool is_metric_name(std::string_view name) {
  const std::size_t dot = name.find('.');
  return dot == std::string_view::npos ? is_word(name) : is_word(name.substr(0, dot)) && is_word(name.substr(dot + 1));
}

/// Whether a limit reads no metric: its other names are parameters, and labels of theirs.
bool decided_by_parameters(const Constraint& constraint, const DesignSpace& space) {
  try {
    const BoundConstraint bound(constraint, space, {});
    return true;
  } catch (const Error&) {
    return false;
  }
}

WorkloadSuite read_workloads(const Config& root) {
  const Config* one = root.find("workload");
  const Config* several = root.find("workloads");
  const Config* combine = root.find("combine");
  if (one && several) throw several->error("`workload` and `workloads` exclude each other", "keep one of them");
  if (combine && !several) {
    throw combine->error("`combine` needs several `workloads:`", "list them, or remove it");
  }
  if (one && one->is_sequence()) {
    throw one->error("`workload` names one network, and this is a list", "for several, write `workloads:`");
  }
  WorkloadSuite suite;
  if (combine) suite = WorkloadSuite(combine_rule(combine->choice(combine_rule_names)));
  if (one) {
    const Network network = read_workload(*one);
    suite.add({network, network.name, 1});
  }
  if (several) {
    const char* example = "such as [mobilenet_v2, {name: resnet50, weight: 2}]";
    if (!several->is_sequence()) throw several->error("`workloads` is a list of networks", example);
    const std::vector<Config>& items = several->items();
    if (items.empty()) throw several->error("`workloads` is empty", example);
    for (const Config& item : items) add_workload(suite, item);
    for (std::size_t i = 0; suite.has_several() && i < items.size(); ++i) {
      const std::string& label = suite.members()[i].label;
      if (is_word(label)) continue;
      throw items[i].error(
          fmt::format("{} cannot stand in the name of a metric", in_quotes(label)),
          "call the network by a word of letters, digits and _, as in {name: nets/ours.yaml, as: ours}");
    }
  }
  return suite;
}

StoreLocation read_store(const Config& node, const std::filesystem::path& study) {
  const std::string& text = node.text();
  const std::string hint = "name a file, such as trials.db, or a database, such as postgresql://user@host/database";
  if (text.empty()) throw node.error("`store` is empty", hint);
  if (is_store_url(text)) {
    try {
      return text;
    } catch (const Error& error) {
      throw node.error(error.what(), error.hint());
    }
  }
  if (text.find("://") != std::string::npos) throw node.error("`store` is a URL, but not of PostgreSQL", hint);
  const std::filesystem::path path = text;
  return path.is_absolute() ? path : study.parent_path() / path;
}

SearchSettings read_search(const Config& node) {
  node.allow_only(
      {"method", "strategy", "budget", "options", "proposals", "min_feasibility", "caution", "rounds", "simulate"});
  SearchSettings settings;
  if (const Config* method = node.find("method")) settings.method = method->text();
  if (const Config* strategy = node.find("strategy")) {
    if (node.has("method")) throw strategy->error("`strategy` and `method` say the same thing", "keep one of them");
    settings.method = strategy->text();
  }
  const std::vector<std::string> known = search_methods();
  if (std::find(known.begin(), known.end(), settings.method) == known.end()) {
    const Config& at = node.has("method") ? node.at("method") : node.at("strategy");
    throw unknown_name("search method", settings.method, known, at.place());
  }
  if (const Config* budget = node.find("budget")) {
    settings.budget = static_cast<std::uint64_t>(budget->integer(1, 1'000'000'000'000));
  }
  if (const Config* proposals = node.find("proposals")) {
    settings.proposals = static_cast<std::size_t>(proposals->integer(1, 100'000));
  }
  if (const Config* least = node.find("min_feasibility")) settings.min_feasibility = least->number(0, 1);
  if (const Config* caution = node.find("caution")) settings.caution = caution->number(0, 100);
  if (const Config* rounds = node.find("rounds")) {
    settings.rounds = static_cast<std::size_t>(rounds->integer(0, most_rounds));
  }
  if (const Config* simulate = node.find("simulate")) {
    if (!node.has("rounds")) throw simulate->error("`simulate` is of each round, and there are none", "add `rounds:`");
    settings.simulate = static_cast<std::size_t>(simulate->integer(1, most_simulated_per_round));
  }
  if (const Config* options = node.find("options")) {
    if (settings.method == "auto" || settings.method == "scan") {
      throw options->error("`options` belong to a strategy", "name one with `method:`, such as firefly");
    }
    for (const auto& [key, value] : options->entries()) settings.options[key] = value.number();
    // Made once here so that an unknown option or a value out of range is reported with its place in the file.
    try {
      make_strategy(settings.method, {DesignSpace({Parameter::boolean("any")}), {}}, settings.options);
    } catch (const Error& error) {
      throw options->error(error.what(), error.hint());
    }
  }
  return settings;
}

std::vector<std::pair<std::string, std::string>> read_fixed(const Config& node) {
  std::vector<std::pair<std::string, std::string>> fixed;
  for (const auto& [key, value] : node.entries()) fixed.emplace_back(key, value.text());
  return fixed;
}

void check_objective(const StudyFile& study, const std::vector<std::string>& metrics, const Config& objective) {
  if (std::find(metrics.begin(), metrics.end(), study.objective) == metrics.end()) {
    throw unknown_name(fmt::format("metric of simulator {}", study.simulator->name()), study.objective, metrics,
                       objective.place());
  }
}

void read_told_metrics(StudyFile& study, const Config& metrics) {
  if (!study.is_told()) {
    throw metrics.error("`metrics` says what a study without simulator and log is told, and this one has its own",
                        "remove it");
  }
  for (const Config& item : metrics.items()) {
    const std::string name = item.text();
    if (!is_metric_name(name)) {
      throw item.error(fmt::format("{} cannot be the name of a metric", in_quotes(name)),
                       "use letters, digits and _, with the unit at the end, as in energy_mj");
    }
    if (study.space->find(name)) throw item.error(fmt::format("`{}` is a parameter of the space", name), "rename it");
    study.told.push_back(name);
  }
}

/// A metric's name, or {minimise: …} or {maximise: …}.
Goal read_goal(const Config& node) {
  if (!node.is_map()) return {node.text()};
  node.allow_only({"minimise", "maximise"});
  if (node.entries().size() != 1) {
    throw node.error("an objective is one metric", "write `maximise: throughput_fps` in braces, or a metric alone");
  }
  const Direction direction = node.has("maximise") ? Direction::maximise : Direction::minimise;
  return {node.at(to_string(direction)).text(), direction};
}

/// @param known  metrics there are; empty if that is not known yet
void read_pareto(StudyFile& study, const Config& pareto, const std::vector<std::string>& known) {
  const char* example = "list one or two metrics, such as [energy_mj, area_mm2]";
  if (!pareto.is_sequence()) throw pareto.error("`pareto` is a list of metrics", example);
  const std::vector<Config>& items = pareto.items();
  if (items.empty() || items.size() > 2) {
    throw pareto.error(fmt::format("`pareto` lists {} metrics to trade off against {}", items.size(), study.objective),
                       example);
  }
  for (const Config& item : items) {
    const auto [name, direction] = read_goal(item);
    if (name == study.objective) {
      throw item.error(fmt::format("`{}` is the objective, which is traded off anyway", name), example);
    }
    if (!known.empty() && std::find(known.begin(), known.end(), name) == known.end()) {
      throw unknown_name("metric", name, known, item.place());
    }
    if (direction == Direction::maximise) study.pareto_maximised.push_back(name);
    if (std::find(study.pareto.begin(), study.pareto.end(), name) != study.pareto.end()) {
      throw item.error(fmt::format("`{}` is listed twice", name), example);
    }
    study.pareto.push_back(name);
  }
  study.pareto_place = pareto.place();
}

/// Weights that play no part in what the study asks for would only look as if they did.
void check_weights(const StudyFile& study, const Config& objective) {
  const auto& members = study.workloads.members();
  const bool equal = std::all_of(members.begin(), members.end(),
                                 [&](const auto& member) { return member.weight == members.front().weight; });
  if (!study.workloads.has_several() || equal) return;
  const auto is_combined = [&](const std::string& name) {
    const auto metrics = study.simulator->metrics();
    return std::any_of(metrics.begin(), metrics.end(),
                       [&](const MetricInfo& metric) { return metric.needs_workload && metric.name == name; });
  };
  const auto is_weighed = [&](const std::string& name) { return is_combined(name) && study.workloads.weighs(name); };
  if (!is_combined(study.objective) || is_weighed(study.objective)) return;
  for (const Constraint& constraint : study.constraints) {
    if (std::any_of(constraint.names().begin(), constraint.names().end(), is_weighed)) return;
  }
  throw objective.error(
      fmt::format("the weights have no effect on {}: its maximum is the greatest of the networks' own",
                  study.objective),
      "remove the weights, or combine by sum or geometric_mean");
}

/// Nobody but the study says which metrics there are, so that a misspelt parameter would become one.
void check_told_limits(const StudyFile& study) {
  if (!study.is_told()) return;
  std::vector<std::string> parameters;
  for (const Parameter& parameter : study.space->parameters()) parameters.push_back(parameter.name());
  const std::vector<std::string> metrics = study.told_metrics();
  for (const Constraint& constraint : study.constraints) {
    const BoundConstraint bound(constraint, *study.space, metrics);
    for (const std::size_t used : bound.metrics_used()) {
      const std::string& name = metrics[used];
      const std::string near = nearest_name(name, parameters);
      const bool declared = name == study.objective || std::count(study.told.begin(), study.told.end(), name) > 0;
      if (near.empty() || declared) continue;
      throw Error(ErrorCode::invalid_input,
                  fmt::format("{}: `{}` is no parameter of the space", study.file.string(), name),
                  fmt::format("did you mean `{}`? If it is a metric that is told, list it under `metrics:`", near));
    }
  }
}

/// The objective of a study without simulator and log can be any name, but must be one.
void check_told_objective(const StudyFile& study, const Config& objective) {
  if (!study.is_told()) return;
  if (study.space->find(study.objective)) {
    throw objective.error(fmt::format("`{}` is a parameter of the space, not a metric", study.objective),
                          "name what is measured of a design, such as latency_ms");
  }
  if (!is_metric_name(study.objective)) {
    throw objective.error(fmt::format("{} cannot be the name of a metric", in_quotes(study.objective)),
                          "use letters, digits and _, with the unit at the end, as in latency_ms");
  }
}

/// Several networks' results are told apart by their groups of trials, which only a simulation of them has.
void check_workloads(const StudyFile& study, const Config& root) {
  if (!study.workloads.has_several()) return;
  const Config& workloads = root.at("workloads");
  if (study.import) {
    throw workloads.error("several `workloads:` need a simulator's own trials, and the study imports a log",
                          "name the one `workload:` that the log is of, or sweep instead of `import:`");
  }
  if (study.is_told()) {
    throw workloads.error("several `workloads:` need a simulator's own trials, and the study has no simulator",
                          "name one `workload:` or none, and tell metrics of all networks together");
  }
  if (study.simulator && !study.simulator->needs_workload()) {
    throw workloads.error(
        fmt::format("simulator {} runs no network, so that several would all be the same", study.simulator->name()),
        "remove `workloads:`, or name a simulator that runs networks, such as edge");
  }
}

ImportSpec read_import(const Config& node) {
  static_cast<void>(node.at("file"));  // which a mapping alone need not have
  return import_spec_from_config(node);
}

/// An entry of `learn_from:`: a network by itself, or a map with `workload` and where its trials come from.
OtherWorkload read_other_workload(const StudyFile& study, const Config& node) {
  const bool has_more = node.is_map() && node.has("workload");
  if (has_more) node.allow_only({"workload", "designs", "import"});
  const Config& named = has_more ? node.at("workload") : node;
  OtherWorkload other;
  const Network network = read_workload(named);
  other.workload.add({network, network.name, 1});
  const Config* import = has_more ? node.find("import") : nullptr;
  const Config* designs = has_more ? node.find("designs") : nullptr;
  if (study.simulator && !study.import) {
    if (import) {
      throw import->error("the study simulates its own trials, and those of a log may be another simulator's",
                          "write `designs:`, how many of the network are simulated, instead of `import:`");
    }
    other.designs = default_sweep_designs;
    if (designs) other.designs = static_cast<std::uint64_t>(designs->integer(1, most_sweep_designs));
    return other;
  }
  if (designs) {
    throw designs->error("the study learns from logs, and simulates nothing to learn from",
                         "write `import: {file: …}`, the network's log, instead of `designs:`");
  }
  if (!import) {
    throw node.error(fmt::format("nothing says where the trials of {} come from", in_quotes(network.name)),
                     "write {workload: …, import: {file: log.csv}}");
  }
  other.import = read_import(*import);
  return other;
}

void read_learn_from(StudyFile& study, const Config& node) {
  const char* example = "such as [mobilenet_v2, {workload: resnet50, designs: 4000}]";
  if (!node.is_sequence() || node.items().empty()) {
    throw node.error("`learn_from` is a list of other networks", example);
  }
  if (study.workloads.members().size() != 1) {
    throw node.error(study.workloads.is_empty() ? "other networks teach by how they differ from the study's own, and "
                                                  "the study names none"
                                                : "`learn_from` is for a study of one network, and this has several",
                     "name one `workload:`, a network of the zoo or a file");
  }
  if (study.simulator && !study.simulator->needs_workload()) {
    throw node.error(fmt::format("simulator {} runs no network, so that others would teach the same as its own",
                                 study.simulator->name()),
                     "remove `learn_from:`");
  }
  if (!study.space) {
    throw node.error("logs of several networks hold different values, so that no space can be inferred from one",
                     "write the `space:` that all of them are of; corbel init --from-log FILE writes that of one log");
  }
  std::vector<std::string> known = {study.workloads.fingerprint()};
  for (const Config& item : node.items()) {
    OtherWorkload other = read_other_workload(study, item);
    if (std::find(known.begin(), known.end(), other.workload.fingerprint()) != known.end()) {
      throw item.error(fmt::format("{} is the study's own network, or listed twice", in_quotes(other.workload.name())),
                       "remove it: the study learns from its own trials anyway");
    }
    known.push_back(other.workload.fingerprint());
    study.learn_from.push_back(std::move(other));
  }
}

}  // namespace

StudyFile StudyFile::load(const std::filesystem::path& file) {
  const Config root = Config::load(file);
  root.allow_only({"name",      "space",      "workload",    "workloads", "combine",  "simulator", "fixed",
                   "objective", "pareto",     "constraints", "metrics",   "seed",     "threads",   "sweep",
                   "import",    "learn_from", "train",       "search",    "validate", "output",    "store"});
  StudyFile study;
  study.file = file;
  study.name = root.has("name") ? root.at("name").text() : file.stem().string();
  if (const Config* space = root.find("space")) {
    study.space = DesignSpace::from_config(*space);
    if (space->is_scalar()) study.space_name = space->text();
  }
  study.workloads = read_workloads(root);
  if (const Config* import = root.find("import")) study.import = read_import(*import);
  if (const Config* fixed = root.find("fixed")) study.fixed = read_fixed(*fixed);
  for (const char* key : {"fixed", "validate", "sweep"}) {
    if (key == std::string_view("sweep") && study.import) continue;  // refused below, for another reason
    if (root.has(key) && !root.has("simulator")) {
      throw root.at(key).error(fmt::format("`{}` needs a simulator, and the study has none", key),
                               "add `simulator:`, or remove it");
    }
  }

  const Config* simulator = root.find("simulator");
  if (!study.space && !study.import) {
    throw root.error("`space` is missing", "add `space: edge`, a file, or a map of parameters");
  }
  if (simulator) {
    if (!study.space) {
      throw simulator->error("a study with a simulator must say its `space`", "add `space: edge` or your parameters");
    }
    study.simulator = make_simulator(*simulator, *study.space);
    study.simulator_settings = simulator->dump();
    if (study.simulator->needs_workload() && study.workloads.is_empty()) {
      throw root.error(
          fmt::format("`workload` is missing: simulator {} runs a neural network", study.simulator->name()),
          "add `workload: mobilenet_v2`, or the path of a workload file");
    }
    HardwareBinding(*study.simulator, *study.space, study.fixed);
  }
  check_workloads(study, root);

  const Config& objective = root.at("objective");
  const Goal goal = read_goal(objective);
  study.objective = goal.metric;
  study.direction = goal.direction;
  study.objective_place = objective.place();
  check_told_objective(study, objective);
  if (const Config* constraints = root.find("constraints")) {
    for (const Config& item : constraints->items()) {
      study.constraints.push_back(Constraint::parse(item.text(), item.place()));
    }
  }
  if (const Config* metrics = root.find("metrics")) read_told_metrics(study, *metrics);
  check_told_limits(study);
  if (study.simulator) {
    std::vector<std::string> metrics;
    for (const MetricInfo& metric : study.simulated_metrics()) metrics.push_back(metric.name);
    check_objective(study, metrics, objective);
    check_weights(study, objective);
    // Binding finds misspelt names before hours of simulation; a log's metrics are only known once it is read.
    for (const Constraint& constraint : study.constraints) {
      if (!study.import) BoundConstraint(constraint, *study.space, metrics);
    }
  }

  if (const Config* pareto = root.find("pareto")) {
    std::vector<std::string> known;
    for (const MetricInfo& metric : study.simulated_metrics()) known.push_back(metric.name);
    // A log's metrics are only known once it is read.
    if (study.is_told()) known = study.told_metrics();
    read_pareto(study, *pareto, known);
  }

  if (const Config* seed = root.find("seed")) {
    study.seed = static_cast<std::uint64_t>(seed->integer(0, std::int64_t{1} << 62));
  }
  if (const Config* threads = root.find("threads")) {
    study.threads = static_cast<std::size_t>(threads->integer(0, 4096));
  }
  if (const Config* others = root.find("learn_from")) read_learn_from(study, *others);
  if (const Config* sweep = root.find("sweep")) {
    if (study.import) throw sweep->error("a study either sweeps or imports", "remove `sweep:` or `import:`");
    sweep->allow_only({"designs"});
    if (const Config* designs = sweep->find("designs")) {
      const std::int64_t least = study.learn_from.empty() ? 1 : 0;
      study.sweep_designs = static_cast<std::uint64_t>(designs->integer(least, most_sweep_designs));
    }
  }
  if (const Config* train = root.find("train")) study.training = training_options_from_config(*train);
  if (const Config* search = root.find("search")) study.search = read_search(*search);
  if (const Config* validate = root.find("validate")) {
    validate->allow_only({"designs"});
    if (const Config* designs = validate->find("designs")) {
      study.validate_designs = static_cast<std::size_t>(designs->integer(0, 1'000'000));
    }
  }
  const std::filesystem::path output = root.has("output") ? root.at("output").text() : "out";
  if (output.empty()) throw root.at("output").error("`output` is empty", "name a folder, such as out");
  study.output = output.is_absolute() ? output : file.parent_path() / output;
  if (const Config* store = root.find("store")) study.store = read_store(*store, file);
  for (const std::string_view name : study_outputs) {
    const std::filesystem::path made = std::filesystem::weakly_canonical(study.output / name);
    std::vector<std::filesystem::path> read = {file};
    if (study.store && study.store->is_file() && !name.starts_with("trials.db")) read.push_back(study.store->file());
    if (study.import) read.push_back(study.import->file);
    for (const OtherWorkload& other : study.learn_from) {
      if (other.import) read.push_back(other.import->file);
    }
    const auto is_made = [&](const std::filesystem::path& path) {
      return std::filesystem::weakly_canonical(path) == made;
    };
    if (std::any_of(read.begin(), read.end(), is_made)) {
      throw root.error(fmt::format("the study would overwrite its own {}", made.filename().string()),
                       "name another `output`, such as out");
    }
  }
  return study;
}

std::vector<std::string> search_methods() {
  std::vector<std::string> methods = {"auto", "scan"};
  for (const StrategyInfo& info : strategies()) methods.emplace_back(info.id);
  return methods;
}

std::vector<std::string> StudyFile::told_metrics() const {
  std::vector<std::string> names;
  const auto add = [&](const std::string& metric) {
    if (std::find(names.begin(), names.end(), metric) == names.end()) names.push_back(metric);
  };
  add(objective);
  if (simulator) {
    for (const MetricInfo& metric : simulated_metrics()) add(metric.name);
    return names;
  }
  for (const Constraint& constraint : constraints) {
    if (decided_by_parameters(constraint, *space)) continue;
    for (const std::string& word : constraint.names()) {
      if (!space->find(word) && word != "true" && word != "false") add(word);
    }
  }
  for (const std::string& metric : told) add(metric);
  return names;
}

std::vector<StudyFile> StudyFile::others() const {
  std::vector<StudyFile> studies;
  for (const OtherWorkload& other : learn_from) {
    StudyFile study = *this;
    study.learn_from.clear();
    study.workloads = other.workload;
    study.import = other.import;
    if (study.import && study.import->workload.empty()) study.import->workload = other.workload.name();
    study.sweep_designs = other.designs;
    studies.push_back(std::move(study));
  }
  return studies;
}

std::vector<MetricInfo> StudyFile::simulated_metrics() const {
  return simulator ? workloads.metrics(simulator->metrics()) : std::vector<MetricInfo>{};
}

}  // namespace corbel
