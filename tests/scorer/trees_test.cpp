#include "corbel/scorer/trees.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "corbel/base/error.hpp"
#include "corbel/regression/matrix.hpp"
#include "scorer_testing.hpp"

namespace corbel::test {
namespace {

struct Learnt {
  DesignSpace space = mixed_space();
  DesignFeatures features{space};
  std::vector<Design> designs;
  Matrix rows{features.columns()};
  BoostedTrees booster;

  Learnt() {
    Rng rng(1);
    std::vector<double> targets, row(features.columns());
    for (int i = 0; i < 400; ++i) {
      designs.push_back(space.random(rng));
      const Design& x = designs.back();
      features.write(x, row);
      rows.append(row);
      targets.push_back(x[0] * (x[1] == 1 ? 3.0 : -1.0) + x[2] * x[3] + std::sin(x[4] / 900.0) + 100);
    }
    booster.fit(rows, targets);
  }
  TensorMap tensors() const { return Trees::tensors(space, features, booster.trees()); }
};

TEST(Trees, SayOnDesignsWhatTheBoosterSaysOnTheirFeatures) {
  const Learnt learnt;
  const Trees trees(learnt.space, learnt.tensors());
  std::vector<double> wanted(learnt.designs.size());
  learnt.booster.predict(learnt.rows, wanted);
  std::vector<float> values(learnt.designs.size());
  trees.evaluate(learnt.designs, values.data());
  double least = 1e9, most = -1e9;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_NEAR(values[i], wanted[i], 1e-3) << i;
    least = std::min(least, wanted[i]);
    most = std::max(most, wanted[i]);
  }
  EXPECT_GT(most - least, 5);
  // Also where no row was fitted.
  Rng rng(2);
  std::vector<double> row(learnt.features.columns());
  for (int i = 0; i < 200; ++i) {
    const Design design = learnt.space.random(rng);
    Matrix one(learnt.features.columns());
    learnt.features.write(design, row);
    one.append(row);
    double value = 0;
    learnt.booster.predict(one, {&value, 1});
    float found = 0;
    trees.evaluate({&design, 1}, &found);
    EXPECT_NEAR(found, value, 1e-3);
  }
}

TEST(Trees, RefuseTensorsThatAreNoTrees) {
  const Learnt learnt;
  const auto refused = [&](const std::string& part, const std::function<void(TensorMap&)>& damage) {
    TensorMap tensors = learnt.tensors();
    damage(tensors);
    try {
      Trees(learnt.space, tensors);
      ADD_FAILURE() << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::corrupt);
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  const auto node = [](TensorMap& tensors, std::size_t i, std::size_t column) -> float& {
    return tensors.find(Trees::nodes_name)->second.values[i * 4 + column];
  };
  // Node 0 is the leaf that all start from, node 1 the root of the first tree.
  refused("lack the tensor `trees.nodes`", [](TensorMap& t) { t.erase(t.find(Trees::nodes_name)); });
  refused("another shape", [](TensorMap& t) { t.find(Trees::nodes_name)->second.shape = {4, 100}; });
  refused("the parameter 5", [&](TensorMap& t) { node(t, 1, 0) = 5; });
  refused("the parameter 0.5", [&](TensorMap& t) { node(t, 1, 0) = 0.5F; });
  refused("the parameter -2", [&](TensorMap& t) { node(t, 1, 0) = -2; });
  refused("the threshold -1", [&](TensorMap& t) { node(t, 1, 1) = -1; });
  refused("the threshold inf", [&](TensorMap& t) { node(t, 1, 1) = std::numeric_limits<float>::infinity(); });
  refused("children of another", [&](TensorMap& t) { node(t, 1, 2) = 1; });
  refused("the node nan", [&](TensorMap& t) { node(t, 1, 2) = std::nanf(""); });
  refused("the root 1000000000", [](TensorMap& t) { t.find(Trees::roots_name)->second.values[1] = 1e9F; });
}

TEST(Trees, AreShareOfAModelsObjective) {
  const Learnt learnt;
  NetworkSpec spec;
  spec.hidden = {8};
  spec.metrics = 2;
  const std::vector<MetricTransform> transforms = {{false, 0, 1}, {false, 0, 1}};
  nlohmann::json metadata = metadata_for(learnt.space, spec, 2, transforms);
  TensorMap tensors = random_tensors(learnt.space, spec, 2, 3);
  const Model networks = Model::from_tensors(metadata, tensors);
  metadata["trees"] = {{"share", 0.25}};
  EXPECT_THROW(Model::from_tensors(metadata, tensors), Error) << "no trees";
  TensorMap both = tensors;
  for (const auto& [name, tensor] : learnt.tensors()) both[name] = tensor;
  const Model mixed = Model::from_tensors(metadata, both);
  const Predictions alone = networks.predict(learnt.designs), together = mixed.predict(learnt.designs);
  std::vector<float> trees(learnt.designs.size());
  Trees(learnt.space, both).evaluate(learnt.designs, trees.data());
  for (std::size_t i = 0; i < trees.size(); ++i) {
    EXPECT_NEAR(together.metrics[2 * i], 0.75 * alone.metrics[2 * i] + 0.25 * trees[i], 1e-9);
    EXPECT_EQ(together.metrics[2 * i + 1], alone.metrics[2 * i + 1]) << "of the objective alone";
    EXPECT_EQ(together.feasibility[i], alone.feasibility[i]);
    EXPECT_GT(together.spread[i], 0);
  }
  const Predictions range = mixed.predict_range(1000, 40);
  std::vector<Design> designs;
  for (DesignId id = 1000; id < 1040; ++id) designs.push_back(learnt.space.design(id));
  EXPECT_EQ(range.metrics, mixed.predict(designs).metrics);
  metadata["trees"]["share"] = 1.5;
  EXPECT_THROW(Model::from_tensors(metadata, both), Error);
  metadata.erase("trees");
  EXPECT_THROW(Model::from_tensors(metadata, both), Error) << "tensors that nothing is said of";
}

}  // namespace
}  // namespace corbel::test
