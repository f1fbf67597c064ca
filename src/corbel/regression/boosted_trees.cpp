#include "corbel/regression/boosted_trees.hpp"

#include <fmt/format.h>
#include <xgboost/c_api.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "corbel/base/error.hpp"

namespace corbel {

namespace {

// XGBoost learns 32-bit numbers.
std::vector<float> floats(std::span<const double> values) {
  std::vector<float> out(values.size());
  std::transform(values.begin(), values.end(), out.begin(), [](double value) { return static_cast<float>(value); });
  return out;
}

void check(int code) {
  if (code == 0) return;
  const std::string report = XGBGetLastError();
  throw Error(ErrorCode::tool_failure, "XGBoost: " + report.substr(0, report.find('\n')));
}

// NumPy's array interface, which is how XGBoost takes memory.
std::string array_interface(const std::vector<float>& values, std::size_t rows, std::size_t columns) {
  return fmt::format(R"({{"data":[{},true],"shape":[{},{}],"typestr":"<f4","version":3}})",
                     reinterpret_cast<std::uintptr_t>(values.data()), rows, columns);
}

class Data {
 public:
  Data(const Matrix& features, std::span<const float> targets) {
    const std::vector<float> values = floats(features.values());
    check(XGDMatrixCreateFromDense(array_interface(values, features.rows(), features.columns()).c_str(),
                                   R"({"missing":NaN,"nthread":1})", &handle_));
    check(XGDMatrixSetFloatInfo(handle_, "label", targets.data(), targets.size()));
  }
  ~Data() { XGDMatrixFree(handle_); }
  Data(const Data&) = delete;
  Data& operator=(const Data&) = delete;
  DMatrixHandle get() const { return handle_; }

 private:
  DMatrixHandle handle_ = nullptr;
};

// Node `at` of a tree that XGBoost wrote down, and all below it.
void add_node(const nlohmann::json& written, std::size_t at, double scale, RegressionTree& tree) {
  if (written.contains("leaf")) {
    tree.nodes[at].value = written.at("leaf").get<double>() * scale;
    return;
  }
  // The name of a column without one is "f" and its number.
  tree.nodes[at].feature = std::stoi(written.at("split").get<std::string>().substr(1));
  tree.nodes[at].threshold = written.at("split_condition").get<float>();
  const std::size_t left = tree.nodes.size();
  tree.nodes[at].left = static_cast<std::uint32_t>(left);
  tree.nodes.resize(left + 2);
  for (const nlohmann::json& child : written.at("children")) {
    const bool is_left = child.at("nodeid") == written.at("yes");
    add_node(child, is_left ? left : left + 1, scale, tree);
  }
}

}  // namespace

BoostedTreesOptions trees_for_logs(std::uint64_t seed) {
  BoostedTreesOptions options;
  options.rounds = 400;
  options.depth = 6;
  options.learning_rate = 0.05;
  options.row_share = 0.8;
  options.column_share = 0.8;
  options.seed = seed;
  return options;
}

class BoostedTrees::Booster {
 public:
  Booster(const BoostedTreesOptions& options, const Data& data, double base) {
    const DMatrixHandle handles[] = {data.get()};
    check(XGBoosterCreate(handles, 1, &handle_));
    const std::pair<const char*, std::string> parameters[] = {
        {"verbosity", "0"},
        {"nthread", "1"},
        {"tree_method", "hist"},
        {"max_bin", "64"},
        {"disable_default_eval_metric", "1"},
        {"objective", options.probability ? "binary:logistic" : "reg:squarederror"},
        {"base_score", fmt::format("{}", base)},
        {"max_depth", fmt::format("{}", options.depth)},
        {"eta", fmt::format("{}", options.learning_rate)},
        {"subsample", fmt::format("{}", options.row_share)},
        {"colsample_bytree", fmt::format("{}", options.column_share)},
        {"lambda", fmt::format("{}", options.regularization)},
        // Its seed is a signed 32-bit number.
        {"seed", fmt::format("{}", options.seed & 0x7fffffff)},
        // Else the draws of a tree depend on what this thread fitted before.
        {"seed_per_iteration", "1"},
    };
    for (const auto& [name, value] : parameters) check(XGBoosterSetParam(handle_, name, value.c_str()));
    for (int i = 0; i < options.rounds; ++i) check(XGBoosterUpdateOneIter(handle_, i, data.get()));
  }
  ~Booster() { XGBoosterFree(handle_); }
  Booster(const Booster&) = delete;
  Booster& operator=(const Booster&) = delete;

  /// @return [rows], valid until the next call of this thread
  std::span<const float> predict(const Matrix& features) const {
    const std::vector<float> values = floats(features.values());
    const bst_ulong* shape = nullptr;
    bst_ulong dimensions = 0;
    const float* result = nullptr;
    check(XGBoosterPredictFromDense(
        handle_, array_interface(values, features.rows(), features.columns()).c_str(),
        R"({"type":0,"iteration_begin":0,"iteration_end":0,"strict_shape":false,"cache_id":0,"missing":NaN})", nullptr,
        &shape, &dimensions, &result));
    return {result, features.rows()};
  }

  /// A text of JSON for each tree.
  std::vector<std::string> dump() const {
    bst_ulong count = 0;
    const char** texts = nullptr;
    check(XGBoosterDumpModelEx(handle_, "", 0, "json", &count, &texts));
    return {texts, texts + count};
  }

 private:
  BoosterHandle handle_ = nullptr;
};

void BoostedTrees::fit(const Matrix& features, std::span<const double> targets) {
  check_examples(features, targets);
  const auto count = static_cast<double>(targets.size());
  double mean = 0, deviation = 0;
  for (const double target : targets) mean += target / count;
  for (const double target : targets) deviation += (target - mean) * (target - mean) / count;
  deviation = std::sqrt(deviation);
  std::vector<float> labels(targets.size());
  double base = 0, shift = 0, scale = 1;
  if (options_.probability) {
    for (std::size_t i = 0; i < targets.size(); ++i) {
      if (targets[i] != 0 && targets[i] != 1)
        throw Error(ErrorCode::invalid_input, fmt::format("the target of row {} is {}, not 0 or 1", i, targets[i]));
      labels[i] = static_cast<float>(targets[i]);
    }
    // Laplace's rule of succession keeps it off 0 and 1.
    base = (mean * count + 1) / (count + 2);
  } else {
    // Whatever the unit, the library's 32 bits and its penalty see numbers around 1.
    shift = mean;
    if (deviation > 0 && std::isfinite(deviation)) scale = deviation;
    for (std::size_t i = 0; i < targets.size(); ++i) labels[i] = static_cast<float>((targets[i] - shift) / scale);
  }
  booster_ = std::make_shared<const Booster>(options_, Data(features, labels), base);
  base_ = base;
  shift_ = shift;
  scale_ = scale;
}

void BoostedTrees::predict(const Matrix& features, std::span<double> out) const {
  assert(booster_ && out.size() == features.rows());
  if (out.empty()) return;
  const std::span<const float> values = booster_->predict(features);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = values[i] * scale_ + shift_;
}

RegressionTrees BoostedTrees::trees() const {
  assert(booster_);
  RegressionTrees learnt;
  learnt.base = options_.probability ? std::log(base_ / (1 - base_)) : base_ * scale_ + shift_;
  for (const std::string& text : booster_->dump()) {
    learnt.trees.emplace_back().nodes.resize(1);
    add_node(nlohmann::json::parse(text), 0, scale_, learnt.trees.back());
  }
  return learnt;
}

}  // namespace corbel
