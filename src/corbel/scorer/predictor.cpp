#include "corbel/scorer/predictor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "corbel/base/error.hpp"

namespace corbel {

Predictions Predictor::predict_range(DesignId first, std::size_t n, Arithmetic arithmetic) const {
  std::vector<Design> designs;
  Design current = space().design(first);
  for (std::size_t i = 0; i < n; ++i) {
    designs.push_back(current);
    space().advance(current);
  }
  return predict(designs, arithmetic);
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
  const nlohmann::json& metadata = model_.metadata();
  if (!metadata.contains("workloads")) return;
  try {
    for (const nlohmann::json& workload : metadata.at("workloads")) {
      if (workload.at("rows").get<double>() > 0) others_.push_back(workload.at("context").get<std::vector<float>>());
    }
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorCode::corrupt, "the model's list of workloads lacks a field or has one of the wrong kind",
                "the file is damaged: copy it again or train again");
  }
  const bool sizes_agree = std::all_of(
      others_.begin(), others_.end(), [&](const std::vector<float>& other) { return other.size() == context_.size(); });
  if (!sizes_agree) {
    throw Error(ErrorCode::corrupt, "the model's workloads have contexts of different sizes",
                "the file is damaged: copy it again or train again");
  }
  if (std::find(others_.begin(), others_.end(), context_) != others_.end()) others_.clear();
}

template <class Predict>
Predictions ModelPredictor::least_feasible(Predict&& predict) const {
  Predictions predictions = predict(context_);
  for (std::size_t k = 0; k < others_.size(); ++k) {
    const Predictions other = predict(others_[k]);
    for (std::size_t i = 0; i < other.feasibility.size(); ++i) {
      double& feasibility = predictions.feasibility[i];
      feasibility = k == 0 ? other.feasibility[i] : std::min(feasibility, other.feasibility[i]);
    }
  }
  return predictions;
}

Predictions ModelPredictor::predict(std::span<const Design> designs, Arithmetic arithmetic) const {
  return least_feasible(
      [&](const std::vector<float>& context) { return model_.predict(designs, context, arithmetic); });
}

Predictions ModelPredictor::predict_range(DesignId first, std::size_t n, Arithmetic arithmetic) const {
  return least_feasible(
      [&](const std::vector<float>& context) { return model_.predict_range(first, n, context, arithmetic); });
}

template <class Ask>
Outputs ModelPredictor::least_feasible_outputs(Ask&& ask) const {
  Outputs outputs = ask(context_);
  if (others_.empty() || outputs.logits.empty()) return outputs;
  outputs.logits.clear();
  for (const std::vector<float>& other : others_) outputs.logits.push_back(std::move(ask(other).logits.front()));
  return outputs;
}

Outputs ModelPredictor::outputs(std::span<const Design> designs, Arithmetic arithmetic) const {
  return least_feasible_outputs(
      [&](const std::vector<float>& context) { return model_.outputs(designs, context, arithmetic); });
}

Outputs ModelPredictor::outputs_range(DesignId first, std::size_t n, Arithmetic arithmetic) const {
  return least_feasible_outputs(
      [&](const std::vector<float>& context) { return model_.outputs_range(first, n, context, arithmetic); });
}

}  // namespace corbel
