#pragma once

#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>

#include "corbel/dataset/trial_log.hpp"
#include "corbel/scorer/predictor.hpp"
#include "corbel/study/study_file.hpp"
#include "corbel/study/surrogate_objective.hpp"
#include "corbel/surrogate/trainer.hpp"

namespace corbel {

/// Rows that a surrogate is taught.
struct TaughtRows {
  Dataset rows;
  std::optional<DrawnFrom> drawn_from{};  ///< nothing: they are all of the log
};
/// All rows of a study's log, or as many of each class as the training can use, drawn at random. Deterministic for the
/// study's seed, whatever order the trials were simulated in.
TaughtRows taught_rows(const StudyFile& study, const TrialLog& log);

/// Another network of a study that learns from several.
struct OtherTrials {
  StudyFile study;  ///< as StudyFile::others() gives it
  TaughtRows taught;
};

/// What a study's surrogate is to learn from its trials: the objective, every metric that a limit or the Pareto front
/// reads and no formula gives, and which rows break a limit.
/// @param others  must outlive the task
/// @throws Error{invalid_input} with the place for a metric that the trials do not have
TrainingTask training_task(const StudyFile& study, const TaughtRows& taught, std::span<const OtherTrials> others = {});

/// What was learnt as the objective of the study's search.
/// @param errors  relative error of each metric on rows that were not learnt, NaN where it is not known: predicted
///                metrics stay inside their limits by StudyFile::search.caution times as much
/// @throws as SurrogateObjective
SurrogateObjective make_surrogate(const StudyFile& study, std::shared_ptr<const Predictor> predictor,
                                  const std::map<std::string, double>& errors);
/// The same of a trained model.
/// @param report  what train() returned. @throws also as ModelPredictor
SurrogateObjective make_surrogate(const StudyFile& study, Model model, const nlohmann::json& report);

/// Rank correlation of the chosen candidate on the rows withheld from its training; NaN where there were none.
/// @param report  what train() returned
double withheld_kendall(const nlohmann::json& report);

}  // namespace corbel
