#include "corbel/study/pipeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "corbel/base/count_text.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/base/hash.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/stopwatch.hpp"
#include "corbel/base/units.hpp"
#include "corbel/study/ask_tell.hpp"
#include "corbel/study/findings.hpp"
#include "corbel/study/learning.hpp"
#include "corbel/study/online_search.hpp"
#include "corbel/study/pareto_search.hpp"
#include "corbel/study/recorded_table.hpp"
#include "corbel/study/rounds.hpp"
#include "corbel/study/simulation_domain.hpp"
#include "corbel/study/simulator_queries.hpp"
#include "corbel/study/study_log.hpp"
#include "corbel/study/study_trials.hpp"
#include "corbel/study/surrogate_objective.hpp"
#include "corbel/study/surrogate_search.hpp"
#include "corbel/study/verdict.hpp"
#include "corbel/version.hpp"

namespace corbel {
namespace {

using nlohmann::json;

/// The designs of the first `count` proposals.
std::vector<Design> proposed_designs(const json& proposals, const DesignSpace& space, std::size_t count) {
  std::vector<Design> designs;
  for (const json& proposal : proposals) {
    if (designs.size() == count) break;
    designs.push_back(space.design(proposal.at("id").get<DesignId>()));
  }
  return designs;
}

/// Made by the training, by the search, and of what it found.
constexpr std::array<std::string_view, 6> made = {"model.safetensors", "checkpoints", "scan",
                                                  "report.html",       "design.json", "design.yaml"};
constexpr std::span made_by_search = std::span(made).subspan(2), made_of_findings = std::span(made).subspan(3);

/// Removes those of these that are there; says so, since nobody starts over by mistake unawares.
void remove_outputs(const StudyFile& study, std::span<const std::string_view> names, Monitor& monitor) {
  std::string removed;
  for (const std::string_view name : names) {
    std::error_code error;
    const std::uintmax_t count = std::filesystem::remove_all(study.output / name, error);
    if (error) {
      throw Error(ErrorCode::file_access,
                  fmt::format("cannot remove {}: {}", (study.output / name).string(), error.message()),
                  "check the permissions of the output folder");
    }
    if (count > 0) removed += fmt::format("{}{}", removed.empty() ? "" : ", ", name);
  }
  if (!removed.empty())
    monitor.message(fmt::format("starting over: removed {} from {}", removed, study.output.string()));
}

}  // namespace

Pipeline::Pipeline(StudyFile study, Monitor& monitor)
    : study_(std::move(study)), monitor_(monitor), results_(std::make_unique<json>(json::object())) {
  read_results();
}

void Pipeline::read_results() {
  *results_ = json::object();
  if (!std::filesystem::exists(study_.results_file())) return;
  *results_ = json::parse(read_file(study_.results_file()), nullptr, /*allow_exceptions=*/false);
  if (!results_->is_object() || !results_->contains("steps") || !(*results_)["steps"].is_object()) {
    throw Error(ErrorCode::corrupt, fmt::format("{}: not the results of a study", study_.results_file().string()),
                "remove it, or start over with `corbel run --fresh`; removing it keeps the trials");
  }
  forget_old_front();
}

void Pipeline::forget_old_front() try {
  if (!results_->contains("pareto")) return;
  const bool is_predicted = (*results_)["pareto"].at("basis") == "predicted";
  const std::string current = is_predicted ? keys().trade_offs(model_fingerprint()) : keys().trade_offs();
  if (recorded("pareto", "question") == current) return;
  results_->erase("pareto");
  (*results_)["steps"].erase("pareto");
  // It may have found the design to build.
  choose();
} catch (const json::exception& error) {
  throw Error(ErrorCode::corrupt,
              fmt::format("{}: not of the shape this version writes: {}", study_.results_file().string(), error.what()),
              "remove it and run the study again; the trials are kept");
}

Pipeline::~Pipeline() = default;

const StudyKeys& Pipeline::keys() {
  if (!keys_) keys_.emplace(study_);
  return *keys_;
}

void Pipeline::lock(std::chrono::seconds patience) {
  if (lock_) return;
  const auto start = std::chrono::steady_clock::now();
  while (!lock_) {
    try {
      lock_ = std::make_unique<FileLock>(study_.output / ".lock");
    } catch (const Error&) {
      if (std::chrono::steady_clock::now() - start >= patience) throw;
      monitor_.check();
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }
  // Another process may have written since.
  model_fingerprint_.reset();
  read_results();
  for (const char* searched : {"online", "rounds"}) {
    if (!results_->contains(searched) || recorded(searched, "question") == keys().question()) continue;
    results_->erase(searched);
    (*results_)["steps"].erase(searched);
  }
}

Store& Pipeline::store() {
  if (!store_) store_.emplace(study_.store_location(), Store::Mode::read_write);
  return *store_;
}

std::string Pipeline::recorded(const char* step, const char* key) const {
  const json& steps = results_->contains("steps") ? (*results_)["steps"] : *results_;
  return steps.contains(step) ? steps[step].value(key, "") : "";
}

const std::string& Pipeline::model_fingerprint() {
  if (!model_fingerprint_) {
    const bool exists = std::filesystem::exists(study_.model_file());
    model_fingerprint_ = exists ? file_fingerprint(study_.model_file()) : "";
  }
  return *model_fingerprint_;
}

void Pipeline::collect_others() {
  for (const StudyFile& other : study_.others()) collect_log(other, StudyKeys(other), store(), monitor_);
}

std::vector<std::pair<StudyFile, TrialLog>> Pipeline::other_trials() {
  collect_others();
  std::vector<std::pair<StudyFile, TrialLog>> trials;
  for (StudyFile& other : study_.others()) {
    TrialLog log = read_log(other, StudyKeys(other), monitor_).value();
    trials.emplace_back(std::move(other), std::move(log));
  }
  return trials;
}

void Pipeline::release_trials() {
  trials_.reset();
  log_.reset();
}

std::string Pipeline::searched_notes() const {
  const std::string trained = recorded("train", "trials");
  return trained.empty() ? "" : "searched since " + trained + " ";
}

void Pipeline::use(TrialLog trials) {
  trials_ = std::move(trials);
  std::vector<DesignId> added;
  for (const json& id : results_->value("validated", json::array())) added.push_back(id.get<DesignId>());
  const std::string prefix = searched_notes();
  if (const auto store = prefix.empty() ? std::nullopt : Store::if_there(study_.store_location())) {
    for (const auto& [key, ids] : store->notes(prefix)) {
      for (const json& id : json::parse(ids, nullptr, /*allow_exceptions=*/false)) {
        if (id.is_number_unsigned()) added.push_back(id.get<DesignId>());
      }
    }
  }
  log_ = trials_->without(std::move(added));
  const auto& names = trials_->group().metrics;
  if (std::find(names.begin(), names.end(), study_.objective) == names.end()) {
    throw unknown_name("metric", study_.objective, names, study_.objective_place);
  }
}

void Pipeline::collect() {
  lock();
  // For another question nothing was learnt yet, so that every trial is part of the log.
  if (recorded("collect", "question") != keys().question()) {
    results_->erase("validated");
    if (results_->contains("steps")) (*results_)["steps"].erase("train");
  }
  collect_others();
  release_trials();
  if (!study_.is_told()) collect_log(study_, keys(), store(), monitor_);
  if (!trials().has_rows() && study_.learn_from.empty()) {
    throw Error(ErrorCode::too_little_data, fmt::format("{}: no trial to learn from", study_.store_location().text()),
                "sweep or import some designs first");
  }
  if (recorded("collect", "question") != keys().question() || recorded("collect", "log") != log().fingerprint()) {
    describe_log(description(log()));
    forget_from("training");
  }
  (*results_)["study"] = study_section(study_, log().group().space);
  conclude();
}

json Pipeline::description(const TrialLog& log) {
  const bool was_searched = results_->contains("online") || results_->contains("rounds");
  std::string source = study_.is_told() ? "what was told"
                       : study_.import  ? study_.import->file.filename().string()
                       : was_searched   ? "sweep and search with simulator " + study_.simulator->name()
                                        : "sweep with simulator " + study_.simulator->name();
  if (study_.workloads.has_several()) source += fmt::format(" on {} networks", study_.workloads.members().size());
  return {{"corbel", version},
          {"study", study_section(study_, log.group().space)},
          {"dataset", dataset_section(study_, log, source)},
          {"plots", plots_section(study_, log)},
          {"collect", {{"log", log.fingerprint()}, {"question", keys().question()}}}};
}

void Pipeline::describe_log(json description) {
  (*results_)["steps"]["collect"] = std::move(description.at("collect"));
  for (const char* section : {"corbel", "study", "dataset", "plots"}) {
    (*results_)[section] = std::move(description.at(section));
  }
}

void Pipeline::forget_from(std::string_view section) {
  static constexpr std::array<std::pair<std::string_view, const char*>, 5> order = {
      {{"training", "train"}, {"search", "search"}, {"proposals", "search"}, {"validation", "validate"}, {"best", ""}}};
  bool later = false;
  json& steps = results_->emplace("steps", json::object()).first.value();
  for (const auto& [name, step] : order) {
    later = later || name == section;
    if (!later) continue;
    results_->erase(std::string(name));
    steps.erase(step);
  }
  // A front that the surrogate predicted goes with its model.
  if (section == "training" && results_->contains("pareto") &&
      (*results_)["pareto"].value("basis", "") == "predicted") {
    results_->erase("pareto");
    steps.erase("pareto");
  }
  for (const std::string_view name : made_of_findings) {
    std::error_code ignored;
    std::filesystem::remove(study_.output / name, ignored);
  }
}

const TrialLog& Pipeline::trials() {
  if (trials_) return *trials_;
  const auto nothing = [&] {
    if (study_.is_told() && study_.learn_from.empty()) {
      return Error(ErrorCode::not_found, fmt::format("{}: nothing was told yet", study_.store_location().text()),
                   fmt::format("evaluate designs of corbel ask {0} and give them to corbel tell {0}; or add a "
                               "`simulator:` to run, or a log to `import:`",
                               study_.file.string()));
    }
    return Error(ErrorCode::not_found,
                 fmt::format("{}: no trials of this study's {} yet", study_.store_location().text(),
                             study_.import                    ? "log"
                             : study_.workloads.has_several() ? "space, simulator and workloads"
                                                              : "space, simulator and workload"),
                 fmt::format("first: corbel {} {}", study_.simulator && !study_.import ? "sweep" : "import",
                             study_.file.string()));
  };
  std::optional<TrialLog> trials = read_log(study_, keys(), monitor_);
  if (!trials || (study_.learn_from.empty() && !trials->has_rows())) throw nothing();
  use(std::move(*trials));
  return *trials_;
}

bool Pipeline::answers_the_study() {
  return recorded("collect", "question") == keys().question();
}

bool Pipeline::model_is_current() {
  return recorded("train", "key") == keys().training() && recorded("train", "model") == model_fingerprint();
}

void Pipeline::train() {
  lock();
  std::string trials;
  std::optional<TaughtRows> taught;
  std::vector<OtherTrials> taught_too;
  std::optional<json> described;
  {
    const TrialLog data = this->trials();
    const std::vector<std::pair<StudyFile, TrialLog>> others = other_trials();
    trials = data.fingerprint();
    for (const auto& [study, log] : others) trials = fingerprint(trials + log.fingerprint());
    if (model_is_current() && recorded("train", "trials") == trials) {
      monitor_.message("the model is up to date");
      return;
    }
    // What the old model found must not stand beside what the study now asks, not even if this is interrupted.
    forget_from("training");
    (*results_)["study"] = study_section(study_, data.group().space);
    conclude();
    if (data.feasible() == 0 && study_.learn_from.empty()) throw no_feasible_row(study_, data);
    if (recorded("collect", "question") != keys().question() || recorded("collect", "log") != data.fingerprint()) {
      described = description(data);
    }
    taught = taught_rows(study_, data);
    for (const auto& [study, log] : others) taught_too.push_back({study, taught_rows(study, log)});
  }
  release_trials();
  if (taught->drawn_from) {
    monitor_.message(fmt::format("learning from {} of {} trials, drawn at random: all that {} steps can use",
                                 count_text(taught->rows.rows()), count_text(taught->drawn_from->rows),
                                 count_text(static_cast<std::uint64_t>(study_.training.steps))));
  }
  const TrainingTask task = training_task(study_, *taught, taught_too);
  TrainingOptions options = study_.training;
  options.seed = study_.seed;
  options.threads = study_.threads;
  model_fingerprint_.reset();
  json report =
      corbel::train(taught->rows, task, options, study_.model_file(), study_.output / "checkpoints", monitor_);
  report["network"] = options.network;
  report["model"] = study_.model_file().filename().string();
  results_->erase("validated");  // part of the log from here on
  if (described) {
    describe_log(std::move(*described));
  } else if (json& best = (*results_)["dataset"]["best_logged"]; best.is_object()) {
    best.erase("predicted");  // by the model before
  }
  const std::string before = searched_notes();
  (*results_)["training"] = std::move(report);
  (*results_)["steps"]["train"] = {
      {"key", keys().training()}, {"identity", keys().model()}, {"model", model_fingerprint()}, {"trials", trials}};
  conclude();
  // Those of the model before this one; the store may hold other studies', too.
  if (!before.empty() && before != searched_notes()) store().forget_notes(before);
}

SurrogateObjective Pipeline::make_objective() {
  const DesignSpace& space = trials().group().space;
  Model model = Model::load(study_.model_file());
  model.require_space(space, "the study");
  if (recorded("train", "identity") != keys().model() || recorded("train", "model") != model_fingerprint()) {
    throw Error(
        ErrorCode::mismatch,
        fmt::format("{}: the model was trained for another log, objective, simulator or options than {} now says",
                    study_.model_file().string(), study_.file.string()),
        fmt::format("corbel train {}, or corbel run", study_.file.string()));
  }
  return make_surrogate(study_, std::move(model), (*results_)["training"]);
}

void Pipeline::start_over(std::string_view section) {
  lock();
  remove_outputs(study_, section == "training" ? std::span(made) : made_by_search, monitor_);
  model_fingerprint_.reset();
  forget_from(section);
  conclude();
}

void Pipeline::require_step(std::string_view section, std::string_view command) const {
  if (results_->contains(section)) return;
  throw Error(ErrorCode::not_found, fmt::format("{}: there is no {} yet", study_.output.string(), section),
              fmt::format("first: corbel {} {}", command, study_.file.string()));
}

void Pipeline::require_proposals() {
  require_step("proposals", "search");
  if (recorded("search", "proposals") == keys().proposals(model_fingerprint())) return;
  throw Error(ErrorCode::mismatch,
              fmt::format("{}: the study has changed since its proposals were found", study_.file.string()),
              fmt::format("corbel search {}, or corbel run", study_.file.string()));
}

void Pipeline::search() {
  lock();
  trials();
  require_step("training", "train");
  const SurrogateObjective objective = make_objective();
  const SurrogateSearch search = make_search(objective);
  release_trials();
  conclude_search(objective, search.method(), search.run(monitor_));
}

ShardOutcome Pipeline::search_shard(const ScanShard& shard) {
  trials();
  require_step("training", "train");
  ShardOutcome outcome;
  {
    const SurrogateObjective objective = make_objective();
    const SurrogateSearch search = make_search(objective);
    if (search.method() != "scan") {
      throw Error(ErrorCode::usage, fmt::format("{} has no shards, only a scan has", search.method()),
                  "corbel search STUDY --strategy scan --shard i/n");
    }
    release_trials();
    outcome.scanned = search.scan_shard(shard, monitor_);
    outcome.missing = search.missing_shards(shard.count);
  }
  if (!outcome.missing.empty()) return outcome;

  // Others may finish at the same time: one puts the results together, the rest find them.
  lock(std::chrono::seconds(30));
  if (recorded("search", "key") == keys().search(model_fingerprint())) return outcome;
  const SurrogateObjective objective = make_objective();
  const SurrogateSearch search = make_search(objective);
  conclude_search(objective, search.method(), search.merge_shards(shard.count));
  return outcome;
}

SurrogateSearch Pipeline::make_search(const SurrogateObjective& objective) {
  return SurrogateSearch(study_, objective, log(), keys().proposals(model_fingerprint()));
}

void Pipeline::conclude_search(const SurrogateObjective& objective, const std::string& method,
                               const SurrogateFindings& found) {
  // Limits may be changed without training again: the log is then told anew.
  if (recorded("collect", "question") != keys().question()) describe_log(description(log()));
  forget_from("search");
  json& best_logged = (*results_)["dataset"]["best_logged"];
  if (!best_logged.is_null()) {
    const Design design = objective.space().design(best_logged["id"].get<DesignId>());
    best_logged["predicted"] = objective.assess(std::span(&design, 1)).front().metrics[0];
  }
  (*results_)["search"] = search_section(method, found, objective, study_.search.min_feasibility);
  std::vector<Design> designs;
  for (const Evaluation& evaluation : found.result.best) {
    if (evaluation.score.feasible()) designs.push_back(evaluation.design);
  }
  (*results_)["proposals"] = proposals_section(study_, objective, designs, log(), best_logged, objective_error());
  const std::string& model = model_fingerprint();
  (*results_)["steps"]["search"] = {{"key", keys().search(model)}, {"proposals", keys().proposals(model)}};
  conclude();
}

void Pipeline::search_simulator(
    const char* section, const std::string& key, const std::string& question,
    const std::function<json(const std::function<void(std::span<const DesignId>)>&)>& search) {
  // Of a study that imports a log they are no part of it.
  const std::string prefix = study_.import ? "" : searched_notes();
  std::function<void(std::span<const DesignId>)> joining;
  if (!prefix.empty()) {
    joining = [&](std::span<const DesignId> ids) {
      const std::string batch = json(std::vector<DesignId>(ids.begin(), ids.end())).dump();
      store().set_note(prefix + fingerprint(batch), batch);
    };
  }
  json found = search(joining);
  if (study_.import) {
    monitor_.message("the results are kept beside the imported log, not in it: another simulator may have made it");
    collect_log(study_, keys(), store(), monitor_);
  }
  release_trials();
  if (std::optional<TrialLog> trials = read_log(study_, keys(), monitor_)) use(std::move(*trials));
  // What was found for another question must not stand beside it.
  const bool is_new = recorded("collect", "question") != keys().question();
  if (is_new) forget_from(recorded("train", "identity") == keys().model() ? "search" : "training");
  (*results_)[section] = std::move(found);
  if (trials_ && trials_->has_rows() && (is_new || !results_->contains("training"))) describe_log(description(log()));
  (*results_)["corbel"] = version;
  (*results_)["study"] = study_section(study_, *study_.space);
  (*results_)["steps"][section] = {{"key", key}, {"question", question}};
  conclude();
}

void Pipeline::search_online(const OnlineSettings& settings) {
  lock();
  const std::string key = study_.simulator ? keys().online(settings) : "";
  search_simulator("online", key, keys().question(), [&](const auto& joining) {
    return corbel::search_online(study_, settings, key, store(), joining, monitor_);
  });
}

void Pipeline::search_front(const ParetoSettings& settings) {
  lock();
  const std::string key = study_.simulator ? keys().front(settings) : "";
  search_simulator("pareto", key, keys().trade_offs(), [&](const auto& joining) {
    return corbel::search_front(study_, settings, key, store(), joining, monitor_);
  });
}

void Pipeline::predict_front(const ParetoSettings& settings) {
  lock();
  trials();
  require_step("training", "train");
  const SurrogateObjective objective = make_objective();
  const SurrogateSearch search = make_search(objective);
  release_trials();
  json found = corbel::predict_front(study_, settings, objective, search.domain(), monitor_);
  // Limits may be changed without training again: the log is then told anew.
  if (recorded("collect", "question") != keys().question()) {
    describe_log(description(log()));
    forget_from("search");
  }
  (*results_)["pareto"] = std::move(found);
  (*results_)["steps"]["pareto"] = {{"key", keys().front(settings)},
                                    {"question", keys().trade_offs(model_fingerprint())}};
  conclude();
}

/// Back to what the surrogate says of them alone.
void Pipeline::reset_proposals(const SurrogateObjective& objective) {
  json& proposals = (*results_)["proposals"];
  const std::vector<Design> designs = proposed_designs(proposals, objective.space(), proposals.size());
  proposals =
      proposals_section(study_, objective, designs, log(), (*results_)["dataset"]["best_logged"], objective_error());
}

void Pipeline::validate() {
  if (!study_.simulator) {
    throw Error(ErrorCode::unsupported, fmt::format("{}: there is no simulator to validate with", study_.file.string()),
                "add `simulator:` to the study, or look the proposals up in a whole recorded table with --table FILE");
  }
  lock();
  trials();
  require_proposals();
  if (study_.import) {
    monitor_.message("the results are kept beside the imported log, not in it: another simulator may have made it");
  }
  const DesignSpace& space = *study_.space;
  const std::vector<Design> designs = proposed_designs((*results_)["proposals"], space, study_.validate_designs);
  const SurrogateObjective objective = make_objective();
  // Noted before they are simulated: however this ends, the model's log stays what it was.
  std::set<DesignId> validated;
  for (const json& id : results_->value("validated", json::array())) validated.insert(id.get<DesignId>());
  for (const Design& design : designs) validated.insert(space.id(design));
  (*results_)["validated"] = validated;
  save();
  release_trials();
  const std::vector<Outcome> outcomes = StudyTrials(study_).simulate(store(), designs, monitor_);
  reset_proposals(objective);
  const std::vector<MetricInfo> metrics = study_.simulated_metrics();
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    record_outcome((*results_)["proposals"][i], outcomes[i], metrics, objective, (*results_)["dataset"]["best_logged"]);
  }
  (*results_)["validation"] = validation_section(*results_);
  (*results_)["steps"]["validate"] = {{"key", keys().validation(model_fingerprint())}};
  conclude();
}

void Pipeline::validate_with_table(const std::filesystem::path& file) {
  if (study_.workloads.has_several()) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: a recorded table does not say which of several workloads a row is of", file.string()),
                "validate with the study's simulator: corbel validate without --table");
  }
  lock();
  const DesignSpace& space = trials().group().space;
  require_proposals();
  const RecordedTable table(file, space, study_.objective, study_.constraints, monitor_, study_.direction);
  const SurrogateObjective objective = make_objective();
  reset_proposals(objective);
  (*results_)["steps"].erase("validate");
  const json& best_logged = (*results_)["dataset"]["best_logged"];
  for (json& proposal : (*results_)["proposals"]) {
    const Design design = space.design(proposal.at("id").get<DesignId>());
    record_outcome(proposal, table.outcomes(std::span(&design, 1)).front(), table.metrics(), objective, best_logged);
  }
  (*results_)["validation"] = validation_section(*results_);
  json& validation = (*results_)["validation"];
  const json first =
      (*results_)["proposals"].empty() ? json(nullptr) : true_objective((*results_)["proposals"][0], study_.objective);
  const auto over_optimum = [&](const json& value) {
    return value.is_number() && table.optimum()
               ? json(times_worse(study_.direction, value.get<double>(), *table.optimum()))
               : json(nullptr);
  };
  validation["table"] = {
      {"file", file.filename().string()},
      {"designs", table.designs()},
      {"optimum", table.optimum() ? json(*table.optimum()) : json(nullptr)},
      {"first_over_optimum", over_optimum(first)},
      {"best_over_optimum", over_optimum(validation["best"])},
      {"best_logged_over_optimum", best_logged.is_null() ? json(nullptr) : over_optimum(best_logged["objective"])}};
  conclude();
}

double Pipeline::objective_error() const {
  const json error = (*results_)["training"].value("errors", json::object()).value(study_.objective, json());
  return error.is_number() ? error.get<double>() : std::numeric_limits<double>::quiet_NaN();
}

void Pipeline::choose() {
  (*results_)["best"] = best_section(*results_);
  (*results_)["answer"] = answer_section(*results_);
}

void Pipeline::conclude() {
  choose();
  save();
}

void Pipeline::save() {
  write_file(study_.results_file(), results_->dump(1, ' ', false, json::error_handler_t::replace) + "\n");
}

void Pipeline::run() {
  if (study_.search.rounds > 0) require_rounds_possible(study_);
  collect();
  if (log().rows() == log().group().space.size()) {
    monitor_.message("every design of the space is in the log: its best is the optimum, and there is nothing to learn");
    forget_from("training");
    return conclude();
  }
  const auto tell_if_none = [&] {
    if ((*results_)["best"].is_null()) monitor_.message("no design is known or predicted to meet every constraint");
  };
  if (study_.search.rounds > 0) {
    search_in_rounds();
    return tell_if_none();
  }
  if (model_is_current()) {
    monitor_.message("the model is up to date");
  } else {
    train();
  }
  if (recorded("search", "key") == keys().search(model_fingerprint())) {
    monitor_.message("the search is up to date");
  } else {
    search();
  }
  if (study_.simulator && study_.validate_designs > 0) {
    if (recorded("validate", "key") == keys().validation(model_fingerprint())) {
      monitor_.message("the validation is up to date");
    } else {
      validate();
    }
  }
  tell_if_none();
}

void clear_study(const StudyFile& study, Monitor& monitor) {
  if (study.store) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: starting over would remove trials from {}, where other studies may use them",
                            study.file.string(), study.store->text()),
                "name a new `store`, or remove this one yourself if you mean it (of PostgreSQL: DROP SCHEMA corbel "
                "CASCADE)");
  }
  if (study.is_told() && std::filesystem::exists(study.store_location().file())) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: starting over would remove what was told, which nothing here can make again",
                            study.file.string()),
                fmt::format("remove {} yourself if you mean it", study.store_location().text()));
  }
  const FileLock lock(study.output / ".lock");
  remove_outputs(study, study_outputs, monitor);
}

}  // namespace corbel
