#include <cmath>

#include "corbel/surrogate/internal/network_functions.hpp"

namespace corbel {
namespace {

using torch::Tensor;

class PlainFunctions : public NetworkFunctions {
 public:
  Tensor look_up(const Tensor& table, const Tensor& bias, TableRows rows) override {
    const auto device = table.device();
    std::vector<std::int64_t> sums;
    for (std::size_t i = 0, entry = 0; i < rows.ends.size(); ++i) {
      for (; entry < rows.ends[i]; ++entry) sums.push_back(static_cast<std::int64_t>(i));
    }
    const Tensor index = torch::tensor(std::vector<std::int64_t>(rows.rows.begin(), rows.rows.end())).to(device);
    const Tensor added = table.index_select(0, index) * torch::tensor(rows.factors).to(device).unsqueeze(1);
    const Tensor base = bias.reshape({-1, table.size(1)});
    const auto count = static_cast<std::int64_t>(rows.ends.size());
    return base.repeat({count / base.size(0), 1}).index_add(0, torch::tensor(sums).to(device), added);
  }

  Tensor layers(const Tensor& x, const std::vector<Tensor>& weights, Activation activation) override {
    Tensor y = at::linear(x, weights[0], weights[1]);
    for (std::size_t l = 2; l < weights.size(); l += 2) {
      y = at::linear(activated(activation, y), weights[l], weights[l + 1]);
    }
    return y;
  }

  Tensor encode(const Tensor& tokens, const std::vector<Tensor>& weights, std::int64_t heads,
                const Encoder::Dropping& dropping) override {
    if (dropping.rate > 0) torch::manual_seed(dropping.seed);
    const std::int64_t n = tokens.size(0), count = tokens.size(1), embedding = tokens.size(2), size = embedding / heads;
    const auto drop = [&](const Tensor& x) { return torch::dropout(x, dropping.rate, dropping.rate > 0); };
    Tensor x = tokens;
    for (std::size_t first = 0; first < weights.size(); first += Encoder::tensors_per_layer) {
      const auto dense = [&](const Tensor& value, std::size_t tensor) {
        return at::linear(value, weights[first + tensor], weights[first + tensor + 1]);
      };
      const auto norm = [&](const Tensor& value, std::size_t tensor) {
        return torch::layer_norm(value, {embedding}, weights[first + tensor], weights[first + tensor + 1],
                                 layer_norm_epsilon);
      };
      const Tensor in = dense(x, 0).view({n, count, 3, heads, size}).permute({2, 0, 3, 1, 4});
      const Tensor logits = at::matmul(in[0], in[1].transpose(-1, -2)) / std::sqrt(static_cast<double>(size));
      const Tensor mixed = at::matmul(torch::softmax(logits, -1), in[2]);
      x = norm(x + drop(dense(mixed.transpose(1, 2).reshape({n, count, embedding}), 2)), 4);
      x = norm(x + drop(dense(torch::relu(dense(x, 6)), 8)), 10);
    }
    return x;
  }
};

}  // namespace

Tensor activated(Activation activation, const Tensor& x) {
  switch (activation) {
    case Activation::relu:
      return torch::relu(x);
    case Activation::silu:
      return torch::silu(x);
    case Activation::leaky_relu:
      break;
  }
  return torch::leaky_relu(x, leaky_slope);
}

std::unique_ptr<NetworkFunctions> make_plain_functions() {
  return std::make_unique<PlainFunctions>();
}

}  // namespace corbel
