#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "corbel/scorer/context_range.hpp"
#include "corbel/scorer/network_spec.hpp"
#include "corbel/scorer/safetensors.hpp"
#include "corbel/surrogate/losses.hpp"
#include "corbel/surrogate/trainer.hpp"

namespace corbel {

class Team;

/// The rows of one step. Targets are [rows × metrics] on the normalised scale, NaN where a row lacks a metric.
struct Batch {
  std::vector<Design> feasible, infeasible, negatives;
  std::vector<float> feasible_targets, infeasible_targets;
  /// Number of each design's workload; empty: all are of workload 0.
  std::vector<std::uint32_t> feasible_workloads = {}, infeasible_workloads = {}, negative_workloads = {};
};

/// The contexts of a training's workloads.
struct WorkloadContexts {
  std::vector<std::vector<float>> of = {};  ///< [workloads]; empty vectors where the network has no gate
  std::optional<ContextRange> range = {};   ///< where there are several workloads with a context: the gate of each row
                                            ///< is then that of its workload's context, and starts at 1
};

/// How a network is trained, rather than what.
struct LearnerSetup {
  std::string optimizer = "adam";        ///< or "sgd", "rmsprop"
  std::shared_ptr<Team> team = nullptr;  ///< whose threads help; without it the calling thread is alone
  std::string device = "cpu";            ///< or "cuda"
  bool plain = false;                    ///< LibTorch's own functions on the CPU, too, as on other devices
};

/// One network in training, on LibTorch. Not thread-safe, but several may train at once, each in its own thread.
/// Deterministic, whatever the number of threads: everything random is a function of the seed and the step.
class Learner {
 public:
  /// @throws Error{invalid_input} for an unknown optimizer or device, or a context that says nothing;
  ///         Error{unsupported} for a device that LibTorch does not find
  Learner(DesignSpace space, NetworkSpec spec, double dropout, const WorkloadContexts& contexts, std::uint64_t seed,
          const LearnerSetup& setup = {});
  ~Learner();
  Learner(Learner&&) noexcept;

  /// Restricts LibTorch to the calling thread, and flushes denormals there until destroyed. Small matrices gain nothing
  /// from more threads, and idle OpenMP threads spin.
  class SingleThread {
   public:
    SingleThread();
    ~SingleThread();
    SingleThread(const SingleThread&) = delete;
    SingleThread& operator=(const SingleThread&) = delete;
  };

  /// The loss, and its gradient with respect to parameters() if asked for. Without dropout.
  Losses losses(const Batch& batch, const LossOptions& options, std::vector<float>* gradient = nullptr);
  /// One step of the optimizer.
  Losses step(const Batch& batch, const LossOptions& options, double learning_rate);
  /// Raw outputs [n × outputs], without dropout.
  /// @param workloads  [n], or empty: all are of workload 0
  std::vector<float> outputs(std::span<const Design> designs, std::span<const std::uint32_t> workloads = {});

  /// What gradient descent on f comes to from each design, each parameter relaxed to a distribution over its values and
  /// rounded in the end. Each design moves by its own gradient; parameters() stay as they are. Deterministic for a
  /// seed.
  /// @return [n]; may be any design of the space
  std::vector<Design> descend(std::span<const Design> starts, std::uint64_t seed, std::uint32_t workload = 0);

  std::uint64_t steps_done() const;
  /// All parameters as one vector.
  std::vector<float> parameters() const;
  /// A vector such as a gradient under the names of the model file: of the gradient with respect to its tensors.
  /// @param values  as long as parameters()
  TensorMap by_name(std::span<const float> values) const;
  void set_parameters(std::span<const float> values);
  const DualVariable& dual() const;  ///< weight of the gap, where that is the penalty
  bool is_finite() const;

  /// Everything needed to go on, as tensors.
  TensorMap save() const;
  /// @throws Error{corrupt} if it is not the state of such a network
  void load(const TensorMap& state, std::uint64_t steps_done);

  /// Adds the tensors of the model file, named prefix + …, for the parameters as they stand.
  /// @param feasibility_shift  added to the feasibility logit
  /// @param objective          from f to the normalised objective
  void export_tensors(const std::string& prefix, double feasibility_shift, TensorMap& out,
                      const AffineMap& objective = {}) const;

  /// The factor that the model file stores for the context.
  static double context_scale(std::span<const float> context);

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

}  // namespace corbel
