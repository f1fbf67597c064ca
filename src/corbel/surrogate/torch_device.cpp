#include "corbel/surrogate/internal/torch_device.hpp"

#include <fmt/format.h>

#include "corbel/base/error.hpp"

namespace corbel {

torch::Device torch_device(std::string_view name) {
  if (name == "cpu") return torch::kCPU;
  if (name != "cuda") throw Error(ErrorCode::invalid_input, fmt::format("unknown device `{}`", name), "cpu or cuda");
  if (!torch::cuda::is_available()) {
    throw Error(ErrorCode::unsupported, "no device `cuda`: LibTorch finds none",
                "use the device cpu, or build corbel with a LibTorch for CUDA (CMAKE_PREFIX_PATH)");
  }
  return torch::kCUDA;
}

}  // namespace corbel
