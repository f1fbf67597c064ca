#pragma once

#include <string>

#include "corbel/study/study_file.hpp"

namespace corbel {

struct OnlineSettings;
struct ParetoSettings;

/// Fingerprints of what each step of a study rests on. results.json keeps those of the last run; a step whose
/// fingerprint has changed is out of date.
class StudyKeys {
 public:
  explicit StudyKeys(const StudyFile& study);

  /// The study's own log: its content, how it is read, and into which space. Studies with `import:` only.
  const std::string& log() const { return log_; }
  /// Which trials are looked at and what is asked of them: log, space, simulator, workload, objective, limits.
  std::string question() const;
  /// Which model: as question(), without the limits, with the other networks, the learner's options and the seed.
  std::string model() const;
  /// When `run` trains: model() and the limits.
  std::string training() const;
  /// For what the proposals of a model file hold: question() and the file's content.
  std::string proposals(const std::string& model_fingerprint) const;
  /// When `run` searches: proposals() and how it searches.
  std::string search(const std::string& model_fingerprint) const;
  /// Which search of the simulator: question(), the seed and all of its settings.
  std::string online(const OnlineSettings& settings) const;
  /// Which search for a Pareto front: question(), the seed and all of its settings.
  std::string front(const ParetoSettings& settings) const;
  /// Which search in rounds: model(), question() and how each round searches, but not how many there are.
  std::string rounds() const;
  /// For what a Pareto front on the simulator shows: question() and the metrics that the study trades off.
  std::string trade_offs() const;
  /// For what one on the surrogate shows: trade_offs(), the model file, and what counts as feasible.
  std::string trade_offs(const std::string& model_fingerprint) const;
  /// When `run` validates.
  std::string validation(const std::string& model_fingerprint) const;

 private:
  const StudyFile& study_;
  std::string log_, source_, limits_, others_;
};

}  // namespace corbel
