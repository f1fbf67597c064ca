#include "corbel/surrogate/plain_network.hpp"

#include <torch/torch.h>

#include <utility>
#include <vector>

#include "corbel/surrogate/internal/loss_terms.hpp"
#include "corbel/surrogate/internal/stored_tensor.hpp"
#include "corbel/surrogate/internal/torch_network.hpp"

namespace corbel {

using torch::Tensor;

struct PlainNetwork::Data {
  TorchNetwork network;
  torch::optim::Adam optimizer;

  explicit Data(TorchNetwork its_network) : network(std::move(its_network)), optimizer(parameters()) {}

  std::vector<Tensor> parameters() const {
    std::vector<Tensor> all;
    for (const auto& [name, weight] : network.weights()) all.push_back(weight);
    return all;
  }

  Tensor loss(const Batch& batch, const LossOptions& options, bool training, Losses& values) const {
    std::vector<Design> all = batch.feasible;
    all.insert(all.end(), batch.infeasible.begin(), batch.infeasible.end());
    all.insert(all.end(), batch.negatives.begin(), batch.negatives.end());
    const Tensor out = network.forward(network.indices_of(all), {}, training);
    return total_loss(out, batch, network.spec(), options, DualVariable::start, values);
  }
};

PlainNetwork::PlainNetwork(DesignSpace space, NetworkSpec spec, const TensorMap& tensors, const std::string& prefix,
                           double dropout, AttentionForm form)
    : data_(std::make_unique<Data>(
          TorchNetwork(std::move(space), std::move(spec), tensors, prefix, torch::kCPU, form, dropout))) {}
PlainNetwork::~PlainNetwork() = default;
PlainNetwork::PlainNetwork(PlainNetwork&&) noexcept = default;

PlainNetwork::Threads::Threads(std::size_t count) {
  at::set_num_threads(static_cast<int>(count));
}
PlainNetwork::Threads::~Threads() {
  at::set_num_threads(1);
}

std::string_view PlainNetwork::linear_function() const {
  return data_->network.linear_function();
}

std::vector<float> PlainNetwork::outputs(std::span<const Design> designs, std::span<const float> gate) const {
  const c10::InferenceMode guard;
  Tensor factors;
  if (!gate.empty()) factors = torch::tensor(std::vector<float>(gate.begin(), gate.end()));
  return to_stored(data_->network.forward(data_->network.indices_of(designs), factors, false)).values;
}

Losses PlainNetwork::losses(const Batch& batch, const LossOptions& options, TensorMap* gradients) {
  Losses values;
  const Tensor total = data_->loss(batch, options, false, values);
  if (gradients == nullptr) return values;
  data_->optimizer.zero_grad();
  if (total.requires_grad()) total.backward();
  gradients->clear();
  for (const auto& [name, weight] : data_->network.weights()) {
    (*gradients)[name] = to_stored(weight.grad().defined() ? weight.grad() : torch::zeros_like(weight));
  }
  return values;
}

Losses PlainNetwork::step(const Batch& batch, const LossOptions& options, double learning_rate) {
  static_cast<torch::optim::AdamOptions&>(data_->optimizer.param_groups()[0].options()).lr(learning_rate);
  Losses values;
  data_->optimizer.zero_grad();
  const Tensor total = data_->loss(batch, options, true, values);
  if (total.requires_grad()) total.backward();
  data_->optimizer.step();
  return values;
}

}  // namespace corbel
