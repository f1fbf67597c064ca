#include <nlohmann/json.hpp>

#include "corbel/base/error.hpp"
#include "corbel/surrogate/device_kernel.hpp"
#include "corbel/surrogate/step_cost.hpp"
#include "corbel/surrogate/trainer.hpp"

namespace corbel {

nlohmann::json train(const Dataset&, const TrainingTask&, const TrainingOptions&, const std::filesystem::path&,
                     const std::filesystem::path&, Monitor&) {
  throw Error(ErrorCode::unsupported, "this build of corbel cannot train: it was made without LibTorch",
              "build the preset `release`, or train elsewhere and copy model.safetensors and results.json");
}

const ScorerKernel& device_kernel(std::string_view) {
  throw Error(ErrorCode::unsupported, "this build of corbel cannot search on a device: it was made without LibTorch",
              "use the device cpu");
}

StepCost measure_step(const StepCostOptions&, Monitor&) {
  throw Error(ErrorCode::unsupported, "this build of corbel cannot train: it was made without LibTorch",
              "build the preset `release`");
}

}  // namespace corbel
