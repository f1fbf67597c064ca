#include "corbel/study/study_log.hpp"

#include <fmt/format.h>

#include <charconv>
#include <memory>
#include <string>
#include <utility>

#include "corbel/base/monitor.hpp"
#include "corbel/study/ask_tell.hpp"
#include "corbel/study/study_trials.hpp"

namespace corbel {
namespace {

void import_study_log(const StudyFile& study, const StudyKeys& keys, Store& store, Monitor& monitor) {
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
}

std::optional<TrialLog> stored_log(const StudyFile& study, const StudyKeys& keys, std::shared_ptr<const Store> store) {
  if (study.is_told()) return told_log(study, std::move(store));
  if (!study.import) return StudyTrials(study).log(std::move(store));
  const std::string known = store->note("import " + keys.log());
  Store::GroupId group = 0;
  const char* const end = known.data() + known.size();
  const auto [read_to, error] = std::from_chars(known.data(), end, group);
  if (error != std::errc() || read_to != end) return std::nullopt;
  return TrialLog(std::move(store), group);
}

}  // namespace

std::optional<TrialLog> read_log(const StudyFile& study, const StudyKeys& keys, Monitor& monitor) {
  std::optional<Store> store = Store::if_there(study.store_location(), Store::Mode::snapshot);
  std::optional<TrialLog> log;
  if (store) log = stored_log(study, keys, std::make_shared<const Store>(std::move(*store)));
  if (log) return log->watched_by(monitor);
  if (!study.is_told() || study.learn_from.empty()) return std::nullopt;
  return TrialLog(Dataset{{*study.space, "told", "", "", "", study.told_metrics()}, {}, {}, {}, {""}, {}});
}

void collect_log(const StudyFile& study, const StudyKeys& keys, Store& store, Monitor& monitor) {
  if (!study.import) {
    StudyTrials(study).sweep(store, monitor);
  } else if (!read_log(study, keys, monitor)) {
    import_study_log(study, keys, store, monitor);
  }
}

}  // namespace corbel
