#include "corbel/surrogate/device_kernel.hpp"

#include <torch/torch.h>

#include <algorithm>
#include <memory>

#include "corbel/scorer/member.hpp"
#include "corbel/surrogate/internal/torch_device.hpp"
#include "corbel/surrogate/internal/torch_network.hpp"

namespace corbel {
namespace {

using torch::Tensor;

class DeviceMember final : public Member {
 public:
  DeviceMember(const MemberParts& parts, torch::Device device)
      : network_(parts.space, parts.spec, parts.tensors, parts.prefix, device, AttentionForm::usual) {}

  std::unique_ptr<Workspace> workspace() const override { return std::make_unique<Workspace>(); }
  // What a call on a device costs by itself is spread over so many designs.
  std::size_t block() const override { return network_.device().is_cpu() ? 256 : 16384; }

  void evaluate(const DesignColumns& designs, std::span<const float> gate, Workspace&, float* out,
                std::size_t distance) const override {
    const c10::InferenceMode guard;
    const auto parameters = static_cast<std::int64_t>(network_.space().dimensions());
    const auto stride = static_cast<std::int64_t>(designs.stride);
    const auto groups = static_cast<std::int64_t>((designs.count + lanes - 1) / lanes);
    const auto width = static_cast<std::int64_t>(lanes);
    // Only read, and gone before the columns are.
    const Tensor indices =
        torch::from_blob(const_cast<std::uint32_t*>(designs.indices), {parameters, stride}, torch::kInt)
            .narrow(1, 0, groups * width)
            .contiguous();
    Tensor factors;
    if (!gate.empty()) factors = torch::tensor(std::vector<float>(gate.begin(), gate.end())).to(network_.device());
    const Tensor raw = network_.forward(indices, factors, false);
    const Tensor by_group = raw.view({groups, width, raw.size(1)}).transpose(1, 2).contiguous().cpu();
    const auto* from = by_group.data_ptr<float>();
    const std::int64_t size = raw.size(1) * width;
    for (std::int64_t g = 0; g < groups; ++g) {
      std::copy_n(from + g * size, size, out + g * static_cast<std::int64_t>(distance));
    }
  }

 private:
  TorchNetwork network_;
};

template <torch::DeviceType type>
std::unique_ptr<Member> make_on(const MemberParts& parts) {
  return std::make_unique<DeviceMember>(parts, torch::Device(type));
}

bool covers_everything(const NetworkSpec&, const DesignSpace&) {
  return true;
}

}  // namespace

const ScorerKernel& device_kernel(std::string_view device) {
  static constexpr ScorerKernel cpu = {"libtorch", Arithmetic::fast, covers_everything, make_on<torch::kCPU>, nullptr};
  static constexpr ScorerKernel cuda = {"cuda", Arithmetic::fast, covers_everything, make_on<torch::kCUDA>, nullptr};
  return torch_device(device).is_cpu() ? cpu : cuda;
}

}  // namespace corbel
