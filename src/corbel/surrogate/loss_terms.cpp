#include "corbel/surrogate/internal/loss_terms.hpp"

#include <algorithm>

namespace corbel {
namespace {

using torch::Tensor;

Tensor masked_mean(const Tensor& values, const Tensor& mask) {
  return (values * mask).sum() / mask.sum().clamp_min(1.0);
}

// Rows that are compared with each other: beyond that pairs cost more than the network.
constexpr std::int64_t most_compared = 512;

// log(1 + exp(f_i − f_j)) over the pairs whose true order is y_i < y_j: RankNet (Burges et al. 2005), eq. 3. Pairs are
// of one workload: between two of them nobody has to choose.
Tensor ranking_loss(const Tensor& f, const Tensor& target, const std::vector<std::uint32_t>& workloads) {
  const Tensor workload = torch::tensor(std::vector<std::int64_t>(workloads.begin(), workloads.end())).to(f.device());
  Tensor sum = torch::zeros({}, f.options()), pairs = sum;
  for (std::int64_t first = 0; first < f.size(0); first += most_compared) {
    const std::int64_t count = std::min(most_compared, f.size(0) - first);
    const Tensor of = f.narrow(0, first, count), y = target.narrow(0, first, count);
    // A comparison with NaN is false: rows without the objective are in no pair.
    Tensor is_pair = y.unsqueeze(1) < y.unsqueeze(0);
    if (!workloads.empty()) {
      const Tensor its = workload.narrow(0, first, count);
      is_pair = is_pair.logical_and(its.unsqueeze(1) == its.unsqueeze(0));
    }
    const Tensor ordered = is_pair.to(torch::kFloat);
    sum = sum + (torch::softplus(of.unsqueeze(1) - of.unsqueeze(0)) * ordered).sum();
    pairs = pairs + ordered.sum();
  }
  return sum / pairs.clamp_min(1.0);
}

std::vector<float> numbers(const Tensor& tensor) {
  const Tensor source = tensor.detach().cpu().contiguous();
  return {source.data_ptr<float>(), source.data_ptr<float>() + source.numel()};
}

Tensor penalty(Penalty form, const Tensor& predicted, double level) {
  switch (form) {
    case Penalty::published:
      return -predicted.clamp(-published_clip, published_clip).mean();
    case Penalty::softplus:
      return torch::softplus(level - predicted).mean();
    case Penalty::hinge:
    case Penalty::gap:  // has no term for infeasible designs of its own
      break;
  }
  return torch::relu(level - predicted).mean();
}

}  // namespace

Tensor total_loss(const Tensor& out, const Batch& batch, const NetworkSpec& spec, const LossOptions& options,
                  double dual, Losses& values) {
  const auto feasible = static_cast<std::int64_t>(batch.feasible.size());
  const auto infeasible = static_cast<std::int64_t>(batch.infeasible.size());
  const auto negatives = static_cast<std::int64_t>(batch.negatives.size());
  Tensor f = out.select(1, 0);

  std::vector<float> wanted = batch.feasible_targets;
  wanted.insert(wanted.end(), batch.infeasible_targets.begin(), batch.infeasible_targets.end());
  const Tensor target = torch::tensor(wanted).view({feasible + infeasible, spec.metrics}).to(out.device());
  const Tensor known = torch::isfinite(target).to(torch::kFloat);
  const Tensor error =
      (out.narrow(0, 0, feasible + infeasible).narrow(1, 0, spec.metrics) - torch::nan_to_num(target)).square();
  Tensor total = torch::zeros({}, out.options());
  const auto add = [&](const Tensor& term, double weight, double& value) {
    value = term.item<double>();
    if (weight != 0) total = total + weight * term;
  };
  if (options.squared_error) add(masked_mean(error.select(1, 0), known.select(1, 0)), 1, values.feasible);
  const Tensor feasible_target = target.select(1, 0).narrow(0, 0, feasible).contiguous();
  if (options.ranking > 0)
    add(ranking_loss(f.narrow(0, 0, feasible), feasible_target, batch.feasible_workloads), options.ranking,
        values.ranking);
  if (spec.metrics > 1) {
    const std::int64_t others = spec.metrics - 1;
    add(masked_mean(error.narrow(1, 1, others), known.narrow(1, 1, others)), 1, values.metrics);
  }
  if (spec.feasibility) {
    const Tensor logit = out.select(1, spec.metrics);
    // log(1 + exp(−z)) for feasible rows and log(1 + exp(z)) for the others, each class with the same weight.
    Tensor term = torch::zeros({}, out.options());
    if (feasible > 0) term = term + 0.5 * torch::softplus(-logit.narrow(0, 0, feasible)).mean();
    if (infeasible > 0) term = term + 0.5 * torch::softplus(logit.narrow(0, feasible, infeasible)).mean();
    add(term, 1, values.feasibility);
  }
  if (!options.squared_error) {
    // The penalties' levels are of the targets' scale, which a ranking does not keep to: it would evade them by a shift
    // of all predictions. So they see the scale that the feasible rows of the batch have now.
    const AffineMap map = fit_affine(numbers(f.narrow(0, 0, feasible)), numbers(feasible_target));
    f = f * map.slope + map.offset;
  }
  if (infeasible > 0) {
    add(penalty(options.penalty, f.narrow(0, feasible, infeasible), options.infeasible_level), options.weights.beta,
        values.infeasible);
  }
  if (negatives > 0) {
    const Tensor of_negatives = f.narrow(0, feasible + infeasible, negatives);
    if (options.penalty != Penalty::gap) {
      add(penalty(options.penalty, of_negatives, options.negative_level), options.weights.alpha, values.negatives);
    } else if (feasible > 0) {
      const Tensor gap = f.narrow(0, 0, feasible).mean() - of_negatives.mean();
      // The dual variable takes hundreds of steps to fall; f must not be driven away meanwhile.
      const Tensor bounded = gap.clamp_min(-DualVariable::allowed_gap);
      add(bounded, options.weights.alpha > 0 ? dual : 0, values.negatives);
      values.negatives = gap.item<double>();
    }
  }
  values.total = total.item<double>();
  return total;
}

}  // namespace corbel
