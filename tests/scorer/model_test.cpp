#include "corbel/scorer/model.hpp"

#include <gmock/gmock.h>

#include <thread>

#include "base/expect_error.hpp"
#include "corbel/base/file.hpp"
#include "scorer/scorer_testing.hpp"
#include "support/temporary_folder.hpp"

namespace corbel {
namespace {

using test::metadata_for;
using test::mixed_space;
using test::random_designs;
using test::random_model;
using test::random_tensors;

// fused: false, true; lanes: 1, 2, 4. Hidden width 2, then one metric and the feasibility logit.
struct Tiny {
  DesignSpace space{{Parameter::boolean("fused"), Parameter::ordinal("lanes", {1, 2, 4})}};
  NetworkSpec spec;
  TensorMap tensors;
  Tiny() {
    spec.hidden = {2};
    tensors["0.input.0"] = {{2, 2}, {0, 0, 1, -2}};
    tensors["0.input.1"] = {{3, 2}, {0, 1, 2, 3, 4, 5}};
    tensors["0.input.bias"] = {{2}, {0.5F, -4}};
    tensors["0.output.weight"] = {{2, 2}, {1, 10, -1, 2}};
    tensors["0.output.bias"] = {{2}, {0.25F, 0}};
  }
};

TEST(Model, ComputesATinyNetworkAsByHand) {
  Tiny tiny;
  const Model model =
      Model::from_tensors(metadata_for(tiny.space, tiny.spec, 1, {{false, 100, 10}}), std::move(tiny.tensors));
  // fused = true, lanes = 2: first layer (0.5 + 1 + 2, −4 − 2 + 3) = (3.5, −3), LeakyReLU 0.1: (3.5, −0.3);
  // metric 3.5 − 3 + 0.25 = 0.75, logit −3.5 − 0.6 = −4.1.
  const Predictions predictions = model.predict(std::vector<Design>{{1, 1}});
  EXPECT_NEAR(predictions.metrics[0], 100 + 10 * 0.75, 1e-5);
  EXPECT_NEAR(predictions.feasibility[0], 1 / (1 + std::exp(4.1)), 1e-7);
  EXPECT_EQ(predictions.spread[0], 0);
}

TEST(Model, AveragesTheEnsembleOnTheNormalisedScaleAndReportsTheSpread) {
  Tiny tiny;
  for (const char* name : {"input.0", "input.1", "input.bias", "output.weight", "output.bias"}) {
    tiny.tensors[std::string("1.") + name] = tiny.tensors[std::string("0.") + name];
  }
  tiny.tensors["1.output.bias"].values = {2.25F, 0};
  const Model model =
      Model::from_tensors(metadata_for(tiny.space, tiny.spec, 2, {{true, 0, 1}}), std::move(tiny.tensors));
  // Members say exp(0.75) and exp(2.75): the mean is exp(1.75), and they lie at e^∓1 of it.
  const Predictions predictions = model.predict(std::vector<Design>{{1, 1}});
  EXPECT_NEAR(predictions.metrics[0], std::exp(1.75), 1e-5);
  const double below = std::exp(-1.0) - 1, above = std::exp(1.0) - 1;
  EXPECT_NEAR(predictions.spread[0], std::sqrt((below * below + above * above) / 2), 1e-5);
}

TEST(Model, GatesTheFirstLayerByTheContext) {
  Tiny tiny;
  tiny.spec.context_size = 1;
  tiny.tensors["0.gate"] = {{2, 1}, {2, 0}};
  const Model model =
      Model::from_tensors(metadata_for(tiny.space, tiny.spec, 1, {{false, 0, 1}}), std::move(tiny.tensors));
  EXPECT_EQ(model.context_size(), 1U);
  // asinh(sinh 3) · 0.5 = 1.5, so the factors are (3, 0): first layer (3.5 · 3, 0), metric 10.5 + 0.25.
  const std::vector<float> context = {static_cast<float>(std::sinh(3.0))};
  EXPECT_NEAR(model.predict(std::vector<Design>{{1, 1}}, context).metrics[0], 10.75, 1e-4);
  expect_error([&] { model.predict(std::vector<Design>{{1, 1}}); }, ErrorCode::mismatch, "context of 1 numbers, 0");
}

TEST(Model, WithoutAFeasibilityOutputEverythingIsFeasible) {
  Tiny tiny;
  tiny.spec.feasibility = false;
  tiny.tensors["0.output.weight"] = {{1, 2}, {1, 10}};
  tiny.tensors["0.output.bias"] = {{1}, {0.25F}};
  const Model model =
      Model::from_tensors(metadata_for(tiny.space, tiny.spec, 1, {{false, 0, 1}}), std::move(tiny.tensors));
  EXPECT_EQ(model.predict(std::vector<Design>{{0, 2}}).feasibility[0], 1);
}

TEST(Model, LetsExpertsVote) {
  Tiny tiny;
  tiny.spec.experts = 2;
  for (const char* name : {"output.weight", "output.bias"}) {
    StoredTensor output = tiny.tensors[std::string("0.") + name];
    tiny.tensors.erase(std::string("0.") + name);
    tiny.tensors[std::string("0.expert.0.") + name] = output;
    for (float& value : output.values) value *= 3;
    tiny.tensors[std::string("0.expert.1.") + name] = std::move(output);
  }
  tiny.tensors["0.vote.weight"] = {{2, 2}, {1, 0, 0, 10}};
  tiny.tensors["0.vote.bias"] = {{2}, {0.5F, 0}};
  const Model model =
      Model::from_tensors(metadata_for(tiny.space, tiny.spec, 1, {{false, 0, 1}}), std::move(tiny.tensors));
  // Features (3.5, −0.3) as above: votes exp(4) and exp(−3); the second expert says three times what the first says.
  const double second = std::exp(-3.0) / (std::exp(4.0) + std::exp(-3.0));
  const Predictions predictions = model.predict(std::vector<Design>{{1, 1}});
  EXPECT_NEAR(predictions.metrics[0], 0.75 * (1 + 2 * second), 1e-5);
  EXPECT_NEAR(predictions.feasibility[0], 1 / (1 + std::exp(4.1 * (1 + 2 * second))), 1e-7);
}

TEST(Model, ComputesATinyLstmAsByHand) {
  const DesignSpace space({Parameter::boolean("fused"), Parameter::ordinal("lanes", {1, 2, 4})});
  NetworkSpec spec;
  spec.kind = NetworkKind::lstm;
  spec.embedding = 1;
  spec.hidden = {1};
  spec.feasibility = false;
  spec.activation = Activation::relu;
  const auto tensors = [] {
    TensorMap made;
    made["0.input.0"] = {{2, 1}, {0, 2}};
    made["0.input.1"] = {{3, 1}, {0, -1, 3}};
    made["0.input.bias"] = {{2, 1}, {0.5F, -0.5F}};
    // Rows in, forget, change, out; columns token, hidden state.
    made["0.lstm.weight"] = {{4, 2}, {1, 0, 0.5F, 1, -1, 2, 0.25F, -1}};
    made["0.lstm.bias"] = {{4}, {0, 1, 0.5F, 0}};
    made["0.hidden.0.weight"] = {{1, 2}, {1, -10}};
    made["0.hidden.0.bias"] = {{1}, {3}};
    made["0.output.weight"] = {{1, 1}, {2}};
    made["0.output.bias"] = {{1}, {1}};
    return made;
  }();
  const Model model = Model::from_tensors(metadata_for(space, spec, 1, {{false, 0, 1}}), tensors);
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  // fused = true, lanes = 2: tokens 2.5 and −1.5.
  const double cell0 = sigmoid(2.5) * std::tanh(-2.5 + 0.5), hidden0 = sigmoid(0.625) * std::tanh(cell0);
  const double cell1 = sigmoid(-0.75 + hidden0 + 1) * cell0 + sigmoid(-1.5) * std::tanh(1.5 + 2 * hidden0 + 0.5);
  const double hidden1 = sigmoid(-0.375 - hidden0) * std::tanh(cell1);
  const double unit = hidden0 - 10 * hidden1 + 3;
  ASSERT_GT(unit, 0);
  EXPECT_NEAR(model.predict(std::vector<Design>{{1, 1}}).metrics[0], 2 * unit + 1, 1e-5);
}

NetworkSpec spec_of(NetworkKind kind, std::int64_t experts = 1) {
  NetworkSpec spec;
  spec.kind = kind;
  spec.experts = experts;
  spec.hidden = {19, 7};
  spec.embedding = 12;
  spec.heads = 3;
  spec.feed_forward = 17;
  spec.metrics = 2;
  return spec;
}

struct NamedSpec {
  const char* name;
  NetworkSpec spec;
};
class EveryNetwork : public testing::TestWithParam<NamedSpec> {};

TEST_P(EveryNetwork, DoesNotDependOnHowDesignsAreGrouped) {
  const DesignSpace space = mixed_space();
  const Model model = random_model(space, GetParam().spec, 2, 7);
  const std::vector<Design> designs = random_designs(space, 77, 3);
  const Predictions all = model.predict(designs);
  for (std::size_t i = 0; i < designs.size(); i += 11) {
    const Predictions one = model.predict(std::span(designs).subspan(i, 1));
    EXPECT_EQ(one.metrics[0], all.metrics[2 * i]);
    EXPECT_EQ(one.metrics[1], all.metrics[2 * i + 1]);
    EXPECT_EQ(one.feasibility[0], all.feasibility[i]);
    EXPECT_EQ(one.spread[0], all.spread[i]);
  }
}

TEST_P(EveryNetwork, PredictsARangeAsTheSameDesignsOneByOne) {
  const DesignSpace space = mixed_space();
  const Model model = random_model(space, GetParam().spec, 1, 8);
  const DesignId first = 2 * 10000 - 40;  // across a carry of the last parameter
  std::vector<Design> designs;
  for (std::size_t i = 0; i < 100; ++i) designs.push_back(space.design(first + i));
  const Predictions range = model.predict_range(first, 100), single = model.predict(designs);
  EXPECT_EQ(range.metrics, single.metrics);
  EXPECT_EQ(range.feasibility, single.feasibility);
}

TEST_P(EveryNetwork, IsTheSameAfterAFileAndFromManyThreads) {
  const DesignSpace space = mixed_space();
  const NetworkSpec spec = GetParam().spec;
  const test::TemporaryFolder folder;
  const std::vector<MetricTransform> transforms(2, {true, 2.0, 0.5});
  Model::save(folder / "model.safetensors", metadata_for(space, spec, 2, transforms),
              random_tensors(space, spec, 2, 5));
  const Model model = Model::load(folder / "model.safetensors");
  EXPECT_EQ(model.space(), space);
  EXPECT_EQ(model.metrics(), (std::vector<std::string>{"metric_0", "metric_1"}));
  const std::vector<Design> designs = random_designs(space, 200, 4);
  const Predictions expected = random_model(space, spec, 2, 5).predict(designs);
  std::vector<Predictions> found(4);
  {
    std::vector<std::jthread> threads;
    for (Predictions& result : found) threads.emplace_back([&] { result = model.predict(designs); });
  }
  for (const Predictions& result : found) {
    EXPECT_EQ(result.metrics, expected.metrics);
    EXPECT_EQ(result.feasibility, expected.feasibility);
    EXPECT_EQ(result.spread, expected.spread);
  }
}

INSTANTIATE_TEST_SUITE_P(Scorer, EveryNetwork,
                         testing::Values(NamedSpec{"Mlp", spec_of(NetworkKind::mlp)},
                                         NamedSpec{"Attention", spec_of(NetworkKind::attention)},
                                         NamedSpec{"Lstm", spec_of(NetworkKind::lstm)},
                                         NamedSpec{"MlpOfExperts", spec_of(NetworkKind::mlp, 3)},
                                         NamedSpec{"LstmOfExperts", spec_of(NetworkKind::lstm, 2)}),
                         [](const auto& test) { return test.param.name; });

TEST(Model, StaysFiniteWhateverTheWeights) {
  const DesignSpace space = mixed_space();
  const NetworkSpec spec = spec_of(NetworkKind::mlp);
  TensorMap tensors = random_tensors(space, spec, 2, 1);
  for (auto& [name, tensor] : tensors) {
    for (float& value : tensor.values) value *= 1e30F;
  }
  const std::vector<MetricTransform> transforms = {{true, 0, 1}, {false, 1e300, 1e300}};
  const Model model = Model::from_tensors(metadata_for(space, spec, 2, transforms), std::move(tensors));
  const Predictions predictions = model.predict(random_designs(space, 100, 2));
  for (const auto* values : {&predictions.metrics, &predictions.feasibility, &predictions.spread}) {
    EXPECT_THAT(*values, testing::Each(testing::Truly([](double value) { return std::isfinite(value); })));
  }
}

TEST(Model, RefusesAnotherSpaceNamingBoth) {
  const Model model = random_model(mixed_space(), spec_of(NetworkKind::mlp), 1, 1);
  EXPECT_NO_THROW(model.require_space(mixed_space(), "the study is"));
  const DesignSpace other({Parameter::ordinal("pes_x", {1, 2})});
  expect_error([&] { model.require_space(other, "the study is"); }, ErrorCode::mismatch, "lanes, order");
  expect_error([&] { model.require_space(other, "the study is"); }, ErrorCode::mismatch, "pes_x");
}

TEST(Model, SaysWhatIsWrongWithItsMetadata) {
  const DesignSpace space = mixed_space();
  const NetworkSpec spec = spec_of(NetworkKind::mlp);
  const auto load = [&](const std::function<void(nlohmann::json&, TensorMap&)>& damage) {
    nlohmann::json metadata = metadata_for(space, spec, 1, std::vector<MetricTransform>(2));
    TensorMap tensors = random_tensors(space, spec, 1, 1);
    damage(metadata, tensors);
    Model::from_tensors(std::move(metadata), std::move(tensors), "m.safetensors");
  };
  using Json = nlohmann::json;
  const auto expect = [&](const std::function<void(Json&, TensorMap&)>& damage, ErrorCode code, const char* part) {
    expect_error([&] { load(damage); }, code, part);
    expect_error([&] { load(damage); }, code, "m.safetensors");
  };
  EXPECT_NO_THROW(load([](Json&, TensorMap&) {}));
  expect([](Json& m, TensorMap&) { m["version"] = 2; }, ErrorCode::unsupported, "version 2");
  expect([](Json& m, TensorMap&) { m["network"]["kind"] = "oracle"; }, ErrorCode::unsupported, "oracle");
  expect([](Json& m, TensorMap&) { m["network"]["activation"] = "tanh"; }, ErrorCode::unsupported, "tanh");
  expect([](Json& m, TensorMap&) { m["network"]["hidden"] = {1000000000}; }, ErrorCode::corrupt,
         "width of a hidden layer is 1000000000");
  expect([](Json& m, TensorMap&) { m["network"]["hidden"] = {19.5, 7}; }, ErrorCode::corrupt, "19.5");
  expect([](Json& m, TensorMap&) { m["network"]["hidden"] = Json::array(); }, ErrorCode::corrupt, "0 hidden layers");
  expect([](Json& m, TensorMap&) { m["network"]["kind"] = "lstm"; }, ErrorCode::corrupt, "lacks a field");
  expect([](Json& m, TensorMap&) { m["network"]["experts"] = 2; }, ErrorCode::corrupt, "`0.expert.0.hidden.1.weight`");
  expect([](Json& m, TensorMap&) { m["network"]["experts"] = 0; }, ErrorCode::corrupt, "`experts` is 0");
  expect([](Json& m, TensorMap&) { m["network"]["experts"] = 1000; }, ErrorCode::corrupt, "`experts` is 1000");
  expect([](Json& m, TensorMap&) { m["members"] = 0; }, ErrorCode::corrupt, "`members` is 0");
  expect([](Json& m, TensorMap&) { m["members"] = 1e300; }, ErrorCode::corrupt, "`members` is 1e+300");
  expect([](Json& m, TensorMap&) { m["members"] = UINT64_MAX; }, ErrorCode::corrupt, "18446744073709551615");
  expect([](Json& m, TensorMap&) { m["version"] = true; }, ErrorCode::corrupt, "`version` is boolean");
  expect([](Json& m, TensorMap&) { m["members"] = 2; }, ErrorCode::corrupt, "tensor `1.input.0` is missing");
  expect([](Json& m, TensorMap&) { m["metrics"] = {"one"}; }, ErrorCode::corrupt, "1 metrics");
  expect([](Json& m, TensorMap&) { m.erase("space"); }, ErrorCode::corrupt, "lacks a field");
  expect([](Json& m, TensorMap&) { m["space_fingerprint"] = "00"; }, ErrorCode::corrupt, "fingerprint");
  expect([](Json& m, TensorMap&) { m["transforms"][0]["scale"] = 0; }, ErrorCode::corrupt, "scale other than 0");
  expect([](Json&, TensorMap& t) { t.erase("0.output.bias"); }, ErrorCode::corrupt, "`0.output.bias` is missing");
  expect([](Json&, TensorMap& t) { t["0.extra"] = {{1}, {0}}; }, ErrorCode::corrupt, "tensors, the model has");
  expect([](Json&, TensorMap& t) { t["0.input.bias"].shape = {1, 19}; }, ErrorCode::corrupt, "shape [1, 19], not [19]");
}

TEST(Model, RefusesMetadataOfTheWrongKindEverywhere) {
  const DesignSpace space = mixed_space();
  for (const NetworkSpec& spec : {spec_of(NetworkKind::mlp), spec_of(NetworkKind::attention),
                                  spec_of(NetworkKind::lstm), spec_of(NetworkKind::attention, 2)}) {
    const TensorMap tensors = random_tensors(space, spec, 1, 1);
    const nlohmann::json valid = metadata_for(space, spec, 1, std::vector<MetricTransform>(2));
    const nlohmann::json fields = valid.flatten();
    int accepted = 0;
    for (const auto& [pointer, was] : fields.items()) {
      for (const nlohmann::json& value : std::initializer_list<nlohmann::json>{
               nullptr, true, -1, 0, 1e300, 0.5, INT64_MIN, UINT64_MAX, "", "x\n", nlohmann::json::array(),
               nlohmann::json::object(), nlohmann::json::array({1, 2})}) {
        nlohmann::json metadata = valid;
        metadata[nlohmann::json::json_pointer(pointer)] = value;
        try {
          // A hostile file brings the fingerprint of its space along.
          if (pointer.starts_with("/space/"))
            metadata["space_fingerprint"] = DesignSpace::from_json(metadata["space"]).fingerprint();
        } catch (const Error&) {
        }
        try {
          const Model model = Model::from_tensors(std::move(metadata), tensors, "m.safetensors");
          const Predictions predictions = model.predict(random_designs(model.space(), 3, 1));
          for (const double number : predictions.metrics) EXPECT_TRUE(std::isfinite(number));
          ++accepted;
        } catch (const Error& error) {
          EXPECT_TRUE(error.code() == ErrorCode::corrupt || error.code() == ErrorCode::unsupported) << error.what();
        }
      }
    }
    EXPECT_GT(accepted, 0) << "another mean or name is no damage";
  }
}

TEST(Model, RefusesTokensThatNeedMoreMemoryThanItsFileSuggests) {
  std::vector<Parameter> parameters;
  for (int p = 0; p < 2000; ++p) parameters.push_back(Parameter::categorical("p" + std::to_string(p), {"only"}));
  const DesignSpace space(parameters);
  NetworkSpec spec = spec_of(NetworkKind::attention);
  spec.feed_forward = 8192;
  expect_error([&] { Model::from_tensors(metadata_for(space, spec, 1, std::vector<MetricTransform>(2)), {}); },
               ErrorCode::corrupt, "2000 parameters");
  spec = spec_of(NetworkKind::lstm);
  spec.embedding = 1024;
  for (int p = 2000; p < 5000; ++p) parameters.push_back(Parameter::categorical("p" + std::to_string(p), {"only"}));
  const DesignSpace larger(parameters);
  expect_error([&] { Model::from_tensors(metadata_for(larger, spec, 1, std::vector<MetricTransform>(2)), {}); },
               ErrorCode::corrupt, "5000 parameters");
}

TEST(Model, PromisesNothingWhereTheNetworkOverflows) {
  Tiny tiny;
  // Hidden units 6 · 10³⁸ = ∞ and −∞, logit ∞ − ∞.
  tiny.tensors["0.input.0"].values = {0, 0, 3e38F, -3e38F};
  tiny.tensors["0.input.1"].values = {0, 0, 3e38F, -3e38F, 0, 0};
  tiny.tensors["0.output.weight"].values = {1, 1, 1, 1};
  const Model model =
      Model::from_tensors(metadata_for(tiny.space, tiny.spec, 1, {{false, 0, 1}}), std::move(tiny.tensors));
  EXPECT_EQ(model.predict(std::vector<Design>{{1, 1}}).feasibility[0], 0);
}

TEST(Model, KeepsTheGatesOfAnLstmPreciseFarFromZero) {
  // One parameter whose tokens are the gates' inputs themselves: cell = σ(t) tanh(t), state = σ(t) tanh(cell).
  std::vector<double> values;
  TensorMap tensors;
  tensors["0.input.0"].shape = {401, 1};
  for (int i = 0; i <= 400; ++i) {
    values.push_back(i);
    tensors["0.input.0"].values.push_back(static_cast<float>(0.5 * i - 100));
  }
  const DesignSpace space({Parameter::ordinal("n", values)});
  NetworkSpec spec;
  spec.kind = NetworkKind::lstm;
  spec.embedding = 1;
  spec.hidden = {1};
  spec.feasibility = false;
  tensors["0.input.bias"] = {{1, 1}, {0}};
  tensors["0.lstm.weight"] = {{4, 2}, {1, 0, 1, 0, 1, 0, 1, 0}};
  tensors["0.lstm.bias"] = {{4}, {0, 0, 0, 0}};
  tensors["0.hidden.0.weight"] = {{1, 1}, {1}};
  tensors["0.hidden.0.bias"] = {{1}, {10}};
  tensors["0.output.weight"] = {{1, 1}, {1}};
  tensors["0.output.bias"] = {{1}, {-10}};
  const Model model = Model::from_tensors(metadata_for(space, spec, 1, {{false, 0, 1}}), tensors);
  const Predictions predictions = model.predict_range(0, 401);
  for (int i = 0; i <= 400; ++i) {
    const double t = 0.5 * i - 100, gate = 1 / (1 + std::exp(-t));
    EXPECT_NEAR(predictions.metrics[static_cast<std::size_t>(i)], gate * std::tanh(gate * std::tanh(t)), 3e-6) << t;
  }
}

TEST(Model, PromisesNothingWhereAnLstmOverflows) {
  NetworkSpec spec = spec_of(NetworkKind::lstm);
  TensorMap tensors = random_tensors(mixed_space(), spec, 1, 1);
  // The first token is infinite, and weights of both signs make ∞ − ∞ of it.
  for (const char* name : {"0.input.0", "0.input.bias"}) {
    for (float& value : tensors[name].values) value = 3e38F;
  }
  const Model model =
      Model::from_tensors(metadata_for(mixed_space(), spec, 1, std::vector<MetricTransform>(2)), std::move(tensors));
  const Predictions predictions = model.predict(random_designs(mixed_space(), 5, 1));
  for (const double probability : predictions.feasibility) EXPECT_EQ(probability, 0);
  for (const double value : predictions.metrics) EXPECT_TRUE(std::isfinite(value));
}

TEST(MetricTransform, TakesLogarithmsOfPositiveMetricsOnly) {
  const std::vector<double> positive = {1, 10, 100}, mixed = {-1, 0, 1}, equal = {5, 5, 5};
  const MetricTransform log = MetricTransform::fit(positive);
  EXPECT_TRUE(log.log);
  EXPECT_NEAR(log.mean, std::log(10.0), 1e-12);
  EXPECT_NEAR(log.scale, std::log(10.0) * std::sqrt(2.0 / 3), 1e-12);
  EXPECT_NEAR(log.restore(log.normalise(37)), 37, 1e-9);
  const MetricTransform linear = MetricTransform::fit(mixed);
  EXPECT_FALSE(linear.log);
  EXPECT_NEAR(linear.scale, std::sqrt(2.0 / 3), 1e-12);
  EXPECT_EQ(MetricTransform::fit(equal).scale, 1);
  EXPECT_EQ(MetricTransform::fit({}).scale, 1);
  for (const double unit : {1e300, 1e-300}) {
    const std::vector<double> extreme = {-unit, 0, unit};
    EXPECT_DOUBLE_EQ(MetricTransform::fit(extreme).scale, unit * std::sqrt(2.0 / 3)) << unit;
  }
  EXPECT_TRUE(std::isfinite(log.restore(1e300)));
}

TEST(MetricTransform, TurnsAMaximisedMetricSoThatLowIsGood) {
  const std::vector<double> positive = {1, 10, 100}, mixed = {-1, 0, 1}, equal = {5, 5, 5};
  for (const std::vector<double>& values : {positive, mixed}) {
    const MetricTransform least = MetricTransform::fit(values);
    const MetricTransform most = MetricTransform::fit(values, Direction::maximise);
    EXPECT_EQ(least.direction(), Direction::minimise);
    EXPECT_EQ(most.direction(), Direction::maximise);
    for (const double value : values) {
      EXPECT_EQ(most.normalise(value), -least.normalise(value));
      EXPECT_NEAR(most.restore(most.normalise(value)), value, 1e-12 * 100);
    }
    const MetricTransform read = metric_transform_from_json(to_json(most));
    EXPECT_EQ(read.direction(), Direction::maximise);
    EXPECT_EQ(read.restore(0.7), most.restore(0.7));
  }
  EXPECT_EQ(MetricTransform::fit(equal, Direction::maximise).scale, -1);
  EXPECT_EQ(MetricTransform::fit({}, Direction::maximise).scale, -1);
  EXPECT_THROW(metric_transform_from_json({{"log", false}, {"mean", 0}, {"scale", 0}}), Error);
}

TEST(MetricTransform, IgnoresNanAndOneOutlierInAHundred) {
  std::vector<double> values(200, 3.0);
  for (std::size_t i = 0; i < 100; ++i) values[i] = 1.0;
  values[100] = 1e12;
  values.push_back(std::numeric_limits<double>::quiet_NaN());
  const MetricTransform transform = MetricTransform::fit(values);
  EXPECT_LT(std::exp(transform.mean), 3.0);
  EXPECT_LT(transform.scale, 1.0);
}

TEST(ParameterFeatures, PlaceValuesBetweenMinusOneAndOne) {
  float features[feature_count];
  const Parameter powers = Parameter::ordinal("lanes", {1, 2, 4, 8, 256});
  parameter_features(powers, 0, features);
  EXPECT_FLOAT_EQ(features[0], -1);
  EXPECT_FLOAT_EQ(features[1], -1);
  parameter_features(powers, 2, features);
  EXPECT_FLOAT_EQ(features[0], 0);
  EXPECT_FLOAT_EQ(features[1], -0.5F);  // log2: 2 of 8
  parameter_features(powers, 4, features);
  EXPECT_FLOAT_EQ(features[1], 1);
  parameter_features(Parameter::ordinal("one", {7}), 0, features);
  EXPECT_FLOAT_EQ(features[0], 0);
  EXPECT_FALSE(has_table(Parameter::integer("n", 0, 5000)));
  EXPECT_TRUE(has_table(Parameter::integer("n", 0, 1023)));
}

}  // namespace
}  // namespace corbel
