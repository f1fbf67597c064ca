#include "corbel/scorer/trees.hpp"

#include <gtest/gtest.h>

#include <algorithm>
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

/// Random trees, whose values a plain walk over the tensors tells.
struct Planted {
  DesignSpace space;
  std::vector<float> nodes, roots;

  Planted(DesignSpace its_space, std::size_t trees, int depth, std::uint64_t seed) : space(std::move(its_space)) {
    Rng rng(seed);
    for (std::size_t t = 0; t < trees; ++t) {
      roots.push_back(static_cast<float>(nodes.size() / 4));
      nodes.resize(nodes.size() + 4);
      grow(nodes.size() / 4 - 1, depth, rng);
    }
  }

  void grow(std::size_t at, int depth, Rng& rng) {
    if (depth == 0 || rng.chance(0.1)) {
      nodes[4 * at] = -1;
      nodes[4 * at + 3] = static_cast<float>(rng.normal());
      return;
    }
    const auto parameter = static_cast<std::size_t>(rng.below(space.dimensions()));
    const std::uint32_t count = space.parameters()[parameter].count();
    const std::size_t left = nodes.size() / 4;
    nodes.resize(nodes.size() + 8);
    nodes[4 * at] = static_cast<float>(parameter);
    nodes[4 * at + 1] = static_cast<float>(rng.below(count + 1ULL));
    nodes[4 * at + 2] = static_cast<float>(left);
    grow(left, depth - 1, rng);
    grow(left + 1, depth - 1, rng);
  }

  TensorMap tensors() const {
    return {{std::string(Trees::nodes_name), {{static_cast<std::int64_t>(nodes.size() / 4), 4}, nodes}},
            {std::string(Trees::roots_name), {{static_cast<std::int64_t>(roots.size())}, roots}}};
  }

  double walk(const Design& design) const {
    double sum = 0;
    for (const float root : roots) {
      auto at = static_cast<std::size_t>(root);
      while (nodes[4 * at] >= 0) {
        const auto parameter = static_cast<std::size_t>(nodes[4 * at]);
        const auto threshold = static_cast<std::uint32_t>(nodes[4 * at + 1]);
        const bool ordered = space.parameters()[parameter].is_ordered();
        const bool left = ordered ? design[parameter] < threshold : design[parameter] != threshold;
        at = static_cast<std::size_t>(nodes[4 * at + 2]) + (left ? 0 : 1);
      }
      sum += nodes[4 * at + 3];
    }
    return sum;
  }
};

std::vector<DesignSpace> planted_spaces() {
  return {mixed_space(),
          // The last parameters make blocks of 6 · 5 · 4 · 7 designs, some of them unordered.
          DesignSpace({Parameter::integer("a", 0, 40), Parameter::categorical("b", {"x", "y", "z"}),
                       Parameter::integer("c", 0, 5), Parameter::categorical("d", {"p", "q", "r", "s", "t"}),
                       Parameter::boolean("e"), Parameter::integer("f", 0, 1), Parameter::integer("g", 0, 6)}),
          // One block is all.
          DesignSpace({Parameter::integer("a", 0, 9), Parameter::categorical("b", {"x", "y", "z"})}),
          // A last parameter too long for a block, and too long for a table of its values.
          DesignSpace({Parameter::integer("a", 0, 3), Parameter::integer("b", 0, 70000)}),
          // Hardly any block.
          DesignSpace({Parameter::integer("a", 0, 3000), Parameter::integer("b", 0, 2)}), DesignSpace::edge()};
}

TEST(Trees, AreSumsOfTheirLeaves) {
  for (const DesignSpace& space : planted_spaces()) {
    for (const int depth : {0, 1, 6, 9}) {
      const Planted planted(space, depth == 9 ? 3 : 40, depth, 5);
      const Trees trees(space, planted.tensors());
      const std::vector<Design> designs = random_designs(space, 300, 6);
      std::vector<float> values(designs.size());
      trees.evaluate(designs, values.data());
      for (std::size_t i = 0; i < designs.size(); ++i) {
        ASSERT_NEAR(values[i], planted.walk(designs[i]), 2e-5) << space.design_text(designs[i]) << " " << depth;
      }
    }
  }
}

TEST(Trees, SayTheSameHoweverDesignsAreEvaluated) {
  for (const DesignSpace& space : planted_spaces()) {
    const Planted planted(space, 30, 6, 8);
    const Trees trees(space, planted.tensors());
    Rng rng(9);
    for (int round = 0; round < 30; ++round) {
      const std::size_t n = std::min<std::size_t>(1 + rng.below(3000), space.size());
      const DesignId first = rng.below(space.size() - n + 1);
      std::vector<float> range(n), all(n), one(1);
      trees.evaluate_range(first, n, range.data());
      std::vector<Design> designs;
      for (DesignId id = first; id < first + n; ++id) designs.push_back(space.design(id));
      trees.evaluate(designs, all.data());
      ASSERT_EQ(range, all);
      for (int i = 0; i < 20; ++i) {
        const std::size_t at = rng.below(n);
        trees.evaluate({&designs[at], 1}, one.data());
        ASSERT_EQ(one[0], all[at]) << space.design_text(designs[at]);
      }
      std::reverse(designs.begin(), designs.end());
      trees.evaluate(designs, all.data());
      std::reverse(all.begin(), all.end());
      ASSERT_EQ(range, all);
    }
  }
}

TEST(Trees, AreWalkedWhereTheirMasksWouldBeTooLarge) {
  // A chain of 30,000 leaves, each a value of the parameter: masks of 30,000 × 30,000 bits.
  const std::uint32_t count = 30000;
  const DesignSpace space({Parameter::integer("a", 0, 1), Parameter::integer("b", 0, count - 1)});
  Planted planted(space, 0, 0, 1);
  planted.roots = {0};
  for (std::uint32_t i = 0; i < count; ++i) {
    const float at = static_cast<float>(2 * i);
    if (i > 0) planted.nodes.insert(planted.nodes.end(), {-1, 0, 0, static_cast<float>(i - 1)});
    if (i + 1 < count) {
      planted.nodes.insert(planted.nodes.end(), {1, static_cast<float>(i + 1), at + 1, 0});
    } else {
      planted.nodes.insert(planted.nodes.end(), {-1, 0, 0, static_cast<float>(i)});
    }
  }
  const Trees trees(space, planted.tensors());
  std::vector<float> values(200);
  trees.evaluate_range(count / 2, values.size(), values.data());
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_NEAR(values[i], static_cast<double>(count / 2 + i), 1e-2);
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
  refused("share nodes", [&](TensorMap& t) {
    // Every node leads to the next two: a Fibonacci number of ways.
    StoredTensor& nodes = t.find(Trees::nodes_name)->second;
    nodes = {{1000, 4}, {}};
    for (int i = 0; i < 1000; ++i) {
      if (i < 998) {
        nodes.values.insert(nodes.values.end(), {0, 1, static_cast<float>(i + 1), 0});
      } else {
        nodes.values.insert(nodes.values.end(), {-1, 0, 0, 1});
      }
    }
    t.find(Trees::roots_name)->second = {{1}, {0}};
  });
  refused("share nodes", [](TensorMap& t) {
    StoredTensor& roots = t.find(Trees::roots_name)->second;
    roots.values.assign(100000, roots.values[1]);
    roots.shape = {100000};
  });
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
