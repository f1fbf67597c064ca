#pragma once

#include <torch/torch.h>

#include "corbel/scorer/network_spec.hpp"
#include "corbel/surrogate/learner.hpp"

namespace corbel {

/// The loss of a batch, and its terms.
/// @param out   raw outputs [rows × outputs]: the batch's feasible designs, its infeasible ones, its negatives
/// @param dual  weight of the gap, where that is the penalty
/// @param values  of the terms; with Penalty::gap the negatives' is the gap
torch::Tensor total_loss(const torch::Tensor& out, const Batch& batch, const NetworkSpec& spec,
                         const LossOptions& options, double dual, Losses& values);

}  // namespace corbel
