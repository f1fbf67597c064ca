#include "corbel/study/study_keys.hpp"

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string_view>

#include "corbel/base/file.hpp"
#include "corbel/base/hash.hpp"
#include "corbel/base/units.hpp"
#include "corbel/study/online_search.hpp"
#include "corbel/study/pareto_search.hpp"
#include "corbel/study/study_trials.hpp"

namespace corbel {
namespace {

/// Of several texts, each told apart from its neighbours.
std::string fingerprint_of(std::initializer_list<std::string_view> parts) {
  std::string all;
  for (const std::string_view part : parts) all += std::to_string(part.size()) + ":" + std::string(part);
  return fingerprint(all);
}

std::string log_key(const StudyFile& study) {
  const ImportSpec& spec = *study.import;
  std::string roles;
  for (const auto& [column, role] : spec.roles)
    roles += fingerprint_of({column, std::to_string(static_cast<int>(role))});
  for (const auto& [column, name] : spec.rename) roles += fingerprint_of({column, name});
  for (const auto& [column, unit] : spec.units) roles += fingerprint_of({"unit", column, unit});
  for (const auto& [column, values] : spec.values) {
    for (const auto& [from, to] : values) roles += fingerprint_of({"value", column, from, to});
  }
  if (!spec.format.empty()) roles += fingerprint_of({"format", spec.format});
  if (spec.space) roles += spec.space->fingerprint();
  const std::vector<std::filesystem::path> files = log_files(spec.file);
  std::string content = file_fingerprint(files.front());
  for (std::size_t i = 1; i < files.size(); ++i) content += file_fingerprint(files[i]);
  return fingerprint_of({content, spec.simulator, spec.workload, roles, study.space ? study.space->fingerprint() : ""});
}

std::string options_key(const StrategyOptions& options) {
  std::string key;
  for (const auto& [name, value] : options) key += fingerprint_of({name, format_number(value)});
  return key;
}

std::string names_key(const std::vector<std::string>& names) {
  std::string key;
  for (const std::string& name : names) key += fingerprint_of({name});
  return key;
}

}  // namespace

StudyKeys::StudyKeys(const StudyFile& study) : study_(study) {
  if (study.import) log_ = log_key(study);
  const std::string workloads = study.workloads.fingerprint();
  std::string simulated;
  if (study.simulator) {
    const TrialGroup group = StudyTrials(study).groups().front();
    simulated = fingerprint_of({group.space.fingerprint(), group.simulator_fingerprint, workloads});
  }
  if (study.is_told()) simulated = fingerprint_of({"told", study.space->fingerprint()});
  source_ = fingerprint_of({log_, simulated, workloads, study.objective});
  if (study.direction == Direction::maximise) source_ = fingerprint_of({source_, to_string(study.direction)});
  for (const StudyFile& other : study.others()) {
    others_ += fingerprint_of({StudyKeys(other).source_, std::to_string(other.sweep_designs)});
  }
  for (const Constraint& constraint : study.constraints) limits_ += fingerprint_of({constraint.text()});
}

std::string StudyKeys::question() const {
  return fingerprint_of({source_, limits_});
}

std::string StudyKeys::model() const {
  nlohmann::json options = to_json(study_.training);
  options.erase("device");  // where it is computed is no part of the question
  // A model predicts the metrics that are traded off, too.
  return fingerprint_of({source_, options.dump(), std::to_string(study_.seed) + names_key(study_.pareto), others_});
}

std::string StudyKeys::training() const {
  return fingerprint_of({model(), limits_});
}

std::string StudyKeys::proposals(const std::string& model_fingerprint) const {
  return fingerprint_of({question(), model_fingerprint});
}

std::string StudyKeys::search(const std::string& model_fingerprint) const {
  const SearchSettings& search = study_.search;
  const std::string options = options_key(search.options);
  return fingerprint_of({proposals(model_fingerprint), search.method, std::to_string(search.budget),
                         std::to_string(search.proposals), format_number(search.min_feasibility),
                         format_number(search.caution), options, std::to_string(study_.seed)});
}

std::string StudyKeys::online(const OnlineSettings& settings) const {
  return fingerprint_of({question(), settings.method, options_key(settings.options), std::to_string(settings.budget),
                         std::to_string(settings.batch), std::to_string(study_.seed)});
}

std::string StudyKeys::front(const ParetoSettings& settings) const {
  std::string reference;
  for (const double value : settings.reference) reference += fingerprint_of({format_number(value)});
  return fingerprint_of({question(), names_key(settings.metrics) + names_key(settings.maximised), settings.method,
                         options_key(settings.options), std::to_string(settings.budget), std::to_string(settings.batch),
                         reference, std::to_string(study_.seed)});
}

std::string StudyKeys::rounds() const {
  const SearchSettings& search = study_.search;
  return fingerprint_of({training(), search.method, std::to_string(search.budget), options_key(search.options),
                         format_number(search.min_feasibility), format_number(search.caution),
                         std::to_string(search.simulate), std::to_string(study_.seed)});
}

std::string StudyKeys::trade_offs() const {
  return fingerprint_of({question(), names_key(study_.pareto) + names_key(study_.pareto_maximised)});
}

std::string StudyKeys::trade_offs(const std::string& model_fingerprint) const {
  return fingerprint_of({trade_offs(), model_fingerprint, format_number(study_.search.min_feasibility),
                         format_number(study_.search.caution)});
}

std::string StudyKeys::validation(const std::string& model_fingerprint) const {
  return fingerprint_of({search(model_fingerprint), std::to_string(study_.validate_designs)});
}

}  // namespace corbel
