#include "corbel/surrogate/plain_network.hpp"

#include <fmt/format.h>
#include <torch/torch.h>

#include <chrono>
#include <cmath>
#include <map>

#include "corbel/surrogate/internal/loss_terms.hpp"
#include "corbel/surrogate/internal/network_functions.hpp"
#include "corbel/surrogate/internal/stored_tensor.hpp"

namespace corbel {
namespace {

using torch::Tensor;

using Linear = Tensor (*)(const Tensor& x, const Tensor& weight, const Tensor& bias);

Tensor plain_linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return at::linear(x, weight, bias);
}

Tensor mkldnn_linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return at::mkldnn_linear(x.contiguous().to_mkldnn(), weight, bias).to_dense();
}

double seconds_of(Linear linear) {
  torch::NoGradGuard no_gradient;
  const Tensor x = torch::ones({512, 64}), weight = torch::ones({64, 64}), bias = torch::ones({64});
  double best = 1e9;
  for (int i = 0; i < 4; ++i) {
    const auto start = std::chrono::steady_clock::now();
    linear(x, weight, bias);
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

Linear faster_linear() {
  if (!at::hasMKLDNN()) return plain_linear;
  return seconds_of(mkldnn_linear) < seconds_of(plain_linear) ? mkldnn_linear : plain_linear;
}

}  // namespace

struct PlainNetwork::Data {
  DesignSpace space;
  NetworkSpec spec;
  double dropout;
  AttentionForm form;
  Linear linear = faster_linear();
  std::map<std::string, Tensor, std::less<>> weights;
  std::unique_ptr<torch::optim::Adam> optimizer;

  Data(DesignSpace its_space, NetworkSpec its_spec, double its_dropout, AttentionForm its_form)
      : space(std::move(its_space)), spec(std::move(its_spec)), dropout(its_dropout), form(its_form) {}

  const Tensor& weight(std::string_view name) const { return weights.find(name)->second; }

  Tensor dense(const Tensor& x, const std::string& name) const {
    return linear(x, weight(name + ".weight"), weight(name + ".bias"));
  }

  Tensor feed_forward(const Tensor& x, const std::string& name) const {
    if (linear != mkldnn_linear)
      return dense(torch::relu(dense(x, name + "feed_forward.in")), name + "feed_forward.out");
    const auto layer = [&](const Tensor& value, const std::string& part) {
      return at::mkldnn_linear(value, weight(name + part + ".weight"), weight(name + part + ".bias"));
    };
    const Tensor inner = torch::relu(layer(x.to_mkldnn(), "feed_forward.in"));
    return layer(inner, "feed_forward.out").to_dense();
  }

  // [n, width]
  Tensor contribution(std::size_t parameter, std::span<const Design> designs) const {
    const Parameter& of = space.parameters()[parameter];
    const Tensor& table = weight(fmt::format("input.{}", parameter));
    const auto n = static_cast<std::int64_t>(designs.size());
    if (has_table(of)) {
      Tensor rows = torch::empty({n}, torch::kLong);
      for (std::int64_t i = 0; i < n; ++i) {
        rows.data_ptr<std::int64_t>()[i] = designs[static_cast<std::size_t>(i)][parameter];
      }
      return table.index_select(0, rows);
    }
    Tensor features = torch::empty({n, static_cast<std::int64_t>(feature_count)});
    float* row = features.data_ptr<float>();
    for (const Design& design : designs) {
      parameter_features(of, design[parameter], row);
      row += feature_count;
    }
    return at::matmul(features, table);
  }

  Tensor head(Tensor x, std::int64_t expert) const {
    for (std::size_t h = spec.kind == NetworkKind::mlp ? 1 : 0; h < spec.hidden.size(); ++h) {
      x = activated(spec.activation, dense(x, fmt::format("{}hidden.{}", head_prefix(spec, expert), h)));
    }
    return dense(x, head_prefix(spec, expert) + "output");
  }

  // [n, parameters, embedding]
  Tensor tokens(std::span<const Design> designs) const {
    std::vector<Tensor> parts;
    for (std::size_t p = 0; p < space.dimensions(); ++p) parts.push_back(contribution(p, designs));
    return torch::stack(parts, 1) + weight("input.bias");
  }

  // What each token takes from all others: [n · parameters, embedding] of queries, keys and values side by side.
  Tensor mixed(const Tensor& in, std::int64_t n, std::int64_t count) const {
    const std::int64_t size = spec.embedding / spec.heads;
    const Tensor parts = in.view({n, count, 3, spec.heads, size});
    const double scale = 1 / std::sqrt(static_cast<double>(size));
    if (form == AttentionForm::usual) {
      const Tensor by_head = parts.permute({2, 0, 3, 1, 4});  // [3, n, heads, count, size]
      const Tensor shares = torch::softmax(at::matmul(by_head[0] * scale, by_head[1].transpose(2, 3)), 3);
      return at::matmul(shares, by_head[2]).transpose(1, 2).reshape({n * count, spec.embedding});
    }
    const Tensor by_token = parts.permute({2, 1, 3, 4, 0}).contiguous();  // [3, count, heads, size, n]
    const Tensor dots = (by_token[0].unsqueeze(1) * by_token[1].unsqueeze(0)).sum(3);
    const Tensor shares = torch::softmax(dots * scale, 1);
    const Tensor sums = (shares.unsqueeze(3) * by_token[2].unsqueeze(0)).sum(1);
    return sums.permute({3, 0, 1, 2}).reshape({n * count, spec.embedding});
  }

  Tensor encoded(std::span<const Design> designs, bool training) const {
    Tensor x = tokens(designs);
    const std::int64_t n = x.size(0), count = x.size(1);
    const auto norm = [&](const Tensor& value, const std::string& name) {
      return torch::layer_norm(value, {spec.embedding}, weight(name + ".weight"), weight(name + ".bias"),
                               layer_norm_epsilon);
    };
    for (std::int64_t l = 0; l < spec.layers; ++l) {
      const std::string name = fmt::format("layer.{}.", l);
      const Tensor in = dense(x.view({n * count, spec.embedding}), name + "attention.in");
      const Tensor change = dense(mixed(in, n, count), name + "attention.out").view({n, count, spec.embedding});
      x = norm(x + torch::dropout(change, dropout, training), name + "norm1");
      const Tensor second = feed_forward(x.view({n * count, spec.embedding}), name).view({n, count, spec.embedding});
      x = norm(x + torch::dropout(second, dropout, training), name + "norm2");
    }
    return x.flatten(1);
  }

  // [n, parameters × embedding]: the LSTM's state after each token.
  Tensor states(std::span<const Design> designs) const {
    const Tensor x = tokens(designs);
    Tensor hidden = torch::zeros({x.size(0), spec.embedding}), cell = hidden;
    std::vector<Tensor> all;
    for (std::int64_t p = 0; p < x.size(1); ++p) {
      const auto gates = dense(torch::cat({x.select(1, p), hidden}, 1), "lstm").chunk(4, 1);
      cell = torch::sigmoid(gates[1]) * cell + torch::sigmoid(gates[0]) * torch::tanh(gates[2]);
      hidden = torch::sigmoid(gates[3]) * torch::tanh(cell);
      all.push_back(hidden);
    }
    return torch::cat(all, 1);
  }

  // @param gate  [gate_width], or undefined
  Tensor forward(std::span<const Design> designs, const Tensor& gate, bool training) const {
    Tensor x;
    if (spec.kind == NetworkKind::attention) {
      x = encoded(designs, training);
    } else if (spec.kind == NetworkKind::lstm) {
      x = states(designs);
    } else {
      x = weight("input.bias") + contribution(0, designs);
      for (std::size_t p = 1; p < space.dimensions(); ++p) x = x + contribution(p, designs);
    }
    if (gate.defined()) x = x * gate;
    if (spec.kind == NetworkKind::mlp) x = activated(spec.activation, x);
    if (spec.experts == 1) return head(x, 0);
    const Tensor votes = torch::softmax(dense(x, "vote"), 1);
    Tensor out = votes.narrow(1, 0, 1) * head(x, 0);
    for (std::int64_t e = 1; e < spec.experts; ++e) out = out + votes.narrow(1, e, 1) * head(x, e);
    return out;
  }

  Tensor loss(const Batch& batch, const LossOptions& options, bool training, Losses& values) const {
    std::vector<Design> all = batch.feasible;
    all.insert(all.end(), batch.infeasible.begin(), batch.infeasible.end());
    all.insert(all.end(), batch.negatives.begin(), batch.negatives.end());
    return total_loss(forward(all, {}, training), batch, spec, options, DualVariable::start, values);
  }
};

PlainNetwork::PlainNetwork(DesignSpace space, NetworkSpec spec, const TensorMap& tensors, const std::string& prefix,
                           double dropout, AttentionForm form)
    : data_(std::make_unique<Data>(std::move(space), std::move(spec), dropout, form)) {
  std::vector<Tensor> parameters;
  for (const auto& [name, shape] : tensor_shapes(data_->spec, data_->space)) {
    if (name == "gate") continue;
    std::int64_t count = 1;
    for (const std::int64_t size : shape) count *= size;
    const Tensor weight = torch::tensor(stored_values(tensors, prefix + name, count)).view(shape).requires_grad_(true);
    data_->weights[name] = weight;
    parameters.push_back(weight);
  }
  data_->optimizer = std::make_unique<torch::optim::Adam>(parameters);
}
PlainNetwork::~PlainNetwork() = default;
PlainNetwork::PlainNetwork(PlainNetwork&&) noexcept = default;

PlainNetwork::Threads::Threads(std::size_t count) {
  at::set_num_threads(static_cast<int>(count));
}
PlainNetwork::Threads::~Threads() {
  at::set_num_threads(1);
}

std::string_view PlainNetwork::linear_function() const {
  return data_->linear == plain_linear ? "linear" : "mkldnn_linear";
}

std::vector<float> PlainNetwork::outputs(std::span<const Design> designs, std::span<const float> gate) const {
  const c10::InferenceMode guard;
  Tensor factors;
  if (!gate.empty()) factors = torch::tensor(std::vector<float>(gate.begin(), gate.end()));
  return to_stored(data_->forward(designs, factors, false)).values;
}

Losses PlainNetwork::losses(const Batch& batch, const LossOptions& options, TensorMap* gradients) {
  Losses values;
  const Tensor total = data_->loss(batch, options, false, values);
  if (gradients == nullptr) return values;
  data_->optimizer->zero_grad();
  if (total.requires_grad()) total.backward();
  gradients->clear();
  for (const auto& [name, weight] : data_->weights) {
    (*gradients)[name] = to_stored(weight.grad().defined() ? weight.grad() : torch::zeros_like(weight));
  }
  return values;
}

Losses PlainNetwork::step(const Batch& batch, const LossOptions& options, double learning_rate) {
  static_cast<torch::optim::AdamOptions&>(data_->optimizer->param_groups()[0].options()).lr(learning_rate);
  Losses values;
  data_->optimizer->zero_grad();
  const Tensor total = data_->loss(batch, options, true, values);
  if (total.requires_grad()) total.backward();
  data_->optimizer->step();
  return values;
}

}  // namespace corbel
