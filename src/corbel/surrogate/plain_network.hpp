#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "corbel/scorer/network_spec.hpp"
#include "corbel/scorer/safetensors.hpp"
#include "corbel/surrogate/learner.hpp"

namespace corbel {

/// How PlainNetwork writes what tokens take from each other. The result is the same.
enum class AttentionForm {
  usual,        ///< a matrix product per design and head, as torch::nn::MultiheadAttention does
  designs_last  ///< rewritten for speed: sums of products of vectors over the designs
};

/// A network of a model file in nothing but LibTorch's own functions: what the scorer and the training step are
/// compared with, in results and in speed. Not thread-safe. For one thread see Learner::SingleThread.
class PlainNetwork {
 public:
  /// @param tensors  as in a model file, those of this member named `prefix` + …; its gate is not used
  /// @param dropout  of step() alone, in the attention network
  /// @param form     of the attention network
  PlainNetwork(DesignSpace space, NetworkSpec spec, const TensorMap& tensors, const std::string& prefix,
               double dropout = 0, AttentionForm form = AttentionForm::designs_last);
  ~PlainNetwork();
  PlainNetwork(PlainNetwork&&) noexcept;

  /// Lets LibTorch use so many threads until destroyed, then one again.
  class Threads {
   public:
    explicit Threads(std::size_t count);
    ~Threads();
    Threads(const Threads&) = delete;
    Threads& operator=(const Threads&) = delete;
  };

  /// LibTorch's function for the linear layers, whichever of them is faster here: "linear", or "mkldnn_linear" where
  /// that goes to a slow BLAS.
  std::string_view linear_function() const;

  /// Raw outputs [n × outputs], all designs as one batch.
  /// @param gate  [gate_width] factors from the context, or empty
  std::vector<float> outputs(std::span<const Design> designs, std::span<const float> gate = {}) const;

  /// The loss of a batch, without dropout, and its gradient with respect to each tensor if asked for.
  Losses losses(const Batch& batch, const LossOptions& options, TensorMap* gradients = nullptr);
  /// One step of torch::optim::Adam.
  Losses step(const Batch& batch, const LossOptions& options, double learning_rate);

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

}  // namespace corbel
