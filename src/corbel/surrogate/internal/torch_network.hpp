#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "corbel/scorer/network_spec.hpp"
#include "corbel/scorer/safetensors.hpp"
#include "corbel/surrogate/plain_network.hpp"

namespace corbel {

/// A network of a model file in nothing but LibTorch's own functions, on any device.
class TorchNetwork {
 public:
  /// @param tensors  as in a model file, those of this member named `prefix` + …; its gate is not used
  TorchNetwork(DesignSpace space, NetworkSpec spec, const TensorMap& tensors, const std::string& prefix,
               torch::Device device, AttentionForm form, double dropout = 0);

  const DesignSpace& space() const { return space_; }
  const NetworkSpec& spec() const { return spec_; }
  torch::Device device() const { return device_; }
  /// By their names in a model file.
  const std::map<std::string, torch::Tensor, std::less<>>& weights() const { return weights_; }
  /// LibTorch's function for the linear layers: "linear", or "mkldnn_linear" on a CPU where the other goes to a slow
  /// BLAS.
  std::string_view linear_function() const;

  /// [parameters, n] indices of the parameters' values in each design, as forward() wants them.
  torch::Tensor indices_of(std::span<const Design> designs) const;
  /// Raw outputs [n, outputs].
  /// @param indices   [parameters, n] int32, on the CPU
  /// @param gate      [gate_width] factors from the context, or undefined
  /// @param training  whether dropout acts
  torch::Tensor forward(const torch::Tensor& indices, const torch::Tensor& gate, bool training) const;

 private:
  using Linear = torch::Tensor (*)(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias);

  const torch::Tensor& weight(std::string_view name) const { return weights_.find(name)->second; }
  torch::Tensor dense(const torch::Tensor& x, const std::string& name) const;
  torch::Tensor feed_forward(const torch::Tensor& x, const std::string& name) const;
  torch::Tensor mixed(const torch::Tensor& in, std::int64_t n, std::int64_t count) const;
  torch::Tensor encoded(torch::Tensor x, bool training) const;
  torch::Tensor states(const torch::Tensor& x) const;
  torch::Tensor head(torch::Tensor x, std::int64_t expert) const;
  torch::Tensor features(std::size_t parameter, const torch::Tensor& indices) const;

  DesignSpace space_;
  NetworkSpec spec_;
  torch::Device device_;
  AttentionForm form_;
  double dropout_;
  Linear linear_;
  std::map<std::string, torch::Tensor, std::less<>> weights_;
};

}  // namespace corbel
