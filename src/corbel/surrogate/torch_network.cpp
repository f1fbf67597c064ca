#include "corbel/surrogate/internal/torch_network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "corbel/surrogate/internal/network_functions.hpp"
#include "corbel/surrogate/internal/stored_tensor.hpp"

namespace corbel {
namespace {

using torch::Tensor;

Tensor plain_linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return at::linear(x, weight, bias);
}

Tensor mkldnn_linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return at::mkldnn_linear(x.contiguous().to_mkldnn(), weight, bias).to_dense();
}

double seconds_of(Tensor (*linear)(const Tensor&, const Tensor&, const Tensor&)) {
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

bool mkldnn_is_faster() {
  return at::hasMKLDNN() && seconds_of(mkldnn_linear) < seconds_of(plain_linear);
}

}  // namespace

TorchNetwork::TorchNetwork(DesignSpace space, NetworkSpec spec, const TensorMap& tensors, const std::string& prefix,
                           torch::Device device, AttentionForm form, double dropout)
    : space_(std::move(space)),
      spec_(std::move(spec)),
      device_(device),
      form_(form),
      dropout_(dropout),
      linear_(device.is_cpu() && mkldnn_is_faster() ? mkldnn_linear : plain_linear) {
  for (const auto& [name, shape] : tensor_shapes(spec_, space_)) {
    if (name == "gate") continue;
    std::int64_t count = 1;
    for (const std::int64_t size : shape) count *= size;
    const Tensor values = torch::tensor(stored_values(tensors, prefix + name, count)).view(shape);
    weights_[name] = values.to(device_).requires_grad_(true);
  }
}

std::string_view TorchNetwork::linear_function() const {
  return linear_ == plain_linear ? "linear" : "mkldnn_linear";
}

Tensor TorchNetwork::indices_of(std::span<const Design> designs) const {
  const auto n = static_cast<std::int64_t>(designs.size());
  Tensor indices = torch::empty({static_cast<std::int64_t>(space_.dimensions()), n}, torch::kInt);
  auto* out = indices.data_ptr<std::int32_t>();
  for (std::size_t p = 0; p < space_.dimensions(); ++p) {
    for (const Design& design : designs) *out++ = static_cast<std::int32_t>(design[p]);
  }
  return indices;
}

Tensor TorchNetwork::dense(const Tensor& x, const std::string& name) const {
  return linear_(x, weight(name + ".weight"), weight(name + ".bias"));
}

Tensor TorchNetwork::feed_forward(const Tensor& x, const std::string& name) const {
  if (linear_ != mkldnn_linear)
    return dense(torch::relu(dense(x, name + "feed_forward.in")), name + "feed_forward.out");
  const auto layer = [&](const Tensor& value, const std::string& part) {
    return at::mkldnn_linear(value, weight(name + part + ".weight"), weight(name + part + ".bias"));
  };
  const Tensor inner = torch::relu(layer(x.to_mkldnn(), "feed_forward.in"));
  return layer(inner, "feed_forward.out").to_dense();
}

// [n, feature_count] of values of a parameter that has no table.
Tensor TorchNetwork::features(std::size_t parameter, const Tensor& indices) const {
  const std::int64_t n = indices.size(1);
  const auto* of = indices.data_ptr<std::int32_t>() + static_cast<std::int64_t>(parameter) * n;
  Tensor features = torch::empty({n, static_cast<std::int64_t>(feature_count)});
  float* row = features.data_ptr<float>();
  for (std::int64_t i = 0; i < n; ++i, row += feature_count) {
    parameter_features(space_.parameters()[parameter], static_cast<std::uint32_t>(of[i]), row);
  }
  return features.to(device_);
}

Tensor TorchNetwork::head(Tensor x, std::int64_t expert) const {
  for (std::size_t h = spec_.kind == NetworkKind::mlp ? 1 : 0; h < spec_.hidden.size(); ++h) {
    x = activated(spec_.activation, dense(x, fmt::format("{}hidden.{}", head_prefix(spec_, expert), h)));
  }
  return dense(x, head_prefix(spec_, expert) + "output");
}

// What each token takes from all others: [n · parameters, embedding] of queries, keys and values side by side.
Tensor TorchNetwork::mixed(const Tensor& in, std::int64_t n, std::int64_t count) const {
  const std::int64_t size = spec_.embedding / spec_.heads;
  const Tensor parts = in.view({n, count, 3, spec_.heads, size});
  const double scale = 1 / std::sqrt(static_cast<double>(size));
  if (form_ == AttentionForm::usual) {
    const Tensor by_head = parts.permute({2, 0, 3, 1, 4});  // [3, n, heads, count, size]
    const Tensor shares = torch::softmax(at::matmul(by_head[0] * scale, by_head[1].transpose(2, 3)), 3);
    return at::matmul(shares, by_head[2]).transpose(1, 2).reshape({n * count, spec_.embedding});
  }
  const Tensor by_token = parts.permute({2, 1, 3, 4, 0}).contiguous();  // [3, count, heads, size, n]
  const Tensor dots = (by_token[0].unsqueeze(1) * by_token[1].unsqueeze(0)).sum(3);
  const Tensor shares = torch::softmax(dots * scale, 1);
  const Tensor sums = (shares.unsqueeze(3) * by_token[2].unsqueeze(0)).sum(1);
  return sums.permute({3, 0, 1, 2}).reshape({n * count, spec_.embedding});
}

// @param x  [n, parameters, embedding] tokens
Tensor TorchNetwork::encoded(Tensor x, bool training) const {
  const std::int64_t n = x.size(0), count = x.size(1);
  const auto norm = [&](const Tensor& value, const std::string& name) {
    return torch::layer_norm(value, {spec_.embedding}, weight(name + ".weight"), weight(name + ".bias"),
                             layer_norm_epsilon);
  };
  for (std::int64_t l = 0; l < spec_.layers; ++l) {
    const std::string name = fmt::format("layer.{}.", l);
    const Tensor in = dense(x.view({n * count, spec_.embedding}), name + "attention.in");
    const Tensor change = dense(mixed(in, n, count), name + "attention.out").view({n, count, spec_.embedding});
    x = norm(x + torch::dropout(change, dropout_, training), name + "norm1");
    const Tensor second = feed_forward(x.view({n * count, spec_.embedding}), name).view({n, count, spec_.embedding});
    x = norm(x + torch::dropout(second, dropout_, training), name + "norm2");
  }
  return x.flatten(1);
}

// [n, parameters × embedding]: the LSTM's state after each token.
Tensor TorchNetwork::states(const Tensor& x) const {
  Tensor hidden = torch::zeros({x.size(0), spec_.embedding}, device_), cell = hidden;
  std::vector<Tensor> all;
  for (std::int64_t p = 0; p < x.size(1); ++p) {
    const auto gates = dense(torch::cat({x.select(1, p), hidden}, 1), "lstm").chunk(4, 1);
    cell = torch::sigmoid(gates[1]) * cell + torch::sigmoid(gates[0]) * torch::tanh(gates[2]);
    hidden = torch::sigmoid(gates[3]) * torch::tanh(cell);
    all.push_back(hidden);
  }
  return torch::cat(all, 1);
}

Tensor TorchNetwork::forward(const Tensor& indices, const Tensor& gate, bool training) const {
  const Tensor rows = indices.to(device_);
  std::vector<Tensor> parts;  // [parameters] of [n, width]
  for (std::size_t p = 0; p < space_.dimensions(); ++p) {
    const Tensor& table = weight(fmt::format("input.{}", p));
    parts.push_back(has_table(space_.parameters()[p]) ? table.index_select(0, rows[static_cast<std::int64_t>(p)])
                                                      : at::matmul(features(p, indices), table));
  }
  Tensor x;
  if (spec_.kind == NetworkKind::mlp) {
    x = weight("input.bias") + parts[0];
    for (std::size_t p = 1; p < parts.size(); ++p) x = x + parts[p];
  } else {
    const Tensor tokens = torch::stack(parts, 1) + weight("input.bias");
    x = spec_.kind == NetworkKind::attention ? encoded(tokens, training) : states(tokens);
  }
  if (gate.defined()) x = x * gate;
  if (spec_.kind == NetworkKind::mlp) x = activated(spec_.activation, x);
  if (spec_.experts == 1) return head(x, 0);
  const Tensor votes = torch::softmax(dense(x, "vote"), 1);
  Tensor out = votes.narrow(1, 0, 1) * head(x, 0);
  for (std::int64_t e = 1; e < spec_.experts; ++e) out = out + votes.narrow(1, e, 1) * head(x, e);
  return out;
}

}  // namespace corbel
