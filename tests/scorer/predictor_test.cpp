#include "corbel/scorer/predictor.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "base/expect_error.hpp"
#include "corbel/scorer/context_range.hpp"
#include "scorer/scorer_testing.hpp"

namespace corbel {
namespace {

using testing::ElementsAre;
using testing::FloatNear;

const std::vector<std::vector<float>> known = {{1, 0, 5}, {3, 0, 2}};

// A model of two workloads with rows and a third without.
Model several(const nlohmann::json& workloads) {
  const DesignSpace space = test::mixed_space();
  NetworkSpec spec;
  spec.hidden = {16};
  spec.context_size = 3;
  nlohmann::json metadata = test::metadata_for(space, spec, 2, {{true, 2, 0.5}});
  metadata["context_range"] = ContextRange::of(known);
  metadata["workloads"] = workloads;
  return Model::from_tensors(metadata, test::random_tensors(space, spec, 2, 3));
}
nlohmann::json workloads() {
  return {{{"name", "target"}, {"context", {2, 9, 4}}, {"rows", 0}},
          {{"name", "a"}, {"context", known[0]}, {"rows", 100}},
          {{"name", "b"}, {"context", known[1]}, {"rows", 7}}};
}

TEST(ContextRange, SaysWhereAContextStandsBetweenThoseKnown) {
  const auto at = [](double value) { return static_cast<float>(std::sinh(value)); };
  const ContextRange range =
      ContextRange::of(std::vector<std::vector<float>>{{at(1), 7, at(-2)}, {at(3), 7, at(2)}, {at(2), 7, at(0)}});
  // Two of three numbers differ.
  const float unit = 5.0F / 2;
  EXPECT_THAT(range.inputs(std::vector<float>{at(1), 7, at(2)}),
              ElementsAre(FloatNear(-unit, 1e-6F), 0, FloatNear(unit, 1e-6F)));
  EXPECT_THAT(range.inputs(std::vector<float>{at(2.5), 9, at(0)}),
              ElementsAre(FloatNear(unit / 2, 1e-5F), 0, FloatNear(0, 1e-6F)));
  EXPECT_THAT(range.inputs(std::vector<float>{at(-50), 0, at(50)}),
              ElementsAre(FloatNear(-unit, 1e-6F), 0, FloatNear(unit, 1e-6F)))
      << "not beyond those known";
  const nlohmann::json json = range;
  const std::vector<float> some = {2, 3, 4};
  EXPECT_EQ(ContextRange::from_json(json).inputs(some), range.inputs(some));
  // Of one workload nothing differs.
  EXPECT_THAT(ContextRange::of(std::vector<std::vector<float>>{{1, 2}}).inputs(std::vector<float>{5, 6}),
              ElementsAre(0, 0));
  expect_error(
      [] {
        ContextRange::of(std::vector<std::vector<float>>{{1, 2}, {1, std::numeric_limits<float>::infinity()}});
      },
      ErrorCode::invalid_input, "number 1 of a workload's context");
  expect_error([] { ContextRange::from_json({{2, 1}}); }, ErrorCode::corrupt, "range of the contexts");
}

TEST(Model, GatesWhereWorkloadsDiffer) {
  const Model model = several(workloads());
  const std::vector<Design> designs = test::random_designs(model.space(), 20, 1);
  const std::vector<float> a = known[0], other_constant = {1, 44, 5}, beyond = {-9, 0, 900};
  EXPECT_EQ(model.predict(designs, other_constant).metrics, model.predict(designs, a).metrics)
      << "what all workloads share says nothing";
  EXPECT_EQ(model.predict(designs, beyond).metrics, model.predict(designs, a).metrics) << "the nearest known";
  EXPECT_NE(model.predict(designs, known[1]).metrics, model.predict(designs, a).metrics);
  nlohmann::json metadata = model.metadata();
  metadata["context_range"] = nlohmann::json::array({{0, 1}});
  expect_error([&] { Model::from_tensors(metadata, test::random_tensors(model.space(), NetworkSpec{}, 2, 3)); },
               ErrorCode::corrupt, "range of 1 numbers for a context of 3");
}

TEST(ModelPredictor, TakesTheLeastFeasibilityOfTheKnownWorkloadsForOneWithoutRows) {
  const Model model = several(workloads());
  const std::vector<float> target = {2, 9, 4};
  const ModelPredictor zero_shot(model, target);
  EXPECT_TRUE(zero_shot.is_zero_shot());
  const std::vector<Design> designs = test::random_designs(model.space(), 400, 1);
  const Predictions found = zero_shot.predict(designs);
  const Predictions own = model.predict(designs, target);
  const std::vector<double> a = model.predict(designs, known[0]).feasibility,
                            b = model.predict(designs, known[1]).feasibility;
  EXPECT_EQ(found.metrics, own.metrics);
  EXPECT_EQ(found.spread, own.spread);
  std::size_t least_on_a = 0, below_own = 0;
  for (std::size_t i = 0; i < designs.size(); ++i) {
    EXPECT_EQ(found.feasibility[i], std::min(a[i], b[i]));
    least_on_a += a[i] < b[i];
    below_own += found.feasibility[i] < own.feasibility[i];
  }
  EXPECT_GT(least_on_a, 0U);
  EXPECT_LT(least_on_a, 400U);
  EXPECT_GT(below_own, 0U);
  // The same along the enumeration.
  std::vector<Design> first;
  for (DesignId id = 30; id < 60; ++id) first.push_back(model.space().design(id));
  EXPECT_EQ(zero_shot.predict_range(30, 30).feasibility, zero_shot.predict(first).feasibility);
}

TEST(ModelPredictor, AsksAKnownWorkloadAlone) {
  const Model model = several(workloads());
  const ModelPredictor predictor(model, known[1]);
  EXPECT_FALSE(predictor.is_zero_shot());
  const std::vector<Design> designs = test::random_designs(model.space(), 50, 1);
  EXPECT_EQ(predictor.predict(designs).feasibility, model.predict(designs, known[1]).feasibility);
  // A target with rows of its own.
  nlohmann::json few = workloads();
  few[0]["rows"] = 3;
  const std::vector<float> target = {2, 9, 4};
  EXPECT_EQ(ModelPredictor(several(few), target).predict(designs).feasibility,
            model.predict(designs, target).feasibility);
}

TEST(ModelPredictor, RefusesADamagedListOfWorkloads) {
  for (const nlohmann::json& damaged :
       {nlohmann::json{{{"rows", 3}}}, nlohmann::json{{{"rows", 3}, {"context", "x"}}}, nlohmann::json(7)}) {
    expect_error([&] { ModelPredictor(several(damaged), {2, 9, 4}); }, ErrorCode::corrupt, "list of workloads");
  }
  nlohmann::json shorter = workloads();
  shorter[2]["context"] = {1};
  expect_error([&] { ModelPredictor(several(shorter), {2, 9, 4}); }, ErrorCode::corrupt, "different sizes");
  expect_error([&] { ModelPredictor(several(workloads()), {2, 9}); }, ErrorCode::mismatch, "context of 3 numbers");
}

}  // namespace
}  // namespace corbel
