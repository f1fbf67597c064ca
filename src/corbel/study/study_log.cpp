#include "corbel/study/study_log.hpp"

#include <fmt/format.h>

#include <string>

#include "corbel/base/monitor.hpp"
#include "corbel/study/ask_tell.hpp"
#include "corbel/study/study_trials.hpp"

namespace corbel {
namespace {

Dataset import_study_log(const StudyFile& study, const StudyKeys& keys, Store& store, Monitor& monitor) {
  // Each content of a log has trials of its own: what was corrected in it must not live on.
  ImportSpec spec = *study.import;
  spec.identity = keys.log();
  const ImportPlan plan = plan_import(spec, study.space, monitor);
  Store::GroupId group = 0;
  const ImportResult result = import_log(store, spec, plan, group, monitor);
  for (const std::string& refusal : result.refusals) monitor.message("refused: " + refusal);
  if (result.refused > result.refusals.size()) {
    monitor.message(fmt::format("refused: {} more rows", result.refused - result.refusals.size()));
  }
  store.set_note("import " + keys.log(), std::to_string(group));
  return store.read(group);
}

}  // namespace

std::optional<Dataset> read_log(const StudyFile& study, const StudyKeys& keys, const Store& store) {
  if (study.is_told()) {
    std::optional<Dataset> told = read_told(study, store);
    if (told || study.learn_from.empty()) return told;
    return Dataset{{*study.space, "told", "", "", "", study.told_metrics()}, {}, {}, {}, {""}, {}};
  }
  if (!study.import) return StudyTrials(study).read(store);
  const std::string known = store.note("import " + keys.log());
  if (known.empty() || known.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  return store.read(std::stoll(known));
}

Dataset collect_log(const StudyFile& study, const StudyKeys& keys, Store& store, Monitor& monitor) {
  if (study.import) {
    std::optional<Dataset> known = read_log(study, keys, store);
    return known ? std::move(*known) : import_study_log(study, keys, store, monitor);
  }
  const StudyTrials trials(study);
  trials.sweep(store, monitor);
  return trials.read(store).value();
}

}  // namespace corbel
