#include "corbel/scorer/predictor.hpp"

#include <fmt/format.h>

#include <utility>

#include "corbel/base/error.hpp"

namespace corbel {

Predictions Predictor::predict_range(DesignId first, std::size_t n) const {
  std::vector<Design> designs;
  Design current = space().design(first);
  for (std::size_t i = 0; i < n; ++i) {
    designs.push_back(current);
    space().advance(current);
  }
  return predict(designs);
}

ModelPredictor::ModelPredictor(Model model, std::vector<float> context) : model_(std::move(model)) {
  if (model_.context_size() == 0) return;
  if (context.size() != model_.context_size()) {
    throw Error(ErrorCode::mismatch,
                fmt::format("the model wants a workload context of {} numbers, the study's workload gives {}",
                            model_.context_size(), context.size()),
                "train again: `corbel train STUDY`");
  }
  context_ = std::move(context);
}

}  // namespace corbel
