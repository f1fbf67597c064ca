#include <nlohmann/json.hpp>

#include "corbel/base/error.hpp"
#include "corbel/surrogate/trainer.hpp"

namespace corbel {

nlohmann::json train(const Dataset&, const TrainingTask&, const TrainingOptions&, const std::filesystem::path&,
                     const std::filesystem::path&, Monitor&) {
  throw Error(ErrorCode::unsupported, "this build of corbel cannot train: it was made without LibTorch",
              "build the preset `release`, or train elsewhere and copy model.safetensors and results.json");
}

}  // namespace corbel
