#include "corbel/study/pipeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "corbel/base/error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/base/hash.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/units.hpp"
#include "corbel/dataset/sweep.hpp"
#include "corbel/search/optimise.hpp"
#include "corbel/simulator/table.hpp"
#include "corbel/study/findings.hpp"
#include "corbel/study/surrogate_objective.hpp"
#include "corbel/version.hpp"

namespace corbel {
namespace {

using nlohmann::json;

/// A whole space up to this size is scanned by "auto": it takes seconds and the result is exact.
constexpr std::uint64_t auto_scan_limit = 2'000'000;

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

SurrogateObjective make_objective(const StudyFile& study, const DesignSpace& space) {
  Model model = Model::load(study.model_file());
  model.require_space(space, "the study");
  std::optional<HardwareBinding> binding;
  if (study.simulator) binding.emplace(*study.simulator, space, study.fixed);
  std::vector<float> context;
  if (study.network) context = context_vector(*study.network);
  return SurrogateObjective(std::move(model), study.objective, study.constraints, study.search.min_feasibility,
                            std::move(context), study.simulator, std::move(binding));
}

/// The designs of the first `count` proposals.
std::vector<Design> proposed_designs(const json& proposals, const DesignSpace& space, std::size_t count) {
  std::vector<Design> designs;
  for (const json& proposal : proposals) {
    if (designs.size() == count) break;
    designs.push_back(space.design(proposal.at("id").get<DesignId>()));
  }
  return designs;
}

}  // namespace

Pipeline::Pipeline(StudyFile study, Monitor& monitor)
    : study_(std::move(study)), monitor_(monitor), results_(std::make_unique<json>(json::object())) {
  if (!std::filesystem::exists(study_.results_file())) return;
  *results_ = json::parse(read_file(study_.results_file()), nullptr, /*allow_exceptions=*/false);
  if (!results_->is_object() || !results_->contains("steps")) {
    throw Error(ErrorCode::corrupt, fmt::format("{}: not the results of a study", study_.results_file().string()),
                "remove it, or start over with --fresh; the trials are kept in trials.db");
  }
}

Pipeline::~Pipeline() = default;

Store& Pipeline::store() {
  if (!store_) store_.emplace(study_.store_file(), Store::Mode::read_write);
  return *store_;
}

TrialGroup Pipeline::simulator_group() const {
  return trial_group(*study_.space, *study_.simulator, network(), study_.fixed);
}

const Network* Pipeline::network() const {
  return study_.network ? &*study_.network : nullptr;
}

std::string Pipeline::recorded(const char* step, const char* key) const {
  const json steps = results_->value("steps", json::object());
  return steps.contains(step) ? steps[step].value(key, "") : "";
}

std::string Pipeline::question_key() const {
  std::string text = study_.objective;
  for (const Constraint& constraint : study_.constraints) text += "|" + constraint.text();
  return fingerprint(text);
}

std::string Pipeline::import_key() const {
  const ImportSpec& spec = *study_.import;
  std::string text = fingerprint(read_file(spec.file, std::uint64_t{64} << 30)) + spec.simulator + spec.workload;
  for (const auto& [column, role] : spec.roles) text += fmt::format("|{}:{}", column, static_cast<int>(role));
  for (const auto& [column, name] : spec.rename) text += fmt::format("|{}>{}", column, name);
  return fingerprint(text + (study_.space ? study_.space->fingerprint() : ""));
}

std::string Pipeline::training_key() const {
  return fingerprint(to_json(study_.training).dump() + question_key() + fmt::format("|{}", study_.seed));
}

std::string Pipeline::search_key() const {
  const SearchSettings& search = study_.search;
  std::string text = fmt::format("{}|{}|{}|{}|{}|{}", question_key(), search.method, search.budget, search.proposals,
                                 format_number(search.min_feasibility), study_.seed);
  for (const auto& [name, value] : search.options) text += fmt::format("|{}={}", name, format_number(value));
  return fingerprint(text + fingerprint(read_file(study_.model_file())));
}

std::string Pipeline::validation_key() const {
  return fmt::format("{}|{}", search_key(), study_.validate_designs);
}

void Pipeline::import_log() {
  const std::string key = import_key();
  const std::string known = store().note("import " + key);
  if (!known.empty()) {
    load_dataset(std::stoll(known));
    return;
  }
  const ImportPlan plan = plan_import(*study_.import, study_.space, monitor_);
  Store::GroupId group = 0;
  const ImportResult result = import_csv(store(), *study_.import, plan, group, monitor_);
  for (const std::string& refusal : result.refusals) monitor_.message("refused: " + refusal);
  if (result.refused > result.refusals.size()) {
    monitor_.message(fmt::format("refused: {} more rows", result.refused - result.refusals.size()));
  }
  store().set_note("import " + key, std::to_string(group));
  load_dataset(group);
}

void Pipeline::load_dataset(Store::GroupId group) {
  group_ = group;
  dataset_ = store().read(group);
  dataset_->metric_index(study_.objective);  // throws with the near miss
}

void Pipeline::collect() {
  if (study_.import) {
    import_log();
  } else {
    const Store::GroupId group = store().group(simulator_group());
    SweepOptions options;
    options.designs = std::min<std::uint64_t>(study_.sweep_designs, study_.space->size());
    options.seed = study_.seed;
    options.threads = study_.threads;
    const HardwareBinding binding(*study_.simulator, *study_.space, study_.fixed);
    sweep(store(), group, *study_.simulator, binding, network(), options, monitor_);
    load_dataset(group);
  }
  if (dataset_->rows() == 0) {
    throw Error(ErrorCode::too_little_data, fmt::format("{}: no trial to learn from", study_.store_file().string()),
                "sweep or import some designs first");
  }
  (*results_)["corbel"] = version;
  (*results_)["study"] = study_section(study_, dataset_->group.space);
  const std::string content = dataset_->fingerprint();
  const bool same_question = recorded("collect", "question") == question_key();
  const bool same_log = content == recorded("collect", "dataset") || content == recorded("validate", "dataset");
  if (!same_question || !same_log) {
    describe_dataset();
    forget_from("training");
  }
  save();
}

void Pipeline::describe_dataset() {
  const std::string source =
      study_.import ? study_.import->file.filename().string() : "sweep with simulator " + study_.simulator->name();
  json& results = *results_;
  results["dataset"] = dataset_section(study_, *dataset_, source);
  results["plots"] = plots_section(study_, *dataset_);
  results["steps"]["collect"] = {{"dataset", dataset_->fingerprint()}, {"question", question_key()}};
}

void Pipeline::forget_from(std::string_view section) {
  static constexpr std::array<std::pair<std::string_view, const char*>, 5> order = {
      {{"training", "train"}, {"search", "search"}, {"proposals", "search"}, {"validation", "validate"}, {"best", ""}}};
  bool later = false;
  for (const auto& [name, step] : order) {
    later = later || name == section;
    if (!later) continue;
    results_->erase(std::string(name));
    (*results_)["steps"].erase(step);
  }
}

const Dataset& Pipeline::dataset() {
  if (dataset_) return *dataset_;
  if (!std::filesystem::exists(study_.store_file())) {
    throw Error(ErrorCode::not_found, fmt::format("{}: nothing was collected yet", study_.store_file().string()),
                fmt::format("first: corbel {} {}", study_.import ? "import" : "sweep", study_.file.string()));
  }
  if (study_.import) {
    import_log();
  } else {
    load_dataset(store().group(simulator_group()));
  }
  return *dataset_;
}

void Pipeline::train() {
  const Dataset& data = dataset();
  if (recorded("train", "key") == training_key() && recorded("train", "dataset") == data.fingerprint() &&
      std::filesystem::exists(study_.model_file())) {
    monitor_.message("the model is up to date");
    return;
  }
  TrainingTask task;
  task.objective = study_.objective;
  const LoggedLimits limits(study_, data);
  for (std::size_t row = 0; row < data.rows(); ++row) task.over_limit.push_back(limits.met(row) ? 0 : 1);

  std::vector<std::string> formulas;
  if (study_.simulator) {
    for (const MetricInfo& metric : study_.simulator->metrics()) {
      if (!metric.needs_workload) formulas.push_back(metric.name);
    }
  }
  std::vector<BoundConstraint> by_parameters;
  for (const Constraint& constraint : study_.constraints) {
    BoundConstraint bound(constraint, data.group.space, data.group.metrics);
    for (const std::size_t metric : bound.metrics_used()) {
      const std::string& name = data.group.metrics[metric];
      const auto listed = [&](const std::vector<std::string>& names) {
        return std::find(names.begin(), names.end(), name) != names.end();
      };
      if (name != study_.objective && !listed(formulas) && !listed(task.also_predict)) {
        task.also_predict.push_back(name);
      }
    }
    if (bound.needs_only_parameters()) by_parameters.push_back(std::move(bound));
  }
  if (!by_parameters.empty()) {
    task.admits = [by_parameters](const Design& design) {
      return std::all_of(by_parameters.begin(), by_parameters.end(),
                         [&](const BoundConstraint& constraint) { return constraint.satisfied(design, {}); });
    };
  }
  TrainingOptions options = study_.training;
  options.seed = study_.seed;
  options.threads = study_.threads;
  json report = corbel::train(data, task, options, study_.model_file(), study_.output / "checkpoints", monitor_);
  report["network"] = options.network;
  report["model"] = study_.model_file().filename().string();

  (*results_)["study"] = study_section(study_, data.group.space);
  describe_dataset();  // designs validated since are part of the log from here on
  forget_from("training");
  (*results_)["training"] = std::move(report);
  (*results_)["steps"]["train"] = {{"key", training_key()}, {"dataset", data.fingerprint()}};
  save();
}

void Pipeline::require_step(std::string_view section, std::string_view command) const {
  if (results_->contains(section)) return;
  throw Error(ErrorCode::not_found, fmt::format("{}: there is no {} yet", study_.output.string(), section),
              fmt::format("first: corbel {} {}", command, study_.file.string()));
}

void Pipeline::search() {
  const Dataset& data = dataset();
  require_step("training", "train");
  const Stopwatch watch;
  const SurrogateObjective objective = make_objective(study_, data.group.space);
  const DesignSpace& space = objective.space();

  const auto logged = std::make_shared<std::unordered_set<DesignId>>(data.designs.begin(), data.designs.end());
  SearchDomain domain{space, [&objective, &space, logged](const Design& design) {
                        return !logged->contains(space.id(design)) && objective.admits(design);
                      }};
  const SearchSettings& settings = study_.search;
  std::string method = settings.method;
  if (method == "auto") method = space.size() <= auto_scan_limit ? "scan" : "firefly";

  SearchResult found;
  if (method == "scan") {
    found = scan(objective, domain, settings.proposals, study_.threads, monitor_);
  } else {
    Strategy strategy = make_strategy(method, domain, settings.options, study_.seed);
    SearchOptions options;
    options.budget = settings.budget;
    options.keep = settings.proposals;
    found = optimise(objective, strategy, options, monitor_);
  }
  std::vector<Design> designs;
  for (const Evaluation& evaluation : found.best) {
    if (evaluation.score.feasible()) designs.push_back(evaluation.design);
  }
  // Limits may be changed, and designs validated, without training again: the log is then told anew.
  if (recorded("collect", "question") != question_key() || recorded("collect", "dataset") != data.fingerprint()) {
    (*results_)["study"] = study_section(study_, space);
    describe_dataset();
  }
  forget_from("search");
  json& best_logged = (*results_)["dataset"]["best_logged"];
  if (!best_logged.is_null()) {
    const Design design = space.design(best_logged["id"].get<DesignId>());
    best_logged["predicted"] = objective.assess(std::span(&design, 1)).front().metrics[0];
  }
  (*results_)["search"] = {{"method", method},
                           {"scored", found.scored},
                           {"exhaustive", found.exhaustive},
                           {"seconds", watch.seconds()},
                           {"history", json::array()}};
  for (const auto& [scored, best] : found.history) (*results_)["search"]["history"].push_back({scored, best});
  (*results_)["proposals"] = proposals_section(study_, objective, designs, data, best_logged);
  (*results_)["steps"]["search"] = {{"key", search_key()}};
  conclude();
}

void Pipeline::validate() {
  if (!study_.simulator) {
    throw Error(ErrorCode::unsupported, fmt::format("{}: there is no simulator to validate with", study_.file.string()),
                "add `simulator:` to the study, or look the proposals up in a whole recorded table with --table FILE");
  }
  require_step("proposals", "search");
  const DesignSpace& space = *study_.space;
  const std::vector<Design> designs = proposed_designs((*results_)["proposals"], space, study_.validate_designs);
  const SurrogateObjective objective = make_objective(study_, space);
  const HardwareBinding binding(*study_.simulator, space, study_.fixed);
  const Store::GroupId group = store().group(simulator_group());
  const std::vector<Trial> trials =
      simulate_designs(store(), group, *study_.simulator, binding, network(), designs, study_.threads, monitor_);
  for (std::size_t i = 0; i < trials.size(); ++i) {
    Outcome outcome;
    outcome.state = trials[i].state == TrialState::complete     ? OutcomeState::complete
                    : trials[i].state == TrialState::infeasible ? OutcomeState::infeasible
                                                                : OutcomeState::failed;
    outcome.reason = trials[i].reason;
    outcome.metrics = trials[i].metrics;
    record_outcome((*results_)["proposals"][i], outcome, study_.simulator->metrics(), objective,
                   (*results_)["dataset"]["best_logged"]);
  }
  (*results_)["validation"] = validation_section(*results_);
  if (!study_.import) dataset_ = store().read(group);
  (*results_)["steps"]["validate"] = {{"key", validation_key()}, {"dataset", dataset().fingerprint()}};
  conclude();
}

void Pipeline::validate_with_table(const std::filesystem::path& table) {
  const Dataset& data = dataset();
  require_step("proposals", "search");
  const DesignSpace& space = data.group.space;
  const std::unique_ptr<Simulator> recorded = make_table_simulator(table, space);
  const HardwareBinding binding(*recorded, space);
  const SurrogateObjective objective = make_objective(study_, space);
  std::vector<std::string> metrics;
  for (const MetricInfo& metric : recorded->metrics()) metrics.push_back(metric.name);
  const auto found = std::find(metrics.begin(), metrics.end(), study_.objective);
  if (found == metrics.end()) throw unknown_name("metric", study_.objective, metrics, table.string());
  const auto objective_metric = static_cast<std::size_t>(found - metrics.begin());
  std::vector<BoundConstraint> limits;
  for (const Constraint& constraint : study_.constraints) limits.emplace_back(constraint, space, metrics);

  double optimum = std::numeric_limits<double>::infinity();
  std::uint64_t recorded_designs = 0;
  constexpr std::uint64_t batch = 4096;
  std::vector<Design> designs;
  std::vector<Hardware> hardware;
  for (DesignId first = 0; first < space.size(); first += batch) {
    monitor_.check();
    designs.clear();
    hardware.clear();
    for (DesignId id = first; id < std::min<DesignId>(space.size(), first + batch); ++id) {
      designs.push_back(space.design(id));
      hardware.push_back(binding.hardware(designs.back()));
    }
    const std::vector<Outcome> outcomes = recorded->simulate(hardware, nullptr);
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      if (outcomes[i].state == OutcomeState::failed) continue;
      ++recorded_designs;
      if (outcomes[i].state != OutcomeState::complete) continue;
      const bool within = std::all_of(limits.begin(), limits.end(), [&](const BoundConstraint& limit) {
        return limit.satisfied(designs[i], outcomes[i].metrics);
      });
      if (within) optimum = std::min(optimum, outcomes[i].metrics[objective_metric]);
    }
    monitor_.progress("table", first, space.size(), "");
  }

  const std::vector<Design> proposed =
      proposed_designs((*results_)["proposals"], space, (*results_)["proposals"].size());
  for (std::size_t i = 0; i < proposed.size(); ++i) {
    const Hardware one = binding.hardware(proposed[i]);
    record_outcome((*results_)["proposals"][i], recorded->simulate(std::span(&one, 1), nullptr).front(),
                   recorded->metrics(), objective, (*results_)["dataset"]["best_logged"]);
  }
  (*results_)["validation"] = validation_section(*results_);
  json& validation = (*results_)["validation"];
  const json first = (*results_)["proposals"].empty() ? json(nullptr) : (*results_)["proposals"][0];
  const auto over_optimum = [&](const json& value) {
    return value.is_number() && std::isfinite(optimum) ? json(value.get<double>() / optimum) : json(nullptr);
  };
  validation["table"] = {
      {"file", table.filename().string()},
      {"designs", recorded_designs},
      {"optimum", std::isfinite(optimum) ? json(optimum) : json(nullptr)},
      {"first_over_optimum",
       first.is_null() ? json(nullptr) : over_optimum(first["metrics"].value(study_.objective, json(nullptr)))},
      {"best_over_optimum", over_optimum(validation["best"])},
      {"best_logged_over_optimum", (*results_)["dataset"]["best_logged"].is_null()
                                       ? json(nullptr)
                                       : over_optimum((*results_)["dataset"]["best_logged"]["objective"])}};
  conclude();
}

void Pipeline::conclude() {
  (*results_)["best"] = best_section(*results_);
  save();
}

void Pipeline::save() {
  write_file(study_.results_file(), results_->dump(1) + "\n");
}

void Pipeline::run() {
  collect();
  if (recorded("train", "key") == training_key() && std::filesystem::exists(study_.model_file())) {
    monitor_.message("the model is up to date");
  } else {
    train();
  }
  if (recorded("search", "key") == search_key()) {
    monitor_.message("the search is up to date");
  } else {
    search();
  }
  if (study_.simulator && study_.validate_designs > 0) {
    if (recorded("validate", "key") == validation_key()) {
      monitor_.message("the validation is up to date");
    } else {
      validate();
    }
  }
  if ((*results_)["best"].is_null()) monitor_.message("no design is known or predicted to meet every constraint");
}

void Pipeline::clear() {
  store_.reset();
  dataset_.reset();
  *results_ = json::object();
  for (const char* name : {"trials.db", "trials.db-wal", "trials.db-shm", "model.safetensors", "results.json",
                           "report.html", "design.json", "design.yaml", "checkpoints"}) {
    std::error_code error;
    std::filesystem::remove_all(study_.output / name, error);
    if (error) {
      throw Error(ErrorCode::file_access,
                  fmt::format("cannot remove {}: {}", (study_.output / name).string(), error.message()),
                  "check the permissions of the output folder");
    }
  }
}

}  // namespace corbel
