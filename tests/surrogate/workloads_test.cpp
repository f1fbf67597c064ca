// Training on the logs of several workloads.
#include <gmock/gmock.h>

#include "base/expect_error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/scorer/predictor.hpp"
#include "corbel/scorer/trees.hpp"
#include "corbel/surrogate/forest.hpp"
#include "corbel/surrogate/learner.hpp"
#include "corbel/surrogate/selection.hpp"
#include "corbel/surrogate/training_data.hpp"
#include "support/temporary_folder.hpp"
#include "surrogate/surrogate_testing.hpp"

namespace corbel {
namespace {

using test::latency_task;
using test::quick_options;
using test::StoppingMonitor;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// A workload that likes wide arrays as much as it likes small memories: the number is its context, and moves the best
// width and memory. A level of its own, since levels of networks differ by orders of magnitude.
double latency(const Design& design, double kind) {
  const double width = design[0] - 5 * kind, memory = design[2] - 4 * (1 - kind);
  return std::pow(10.0, 3 * kind) * (2 + 0.3 * width * width + 0.4 * memory * memory + 0.1 * design[1]) *
         (1 + 0.2 * design[3]);
}
// The larger the kind, the fewer designs fit.
bool fits(const Design& design, double kind) {
  return design[0] + 2 * kind <= design[2] + 3;
}

Dataset log_of(double kind, std::size_t n, std::uint64_t seed) {
  Dataset dataset = test::small_dataset(n, seed, [&](const Design& design) { return fits(design, kind); });
  for (std::size_t row = 0; row < n; ++row) {
    if (dataset.states[row] != TrialState::complete) continue;
    dataset.metrics[2 * row + 1] = latency(dataset.group.space.design(dataset.designs[row]), kind);
  }
  return dataset;
}
std::vector<float> context_of(double kind) {
  return {7, static_cast<float>(kind), static_cast<float>(1 - kind)};
}

constexpr double target_kind = 0.4;
struct Others {
  std::vector<Dataset> logs = {log_of(0, 250, 1), log_of(0.7, 200, 2), log_of(1, 250, 3)};
  TrainingTask task;

  Others() {
    const double kinds[] = {0, 0.7, 1};
    task = latency_task();
    task.also_predict = {"area_mm2"};
    task.context = context_of(target_kind);
    for (std::size_t k = 0; k < logs.size(); ++k) {
      task.others.push_back({&logs[k], {}, context_of(kinds[k]), "kind_" + std::to_string(k)});
    }
  }
};

nlohmann::json train_in(const test::TemporaryFolder& folder, const Dataset& dataset, const TrainingTask& task,
                        const TrainingOptions& options, Monitor& monitor = silent_monitor()) {
  return train(dataset, task, options, folder / "model.safetensors", folder / "work", monitor);
}

TrainingOptions some_options() {
  TrainingOptions options = quick_options();
  options.steps = 500;
  options.checkpoint_every = 100;
  return options;
}

// Rank correlation over all designs that fit.
double correlation(const Predictor& predictor, double kind) {
  const DesignSpace& space = predictor.space();
  const Predictions predictions = predictor.predict_range(0, space.size());
  std::vector<double> truth, predicted;
  for (DesignId id = 0; id < space.size(); ++id) {
    const Design design = space.design(id);
    if (!fits(design, kind)) continue;
    truth.push_back(latency(design, kind));
    predicted.push_back(predictions.metrics[predictor.metrics().size() * id]);
  }
  return kendall(truth, predicted);
}

double right_on_feasibility(const Predictor& predictor, double kind) {
  const DesignSpace& space = predictor.space();
  const Predictions predictions = predictor.predict_range(0, space.size());
  double right = 0;
  for (DesignId id = 0; id < space.size(); ++id) {
    right += fits(space.design(id), kind) == (predictions.feasibility[id] >= 0.5);
  }
  return right / static_cast<double>(space.size());
}

TEST(SeveralWorkloads, ZeroShotRanksAndRowsOfTheTargetDoBetter) {
  const Others others;
  const test::TemporaryFolder none, few, pooled;
  TrainingOptions options = some_options();
  options.trees = 0;  // they do not know the contexts
  options.hidden = {64, 64};
  const nlohmann::json report = train_in(none, log_of(target_kind, 0, 4), others.task, options);
  const Model model = Model::load(none / "model.safetensors");
  const ModelPredictor zero_shot(model, others.task.context);
  EXPECT_TRUE(zero_shot.is_zero_shot());
  EXPECT_GT(correlation(zero_shot, target_kind), 0.5);

  // The gate tells the known workloads apart.
  for (const auto& [kind, other] : {std::pair(0.0, 0), std::pair(1.0, 2)}) {
    const ModelPredictor predictor(model, context_of(kind));
    EXPECT_GT(correlation(predictor, kind), 0.7);
    EXPECT_GT(right_on_feasibility(predictor, kind), 0.85);
    EXPECT_GT(correlation(predictor, kind) - correlation(predictor, 1 - kind), 0.5) << other;
  }

  const Dataset of_target = log_of(target_kind, 100, 4);
  const nlohmann::json few_report = train_in(few, of_target, others.task, options);
  const ModelPredictor few_shot(Model::load(few / "model.safetensors"), others.task.context);
  EXPECT_FALSE(few_shot.is_zero_shot());
  EXPECT_GT(correlation(few_shot, target_kind), correlation(zero_shot, target_kind));
  EXPECT_GT(right_on_feasibility(few_shot, target_kind), 0.9);

  // Without contexts there is one answer for all.
  TrainingTask blind = others.task;
  blind.context.clear();
  for (WorkloadLog& other : blind.others) other.context.clear();
  train_in(pooled, log_of(target_kind, 0, 4), blind, options);
  const Model blind_model = Model::load(pooled / "model.safetensors");
  EXPECT_EQ(blind_model.context_size(), 0U);
  EXPECT_FALSE(blind_model.metadata().contains("context_range"));
  EXPECT_LT(correlation(ModelPredictor(blind_model, {}), 0), correlation(ModelPredictor(model, context_of(0)), 0));

  // What report and file say.
  EXPECT_EQ(report["objective_scale"], "guessed from other workloads");
  EXPECT_EQ(few_report["objective_scale"], "logged");
  ASSERT_EQ(report["workloads"].size(), 4U);
  EXPECT_EQ(report["workloads"][0]["fitted"], 0);
  EXPECT_EQ(report["workloads"][2]["name"], "kind_1");
  EXPECT_GT(report["workloads"][2]["withheld_feasible"], 3);
  EXPECT_EQ(few_report["workloads"][2]["withheld_feasible"], 0) << "the target has enough of its own";
  EXPECT_GT(few_report["workloads"][0]["withheld_feasible"], 3);
  EXPECT_GT(report["candidates"][0]["infeasible_auc"], 0.6);
  for (const nlohmann::json& row : report["withheld"]) {
    const double ratio = row["predicted"].get<double>() / row["true"].get<double>();
    // Their levels are a thousand times apart.
    EXPECT_GT(ratio, 0.1) << "in the unit of its own workload: " << row;
    EXPECT_LT(ratio, 10) << row;
  }
  const nlohmann::json& listed = model.metadata()["workloads"];
  ASSERT_EQ(listed.size(), 4U);
  EXPECT_EQ(listed[0]["rows"], 0);
  EXPECT_EQ(listed[1]["rows"], 250);
  EXPECT_EQ(listed[3]["context"].get<std::vector<float>>(), context_of(1));
}

TEST(SeveralWorkloads, GoesOnAfterAnInterruptionToTheSameModel) {
  const Others others;
  const Dataset of_target = log_of(target_kind, 60, 4);
  for (const char* negatives : {"firefly", "gradient"}) {
    TrainingOptions options = quick_options();
    options.negatives = negatives;
    options.keep_negatives = options.negatives == "gradient";
    options.ranking = 0.5;
    options.steps = 80;
    const test::TemporaryFolder straight, broken;
    const nlohmann::json expected = train_in(straight, of_target, others.task, options);
    EXPECT_GT(expected["candidates"][0]["history"][0]["loss_negatives"], 0);
    StoppingMonitor monitor(60);
    expect_error([&] { train_in(broken, of_target, others.task, options, monitor); }, ErrorCode::interrupted, "");
    nlohmann::json found = train_in(broken, of_target, others.task, options);
    found["seconds"] = expected["seconds"];
    EXPECT_EQ(found, expected);
    EXPECT_EQ(read_file(broken / "model.safetensors"), read_file(straight / "model.safetensors"));
  }
  // A checkpoint of other rows of another workload is no checkpoint.
  const auto loss = [&](const Others& of) {
    const test::TemporaryFolder folder;
    TrainingOptions options = quick_options();
    options.steps = 60;
    options.trees = 0;
    StoppingMonitor monitor(50);
    EXPECT_THROW(train_in(folder, of_target, others.task, options, monitor), Error);
    return train_in(folder, of_target, of.task, options)["candidates"][0]["history"][0]["loss"];
  };
  Others changed;
  changed.logs[1] = log_of(0.7, 200, 9);
  EXPECT_NE(loss(changed), loss(others));
}

TEST(SeveralWorkloads, EveryNetworkHasAGatePerRow) {
  const Others others;
  for (const char* network : {"attention", "lstm"}) {
    TrainingOptions options = quick_options();
    options.network = network;
    options.embedding = 8;
    options.heads = 2;
    options.feed_forward = 16;
    options.experts = 2;
    options.steps = 30;
    options.batch = 32;
    const test::TemporaryFolder folder;
    train_in(folder, log_of(target_kind, 0, 4), others.task, options);
    const Model model = Model::load(folder / "model.safetensors");
    EXPECT_NE(model.predict_range(0, 20, context_of(0)).metrics, model.predict_range(0, 20, context_of(1)).metrics);
  }
}

TEST(SeveralWorkloads, ALearnerGatesEachRowAsTheModelDoes) {
  const DesignSpace space = test::small_space();
  NetworkSpec spec;
  spec.hidden = {16, 16};
  spec.context_size = 3;
  const std::vector<std::vector<float>> contexts = {context_of(0), context_of(1)};
  const ContextRange range = ContextRange::of(contexts);
  Learner learner(space, spec, 0, {contexts, range}, 3);
  const std::vector<Design> designs = {space.design(5), space.design(5), space.design(300)};
  const std::vector<std::uint32_t> workloads = {0, 1, 1};
  std::vector<float> out = learner.outputs(designs, workloads);
  EXPECT_EQ(out[0], out[2]) << "every gate starts at 1";
  std::vector<float> parameters = learner.parameters();
  Rng rng(6);
  for (float& value : parameters) value += static_cast<float>(0.1 * rng.normal());
  learner.set_parameters(parameters);
  out = learner.outputs(designs, workloads);
  TensorMap tensors;
  learner.export_tensors("0.", 0, tensors);
  const nlohmann::json metadata = {{"version", model_version},
                                   {"space", space.to_json()},
                                   {"space_fingerprint", space.fingerprint()},
                                   {"network", to_json(spec)},
                                   {"context_scale", 1},
                                   {"context_range", range},
                                   {"members", 1},
                                   {"metrics", {"m"}},
                                   {"transforms", {to_json(MetricTransform{})}}};
  const Model model = Model::from_tensors(metadata, tensors);
  for (std::size_t i = 0; i < designs.size(); ++i) {
    EXPECT_NEAR(model.predict(std::span(&designs[i], 1), contexts[workloads[i]]).metrics[0], out[2 * i], 1e-4);
  }
  EXPECT_GT(std::abs(out[0] - out[2]), 1e-3);
}

TEST(SeveralWorkloads, RankingComparesWithinAWorkloadOnly) {
  const DesignSpace space = test::small_space();
  NetworkSpec spec;
  spec.hidden = {8};
  Learner learner(space, spec, 0, {}, 3);
  Batch batch;
  batch.feasible = {space.design(1), space.design(100), space.design(400)};
  batch.feasible_targets = {-1, 0, 1};
  LossOptions options;
  options.ranking = 1;
  const std::vector<float> f = learner.outputs(batch.feasible);
  const auto pair = [&](std::size_t i, std::size_t j) { return std::log1p(std::exp(double{f[2 * i]} - f[2 * j])); };
  EXPECT_NEAR(learner.losses(batch, options).ranking, (pair(0, 1) + pair(0, 2) + pair(1, 2)) / 3, 1e-5);
  batch.feasible_workloads = {0, 1, 0};
  EXPECT_NEAR(learner.losses(batch, options).ranking, pair(0, 2), 1e-5);
}

TEST(SeveralWorkloads, AreNormalisedEachForItself) {
  const Others others;
  const Dataset none = log_of(target_kind, 0, 4);
  const TrainingData data = prepare_training_data(none, others.task, false, 0.2, 1);
  ASSERT_EQ(data.objective_transforms.size(), 4U);
  ASSERT_EQ(data.designs.size(), 700U);
  double mean = 0, scale = 0;
  for (std::uint32_t w = 1; w < 4; ++w) {
    double sum = 0;
    const std::vector<std::size_t> rows = data.of_workload(data.feasible, w);
    for (const std::size_t row : rows) sum += data.targets[2 * row];
    EXPECT_NEAR(sum / static_cast<double>(rows.size()), 0, 0.05) << "a thousand times apart";
    mean += data.objective_transforms[w].mean / 3;
    scale += data.objective_transforms[w].scale / 3;
  }
  EXPECT_TRUE(data.is_scale_guessed);
  EXPECT_TRUE(data.transforms[0].log);
  EXPECT_DOUBLE_EQ(data.transforms[0].mean, mean);
  EXPECT_DOUBLE_EQ(data.transforms[0].scale, scale);
  // A prediction on the target's scale is one deviation above the mean of another workload where it is of its own.
  const double one_above = data.transforms[0].restore(1);
  EXPECT_NEAR(data.on_scale_of(3, one_above), data.objective_transforms[3].restore(1), 1e-6);
  // The limit's metric keeps its unit: one transform for all.
  for (std::size_t row = 0; row < 250; ++row) {
    EXPECT_NEAR(data.transforms[1].restore(data.targets[2 * row + 1]), others.logs[0].metric(row, 0), 1e-3);
  }
  EXPECT_GT(data.of_workload(data.withheld_feasible, 1).size(), 3U);

  // One row of its own says nothing of the deviation.
  const TrainingData one = prepare_training_data(log_of(target_kind, 2, 5), others.task, false, 0, 1);
  EXPECT_FALSE(one.is_scale_guessed);
  double usual = 0;
  for (std::uint32_t w = 1; w < 4; ++w) usual += one.objective_transforms[w].scale / 3;
  EXPECT_NEAR(one.transforms[0].scale / usual, 1, 0.4);
}

TEST(SeveralWorkloads, TreesKnowTheTargetFromTheOthers) {
  const Dataset of_target = log_of(1, 150, 4), of_other = log_of(0, 150, 5);
  TrainingTask task = latency_task();
  task.others.push_back({&of_other, {}, {}, "other"});
  const TrainingData data = prepare_training_data(of_target, task, false, 0, 1);
  const DesignSpace& space = of_target.group.space;
  const Forest forest = Forest::fit(space, data, 0.5, 1);
  std::vector<Design> designs;
  std::vector<double> as_target, as_other;
  for (DesignId id = 0; id < space.size(); ++id) {
    if (!fits(space.design(id), 1)) continue;
    designs.push_back(space.design(id));
    as_target.push_back(latency(designs.back(), 1));
    as_other.push_back(latency(designs.back(), 0));
  }
  const auto agreement = [&](const TensorMap& tensors, const std::vector<double>& truth) {
    std::vector<float> values(designs.size());
    Trees(space, tensors).evaluate(designs, values.data());
    return kendall(truth, std::vector<double>(values.begin(), values.end()));
  };
  EXPECT_GT(agreement(forest.tensors, as_target), 0.7);
  EXPECT_GT(agreement(forest.others, as_other), 0.7);
  EXPECT_LT(agreement(forest.tensors, as_other), 0.3);
  // Without rows of the target there is nothing to tell.
  const TrainingData none = prepare_training_data(log_of(1, 0, 4), task, false, 0, 1);
  const Forest same = Forest::fit(space, none, 0.5, 1);
  EXPECT_EQ(same.tensors.at("trees.nodes").values, same.others.at("trees.nodes").values);
}

TEST(WorkloadSampler, HearsFewRowsWithoutLearningThemByHeart) {
  TrainingData data(DesignSpace({Parameter::integer("n", 0, 499)}));
  data.objective_transforms.resize(2);
  data.feasible_stands_for = data.infeasible_stands_for = {1, 1};
  for (std::size_t row = 0; row < 500; ++row) {
    data.workloads.push_back(row < 20 ? 0 : 1);
    (row % 5 == 0 ? data.infeasible : data.feasible).push_back(row);
  }
  // Of workload 0 16 feasible of 20 rows, of the other 384 of 480: shares in the proportion √20 : √480.
  WorkloadSampler sampler(data, WorkloadSampler::Of::feasible, 1, 1);
  const double factor = std::sqrt(480.0 / 20);
  EXPECT_DOUBLE_EQ(sampler.weight(), 16 * factor + 384);
  std::vector<std::size_t> drawn, counts(500, 0);
  for (std::uint64_t step = 0; step < 1000; ++step) {
    const std::size_t before = drawn.size();
    sampler.sample(step, 64, drawn);
    EXPECT_NEAR(static_cast<double>(drawn.size() - before), 64, 2);
  }
  for (const std::size_t row : drawn) ++counts[row];
  EXPECT_NEAR(static_cast<double>(drawn.size()), 64'000, 2);
  EXPECT_NEAR(static_cast<double>(counts[1]) / static_cast<double>(counts[101]), factor, 0.05);
  EXPECT_EQ(counts[0], 0U) << "an infeasible row";
}

TEST(SeveralWorkloads, HostileLogsAreRefusedOrLearntFrom) {
  const test::TemporaryFolder folder;
  const Dataset none = log_of(target_kind, 0, 4);
  const auto refuse = [&](const TrainingTask& task, ErrorCode code, const char* what) {
    expect_error([&] { train_in(folder, none, task, quick_options()); }, code, what);
  };
  Others others;
  const TrainingTask good = others.task;
  Dataset elsewhere = test::small_dataset(50, 1);
  elsewhere.group.space = DesignSpace({Parameter::integer("n", 0, 539)});
  others.task.others[1].log = &elsewhere;
  refuse(others.task, ErrorCode::mismatch, "workload `kind_1`: its log is of another design space");
  others.task = good;
  others.task.others[2].context.pop_back();
  refuse(others.task, ErrorCode::mismatch, "workload `kind_2`: a context of 2 numbers, where that of the target has 3");
  others.task = good;
  others.task.others[0].context[1] = std::numeric_limits<float>::infinity();
  refuse(others.task, ErrorCode::invalid_input, "context");
  others.task = good;
  others.task.context[1] = std::numeric_limits<float>::quiet_NaN();
  refuse(others.task, ErrorCode::invalid_input, "context");
  others.task = good;
  others.task.others[1].over_limit = {1, 0};
  refuse(others.task, ErrorCode::mismatch, "workload `kind_1`: 2 limit flags for 200 rows");
  others.task = good;
  Dataset renamed = others.logs[0];
  renamed.group.metrics[1] = "runtime";
  others.task.others[0].log = &renamed;
  refuse(others.task, ErrorCode::invalid_input, "workload `kind_0`: ");
  others.task = good;
  Dataset nothing_runs = others.logs[0];
  for (std::size_t row = 0; row < nothing_runs.rows(); ++row) {
    nothing_runs.states[row] = TrialState::infeasible;
    nothing_runs.metrics[2 * row + 1] = nan;
  }
  for (WorkloadLog& other : others.task.others) other.log = &nothing_runs;
  refuse(others.task, ErrorCode::too_little_data, "0 of 750 rows of 4 workloads have a finite `latency_ms`");

  // One of them alone without a feasible row teaches what fails; one workload may come twice, or have the target's
  // context, or lack rows.
  others.task = good;
  others.task.others[0].log = &nothing_runs;
  others.task.others[1].log = &none;
  others.task.others.push_back(others.task.others[2]);
  others.task.others[2].context = others.task.context;
  TrainingOptions options = quick_options();
  options.grid = {{10, 10}};
  const nlohmann::json report = train_in(folder, none, others.task, options);
  EXPECT_FALSE(report["candidates"][0]["diverged"].get<bool>());
  const ModelPredictor predictor(Model::load(folder / "model.safetensors"), others.task.context);
  EXPECT_FALSE(predictor.is_zero_shot());
  const Predictions predictions = predictor.predict_range(0, predictor.space().size());
  EXPECT_THAT(predictions.metrics, testing::Each(testing::Truly([](double value) { return std::isfinite(value); })));
}

}  // namespace
}  // namespace corbel
