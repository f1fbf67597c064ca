#include <fmt/format.h>

#include <utility>

#include "corbel/base/error.hpp"
#include "corbel/base/hash.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/dataset/import.hpp"
#include "corbel/study/experiment_setup.hpp"
#include "corbel/study/recorded_table.hpp"
#include "corbel/study/simulation_domain.hpp"
#include "corbel/study/study_keys.hpp"

namespace corbel {
namespace {

std::vector<std::string> texts_of(std::span<const Constraint> constraints) {
  std::vector<std::string> texts;
  for (const Constraint& constraint : constraints) texts.push_back(constraint.text());
  return texts;
}

}  // namespace

ExperimentQuestion experiment_on_table(const std::filesystem::path& file, const std::optional<DesignSpace>& space,
                                       const Goal& objective, std::span<const Constraint> constraints, Monitor& monitor,
                                       const WorkloadSuite& workload) {
  DesignSpace searched = space ? *space : [&] {
    ImportSpec spec;
    spec.file = file;
    return plan_import(spec, std::nullopt, monitor).space;
  }();
  const auto table = std::make_shared<const RecordedTable>(file, searched, objective.metric, constraints, monitor,
                                                           objective.direction);
  ExperimentQuestion question;
  question.name = file.filename().string();
  question.source = "table";
  question.metric = objective.metric;
  question.direction = objective.direction;
  question.constraints = texts_of(constraints);
  std::string key = table->fingerprint() + searched.fingerprint() + objective.metric;
  if (objective.direction == Direction::maximise) key += "\nmaximise";
  for (const std::string& text : question.constraints) key += "\n" + text;
  question.key = fingerprint(key);
  // A design that is not in the table will not be there the next time either.
  question.objective = std::make_shared<const SimulationObjective>(
      table->question(), [table](std::span<const Design> designs) { return table->outcomes(designs); }, 0);
  question.domain = std::make_shared<const SearchDomain>(SearchDomain{
      searched,
      [objective = question.objective](const Design& design) { return objective->question().admits(design); }});
  question.optimum = table->optimum();
  question.optimum_basis = table->designs() == searched.size()
                               ? "every design of the space is recorded"
                               : fmt::format("the best of {} recorded designs", table->designs());
  StudyFile study;
  study.file = file;
  study.name = question.name;
  study.space = searched;
  study.objective = objective.metric;
  study.direction = objective.direction;
  study.objective_place = file.string();
  study.constraints.assign(constraints.begin(), constraints.end());
  study.workloads = workload;
  question.study = std::make_shared<const StudyFile>(std::move(study));
  return question;
}

ExperimentQuestion experiment_on_study(const StudyFile& study) {
  if (!study.simulator) {
    throw Error(ErrorCode::unsupported, fmt::format("{}: there is no simulator to search on", study.file.string()),
                "add `simulator:` to the study, or give a recorded table with --table FILE");
  }
  const HardwareBinding binding(*study.simulator, *study.space, study.fixed);
  ExperimentQuestion question;
  question.name = study.name;
  question.source = "simulator";
  question.metric = study.objective;
  question.direction = study.direction;
  question.constraints = texts_of(study.constraints);
  question.key = StudyKeys(study).question();
  question.objective = std::make_shared<const SimulationObjective>(
      simulated_question(study),
      [simulator = study.simulator, workloads = study.workloads, binding](std::span<const Design> designs) {
        std::vector<Hardware> hardware;
        for (const Design& design : designs) hardware.push_back(binding.hardware(design));
        return workloads.simulate(*simulator, hardware);
      });
  question.domain = std::make_shared<const SearchDomain>(simulation_domain(study, question.objective->question()));
  question.study = std::make_shared<const StudyFile>(study);
  for (const StudyFile& other : study.others()) {
    if (other.import) {
      throw Error(ErrorCode::unsupported,
                  fmt::format("{}: the logs of its other networks are imported, and an experiment draws its own",
                              study.file.string()),
                  "remove `import:` from the study and from `learn_from:`, so that all are drawn from the simulator");
    }
    question.others.push_back(experiment_on_study(other));
    question.others.back().name = other.workloads.name();
    question.others.back().rows = other.sweep_designs;
  }
  return question;
}

}  // namespace corbel
