#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "corbel/dataset/dataset.hpp"
#include "corbel/search/direction.hpp"

namespace corbel {

class Config;
class Monitor;

/// How much the conservative terms weigh: PRIME (arXiv 2110.11346) eq. 2 and 3.
struct Conservatism {
  double alpha = 0;  ///< negatives found by a strategy on the current predictions
  double beta = 0;   ///< logged infeasible designs
  bool operator==(const Conservatism&) const = default;
};

/// Options of the learner; the defaults need no touching. `train:` in the study file. docs/surrogate.md
struct TrainingOptions {
  std::string network = "mlp";                             ///< "mlp", "attention": the published one, or "lstm"
  std::vector<std::int64_t> hidden = {256, 256};           ///< widths of the MLP, or of the others' head
  std::int64_t embedding = 64;                             ///< attention and LSTM
  std::int64_t layers = 2, heads = 8, feed_forward = 256;  ///< attention
  std::int64_t experts = 1;                                ///< heads that a vote combines
  double dropout = 0.1;                                    ///< attention
  std::int64_t steps = 1500;
  double minutes = 0;         ///< of the whole training; 0: as long as it takes. The result then depends on the machine
  std::int64_t patience = 0;  ///< a candidate ends after so many checkpoints without a better score; 0: never
  std::string optimizer = "adam";  ///< "sgd", "rmsprop"
  std::int64_t batch = 256;        ///< feasible rows per step, and as many infeasible, and as many negatives
  double learning_rate = 0;        ///< 0: default_learning_rate()
  std::int64_t ensemble = 3;       ///< members of the final model
  double trees = 0.25;             ///< share of boosted trees in the predicted objective; 0: networks alone
  bool refit = true;               ///< train the final model on the withheld rows too, once they have selected
  std::string protocol =
      "corbel";         ///< "paper": rows over a limit count as infeasible, published (unbounded, clipped)
                        ///< penalties, no feasibility output, selection by rank correlation, no trees, no refit
  std::string penalty;  ///< "hinge", "softplus", "gap", "published"; empty: hinge, published under `protocol: paper`
  std::string regression = "squared";  ///< error of the objective; "none": learnt by ranking alone
  double ranking = 0;                  ///< weight of the pairwise ranking of the objective
  std::string negatives = "firefly";   ///< strategy id, "gradient" or "mutation"
  bool keep_negatives = false;         ///< the latest 4096 stay in use, not only those of the last refresh
  std::int64_t negatives_every = 50;   ///< steps between refreshes
  /// Tried in turn and selected on withheld rows; one entry: only its checkpoint is selected.
  std::vector<Conservatism> grid = {{0, 0}, {0.01, 0.03}, {0.1, 0.1}};
  double withhold = 0.2;  ///< share of the feasible rows, the best, kept for selection
  std::int64_t checkpoint_every = 100;
  std::size_t threads = 0;     ///< 0: all cores; the result does not depend on it
  std::string device = "cpu";  ///< that the networks train on: "cuda", where LibTorch finds one
  std::uint64_t seed = 1;
  bool operator==(const TrainingOptions&) const = default;
};
/// From the `train:` node. @throws Error{invalid_input} with place and near miss
TrainingOptions training_options_from_config(const Config& config);
nlohmann::json to_json(const TrainingOptions& options);
/// Where a training starts unless told otherwise: 1e-3, for attention the published 1e-4; by SGD 100 times as much.
double default_learning_rate(const TrainingOptions& options);

/// The log that rows were drawn from at random, feasible and infeasible ones apart, where they are not all of it.
struct DrawnFrom {
  std::uint64_t rows = 0, feasible = 0, over_limit = 0;  ///< that it has
  std::uint64_t taught_as_feasible = 0;                  ///< without those over a limit under `protocol: paper`
  std::string fingerprint;                               ///< TrialLog::fingerprint()
};
/// How many rows of a class, feasible or infeasible, a training can use: its steps draw no more, and trees learn fewer.
std::uint64_t most_rows_of_a_class(const TrainingOptions& options);

/// Another workload that teaches too: the same design space and metrics, simulated or logged on another network.
struct WorkloadLog {
  const Dataset* log = nullptr;          ///< must outlive the training
  std::vector<std::uint8_t> over_limit;  ///< as TrainingTask's, of this log
  std::vector<float> context;            ///< of the size of the task's
  std::string name;                      ///< in report and model file
  std::optional<DrawnFrom> drawn_from{};
};

/// What to learn.
struct TrainingTask {
  std::string objective;                  ///< a metric of the dataset
  std::vector<std::string> also_predict;  ///< metrics that constraints read and no formula gives
  /// Per row of the dataset, whether it breaks a limit the user set; used for withholding (the best rows within the
  /// limits) and by `protocol: paper`. Empty: none does.
  std::vector<std::uint8_t> over_limit;
  /// Whether a design meets the constraints that parameters alone decide; empty: all do.
  std::function<bool(const Design&)> admits;
  Direction direction = Direction::minimise;  ///< of the objective
  std::vector<float> context;                 ///< the workload's context vector, or empty
  /// Without contexts one network has to fit all workloads alike. docs/surrogate.md, Several workloads
  std::vector<WorkloadLog> others;
  std::optional<DrawnFrom> drawn_from{};
};

/// Trains the model of the workload that `dataset` is of; with `task.others` it learns from their rows too, and
/// `dataset` may have few rows, or none. Trains one model per grid entry, selects entry and checkpoint on the withheld
/// rows by rank correlation and by how well infeasible designs are kept out, and writes the model file (safetensors)
/// atomically. Interrupted, the same call goes on from the last checkpoint in `work_folder` and ends with the same
/// model. Deterministic for a seed on one machine.
/// @return what the report shows: {"candidates": [{alpha, beta, step, kendall, infeasible_auc, score, diverged,
///         history: [{step, loss, loss_feasible, loss_ranking, loss_infeasible, loss_negatives, loss_feasibility,
///         loss_metrics, kendall, infeasible_auc, score}]}], "chosen": index, "rows": {feasible, infeasible,
///         over_limit, fitted, withheld_feasible, withheld_infeasible, and drawn where rows
///         were drawn from a larger log}, "withheld": [{"true": …, "predicted": …}],
///         "refit": bool, "errors": {metric: median relative error on the withheld rows}, "seconds": …}; numbers that
///         cannot be computed are null; all but the seconds also in the model's metadata. With other workloads also
///         "workloads": [{name, and what "rows" has of each}], a "workload" (its index there) for each of "withheld",
///         and "objective_scale": "logged", or "guessed from other workloads" where the predicted objective says which
///         design is better but not how good it is
/// @throws Error{too_little_data} for fewer than 3 feasible rows in all; Error{mismatch} for logs of different design
///         spaces or contexts of different sizes; Error{invalid_input} for a log without one of the metrics;
///         Error{interrupted}
nlohmann::json train(const Dataset& dataset, const TrainingTask& task, const TrainingOptions& options,
                     const std::filesystem::path& model_file, const std::filesystem::path& work_folder,
                     Monitor& monitor);

}  // namespace corbel
