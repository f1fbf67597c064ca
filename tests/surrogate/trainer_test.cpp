#include "corbel/surrogate/trainer.hpp"

#include <gmock/gmock.h>

#include "base/expect_error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/scorer/model.hpp"
#include "corbel/surrogate/losses.hpp"
#include "corbel/surrogate/selection.hpp"
#include "corbel/surrogate/training_data.hpp"
#include "support/temporary_folder.hpp"
#include "surrogate/surrogate_testing.hpp"

namespace corbel {
namespace {

using test::latency_task;
using test::quick_options;
using test::small_dataset;
using test::StoppingMonitor;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

nlohmann::json train_in(const test::TemporaryFolder& folder, const Dataset& dataset, const TrainingTask& task,
                        const TrainingOptions& options, Monitor& monitor = silent_monitor()) {
  return train(dataset, task, options, folder / "model.safetensors", folder / "work", monitor);
}

TEST(Train, FindsTheBestOfASmallSpaceFromALog) {
  const test::TemporaryFolder folder;
  const Dataset dataset = small_dataset(250, 3);
  TrainingTask task = latency_task();
  task.also_predict = {"area_mm2"};
  TrainingOptions options = quick_options();
  options.steps = 600;
  options.checkpoint_every = 100;
  options.ensemble = 2;
  options.grid = {{0, 0}, {0.01, 0.03}};
  const nlohmann::json report = train_in(folder, dataset, task, options);

  const Model model = Model::load(folder / "model.safetensors");
  EXPECT_EQ(model.metrics(), (std::vector<std::string>{"latency_ms", "area_mm2"}));
  EXPECT_EQ(model.metadata()["dataset_fingerprint"], dataset.fingerprint());
  EXPECT_EQ(model.metadata()["training"]["chosen"], report["chosen"]);
  const DesignSpace& space = model.space();
  const Predictions predictions = model.predict_range(0, space.size());
  double optimum = 1e300, found = 1e300, best_predicted = 1e300, right = 0;
  std::vector<double> truth, predicted;
  for (DesignId id = 0; id < space.size(); ++id) {
    const Design design = space.design(id);
    const bool fits = test::small_fits(design), said = predictions.feasibility[id] >= 0.5;
    right += fits == said;
    EXPECT_GE(predictions.spread[id], 0);
    if (fits) {
      optimum = std::min(optimum, test::small_latency(design));
      truth.push_back(test::small_latency(design));
      predicted.push_back(predictions.metrics[2 * id]);
    }
    if (said && predictions.metrics[2 * id] < best_predicted) {
      best_predicted = predictions.metrics[2 * id];
      found = fits ? test::small_latency(design) : 1e300;
    }
  }
  EXPECT_GT(right / static_cast<double>(space.size()), 0.97);
  EXPECT_GT(kendall(truth, predicted), 0.9);
  EXPECT_LT(found / optimum, 1.1);
  // Report as the header promises.
  ASSERT_EQ(report["candidates"].size(), 2U);
  for (const nlohmann::json& candidate : report["candidates"]) {
    EXPECT_EQ(candidate["history"].size(), 6U);
    EXPECT_GT(candidate["kendall"].get<double>(), 0.3);
    EXPECT_GT(candidate["infeasible_auc"].get<double>(), 0.9);
    for (const char* key : {"alpha", "beta", "step", "score", "diverged"}) EXPECT_TRUE(candidate.contains(key)) << key;
    for (const char* key : {"step", "loss", "loss_feasible", "loss_infeasible", "loss_negatives", "loss_feasibility",
                            "loss_metrics", "kendall"}) {
      EXPECT_TRUE(candidate["history"][0].contains(key)) << key;
    }
    EXPECT_LT(candidate["history"][5]["loss"], candidate["history"][0]["loss"]);
  }
  EXPECT_GT(report["candidates"][1]["history"][0]["loss_negatives"], 0);
  EXPECT_EQ(report["withheld"].size(), report["rows"]["withheld_feasible"].get<std::size_t>());
  EXPECT_TRUE(std::filesystem::is_empty(folder / "work")) << "checkpoints are removed";
}

TEST(Train, PredictsAMaximisedMetricLowWhereItIsCautious) {
  // The throughput of the same log: what is learnt of it is what is learnt of the latency, turned round.
  const Dataset slow = small_dataset(300, 7);
  Dataset fast = slow;
  for (std::size_t row = 0; row < fast.rows(); ++row) fast.metrics[2 * row + 1] = 1000 / fast.metrics[2 * row + 1];
  TrainingTask task = latency_task();
  const test::TemporaryFolder folder;
  for (const char* negatives : {"firefly", "gradient"}) {
    TrainingOptions options = quick_options();
    options.negatives = negatives;
    options.steps = 200;
    options.grid = {{0.1, 0.3}};
    options.trees = 0;
    const auto trained = [&](const Dataset& dataset, Direction direction) {
      task.direction = direction;
      train(dataset, task, options, folder / "m.safetensors", folder / "work", silent_monitor());
      return Model::load(folder / "m.safetensors");
    };
    const Model least = trained(slow, Direction::minimise), most = trained(fast, Direction::maximise);
    EXPECT_EQ(least.direction(), Direction::minimise);
    EXPECT_EQ(most.direction(), Direction::maximise);
    const DesignSpace space = test::small_space();
    const Predictions latency = least.predict_range(0, space.size(), {}), fps = most.predict_range(0, space.size(), {});
    std::vector<double> slowness, inverse;
    options.grid = {{0, 0}};
    const Predictions bold = trained(fast, Direction::maximise).predict_range(0, space.size(), {});
    double off = 0, cautious_misfits = 0, bold_misfits = 0;
    for (DesignId id = 0; id < space.size(); ++id) {
      slowness.push_back(latency.metrics[id]);
      inverse.push_back(1000 / fps.metrics[id]);
      off += std::abs(std::log(inverse.back() / slowness.back())) / static_cast<double>(space.size());
      if (test::small_fits(space.design(id))) continue;
      cautious_misfits += std::log(fps.metrics[id]);
      bold_misfits += std::log(bold.metrics[id]);
    }
    EXPECT_LT(off, 0.1) << negatives;
    EXPECT_GT(kendall(slowness, inverse), 0.95) << negatives;
    EXPECT_LT(cautious_misfits, bold_misfits) << negatives;
  }
}

TEST(Train, DoesNotLookAtWithheldRowsWhileFitting) {
  const auto history = [](const Dataset& dataset) {
    const test::TemporaryFolder folder;
    nlohmann::json losses = nlohmann::json::array();
    const nlohmann::json report = train_in(folder, dataset, latency_task(), quick_options());
    for (const nlohmann::json& entry : report["candidates"][0]["history"]) losses.push_back(entry["loss"]);
    return losses;
  };
  Dataset dataset = small_dataset(200, 5);
  const nlohmann::json before = history(dataset);
  const TrainingOptions options = quick_options();
  const TrainingData data = prepare_training_data(dataset, latency_task(), false, options.withhold, options.seed);
  ASSERT_GT(data.withheld_feasible.size(), 10U);
  Dataset other = dataset;
  for (const std::size_t row : data.withheld_feasible) other.metrics[2 * row + 1] /= 1000;
  EXPECT_EQ(history(other), before);
  other.metrics[2 * data.feasible.front() + 1] *= 1.5;
  EXPECT_NE(history(other), before);
}

TEST(Train, GoesOnAfterAnInterruptionToTheSameModel) {
  const Dataset dataset = small_dataset(200, 5);
  TrainingTask task = latency_task();
  struct Kind {
    const char *network, *optimizer, *negatives;
    std::int64_t experts;
  };
  for (const auto& [network, optimizer, negatives, experts] :
       {Kind{"mlp", "sgd", "mutation", 2}, Kind{"mlp", "adam", "firefly", 1},
        Kind{"attention", "rmsprop", "gradient", 1}, Kind{"lstm", "adam", "gradient", 2}}) {
    TrainingOptions options = quick_options();
    options.network = network;
    options.optimizer = optimizer;
    options.negatives = negatives;
    options.experts = experts;
    options.keep_negatives = options.negatives != "firefly";
    options.penalty = "gap";  // has a state of its own
    options.embedding = 8;
    options.heads = 2;
    options.feed_forward = 16;
    options.ensemble = 2;
    if (options.network != "mlp") {
      options.steps = 60;
      options.batch = 16;
      options.checkpoint_every = 20;
    }
    const auto steps = static_cast<std::uint64_t>(options.steps);
    const test::TemporaryFolder straight, broken;
    const nlohmann::json expected = train_in(straight, dataset, task, options);
    // Members take as many steps as the chosen checkpoint had.
    const auto chosen = expected["candidates"][0]["step"].get<std::uint64_t>();
    // In the candidate between two checkpoints, and in the second member.
    for (const std::uint64_t stop : {steps / 2 + 10, steps + chosen + chosen / 2}) {
      StoppingMonitor monitor(stop);
      expect_error([&] { train_in(broken, dataset, task, options, monitor); }, ErrorCode::interrupted, "");
      EXPECT_FALSE(std::filesystem::exists(broken / "model.safetensors"));
      EXPECT_FALSE(std::filesystem::is_empty(broken / "work"));
    }
    nlohmann::json found = train_in(broken, dataset, task, options);
    found["seconds"] = expected["seconds"];
    EXPECT_EQ(found, expected);
    EXPECT_EQ(read_file(broken / "model.safetensors"), read_file(straight / "model.safetensors")) << network;
  }
}

TEST(Train, EndsACandidateThatNoLongerGetsBetter) {
  const Dataset dataset = small_dataset(250, 3);
  TrainingOptions options = quick_options();
  options.steps = 3000;
  options.checkpoint_every = 20;
  options.patience = 4;
  const test::TemporaryFolder straight, broken;
  const nlohmann::json report = train_in(straight, dataset, latency_task(), options);
  const nlohmann::json& candidate = report["candidates"][0];
  EXPECT_EQ(candidate["history"].back()["step"], candidate["step"].get<int>() + 4 * 20);
  EXPECT_LT(candidate["history"].back()["step"], 3000);
  // Interrupted in the member that follows: the candidate is not taken up again.
  StoppingMonitor monitor(3000 + 20);
  expect_error([&] { train_in(broken, dataset, latency_task(), options, monitor); }, ErrorCode::interrupted, "");
  nlohmann::json found = train_in(broken, dataset, latency_task(), options);
  found["seconds"] = report["seconds"];
  EXPECT_EQ(found, report);
}

TEST(Train, EndsInTimeAfterAtLeastOneStep) {
  const Dataset dataset = small_dataset(200, 5);
  TrainingOptions options = quick_options();
  options.steps = 10'000'000;
  options.grid = {{0, 0}, {0.02, 0.05}};
  for (const double minutes : {1e-9, 0.02}) {
    options.minutes = minutes;
    const test::TemporaryFolder folder;
    const nlohmann::json report = train_in(folder, dataset, latency_task(), options);
    for (const nlohmann::json& candidate : report["candidates"]) {
      EXPECT_GE(candidate["history"].back()["step"], 1);
      EXPECT_LT(candidate["history"].back()["step"], 1'000'000);
      EXPECT_FALSE(candidate["score"].is_null());
    }
    const Model model = Model::load(folder / "model.safetensors");
    EXPECT_TRUE(std::isfinite(model.predict_range(0, 1).metrics[0]));
  }
}

TEST(Train, StartsOverFromADamagedOrForeignCheckpoint) {
  const Dataset dataset = small_dataset(200, 5);
  const test::TemporaryFolder straight, broken;
  train_in(straight, dataset, latency_task(), quick_options());
  StoppingMonitor stopping(60);
  TrainingOptions other = quick_options();
  other.seed = 9;
  EXPECT_THROW(train_in(broken, dataset, latency_task(), other, stopping), Error);
  train_in(broken, dataset, latency_task(), quick_options());  // a checkpoint of other options is no checkpoint
  EXPECT_EQ(read_file(broken / "model.safetensors"), read_file(straight / "model.safetensors"));

  broken.write("work/candidate_0.checkpoint", "rubbish");
  StoppingMonitor listening(1'000'000);
  train_in(broken, dataset, latency_task(), quick_options(), listening);
  EXPECT_EQ(read_file(broken / "model.safetensors"), read_file(straight / "model.safetensors"));
  EXPECT_THAT(listening.messages, testing::Contains(testing::HasSubstr("starting over")));
}

TEST(Train, DoesNotDependOnTheNumberOfThreads) {
  const Dataset dataset = small_dataset(200, 5);
  TrainingOptions options = quick_options();
  options.grid = {{0, 0}, {0.02, 0.05}};
  options.ensemble = 2;
  const test::TemporaryFolder one, two;
  train_in(one, dataset, latency_task(), options);
  options.threads = 2;
  train_in(two, dataset, latency_task(), options);
  EXPECT_EQ(read_file(one / "model.safetensors"), read_file(two / "model.safetensors"));
}

struct HostileLog {
  const char* name;
  std::function<Dataset()> make;
};

class EveryLog : public testing::TestWithParam<HostileLog> {};

TEST_P(EveryLog, GivesAFiniteModel) {
  const Dataset dataset = GetParam().make();
  std::vector<TrainingOptions> all(2, quick_options());
  all[1].protocol = "paper";
  for (TrainingOptions& options : all) options.grid = {{0, 0}, {10, 10}};
  TrainingOptions quicker = quick_options();
  quicker.steps = 60;
  quicker.checkpoint_every = 30;
  quicker.trees = 0;
  quicker.grid = {{10, 10}};
  for (const auto& [name, penalty] : penalties) {
    all.push_back(quicker);
    all.back().penalty = name;
    all.push_back(all.back());
    all.back().regression = "none";
    all.back().ranking = 1;
  }
  for (const char* optimizer : {"sgd", "rmsprop"}) {
    all.push_back(quicker);
    all.back().optimizer = optimizer;
  }
  for (const char* negatives : {"gradient", "mutation"}) {
    all.push_back(quicker);
    all.back().negatives = negatives;
    all.back().keep_negatives = true;
  }
  for (const char* network : {"mlp", "lstm"}) {
    all.push_back(quicker);
    all.back().network = network;
    all.back().embedding = 8;
    all.back().experts = 2;
  }
  for (TrainingOptions& options : all) {
    SCOPED_TRACE(options.negatives + " " + options.protocol + " " + options.penalty + " " + options.regression + " " +
                 options.optimizer);
    const test::TemporaryFolder folder;
    TrainingTask task = latency_task();
    task.also_predict = {"area_mm2"};
    const nlohmann::json report = train_in(folder, dataset, task, options);
    for (const nlohmann::json& candidate : report["candidates"]) EXPECT_FALSE(candidate["diverged"].get<bool>());
    const Model model = Model::load(folder / "model.safetensors");
    const Predictions predictions = model.predict_range(0, model.space().size());
    for (const auto* values : {&predictions.metrics, &predictions.feasibility, &predictions.spread}) {
      EXPECT_THAT(*values, testing::Each(testing::Truly([](double value) { return std::isfinite(value); })));
    }
  }
}

Dataset changed(std::size_t rows, const std::function<bool(const Design&)>& fits,
                const std::function<double(std::size_t, double)>& value) {
  Dataset dataset = small_dataset(rows, 5, fits);
  for (std::size_t row = 0; row < rows; ++row) dataset.metrics[2 * row + 1] = value(row, dataset.metrics[2 * row + 1]);
  return dataset;
}

bool always(const Design&) {
  return true;
}
double same(std::size_t, double value) {
  return value;
}

INSTANTIATE_TEST_SUITE_P(
    Train, EveryLog,
    testing::Values(
        HostileLog{"ConstantTargets",
                   [] { return changed(100, test::small_fits, [](std::size_t, double v) { return v * 0 + 5; }); }},
        HostileLog{"ThreeFeasibleRows",
                   [] {
                     Dataset dataset = changed(
                         60, [](const Design&) { return false; }, same);
                     for (std::size_t row = 0; row < 3; ++row) {
                       dataset.states[row] = TrialState::complete;
                       dataset.metrics[2 * row + 1] = static_cast<double>(row) + 1;
                     }
                     return dataset;
                   }},
        HostileLog{"AlmostAllInfeasible",
                   [] {
                     Dataset dataset = changed(
                         540, [](const Design&) { return false; }, same);
                     for (std::size_t row = 0; row < 540; row += 150) {
                       dataset.states[row] = TrialState::complete;
                       dataset.metrics[2 * row + 1] = static_cast<double>(row) + 1;
                     }
                     return dataset;
                   }},
        HostileLog{"NothingInfeasible", [] { return changed(100, always, same); }},
        HostileLog{"TwelveOrdersOfMagnitude",
                   [] {
                     return changed(200, test::small_fits, [](std::size_t row, double v) {
                       return v * std::pow(10.0, -6.0 + static_cast<double>(row % 13));
                     });
                   }},
        HostileLog{
            "Outliers",
            [] { return changed(200, always, [](std::size_t row, double v) { return row % 50 == 7 ? 1e300 : v; }); }},
        HostileLog{"NegativeAndHuge",
                   [] {
                     return changed(200, always,
                                    [](std::size_t row, double v) { return row % 2 == 0 ? -v * 1e290 : v; });
                   }},
        HostileLog{"NanMetricsOnSomeRows",
                   [] {
                     Dataset dataset = changed(200, test::small_fits,
                                               [](std::size_t row, double v) { return row % 4 == 0 ? nan : v; });
                     for (std::size_t row = 0; row < 200; row += 3) dataset.metrics[2 * row] = nan;
                     return dataset;
                   }},
        HostileLog{"AFurtherMetricThatIsNeverThere",
                   [] {
                     Dataset dataset = changed(100, test::small_fits, same);
                     for (std::size_t row = 0; row < 100; ++row) dataset.metrics[2 * row] = nan;
                     return dataset;
                   }}),
    [](const auto& test) { return test.param.name; });

TEST(Train, ARankingAlonePredictsInTheUnitOfTheObjective) {
  const test::TemporaryFolder folder;
  const Dataset dataset = small_dataset(250, 3);
  TrainingOptions options = quick_options();
  options.steps = 600;
  options.regression = "none";
  options.ranking = 1;
  options.trees = 0;
  train_in(folder, dataset, latency_task(), options);
  const Model model = Model::load(folder / "model.safetensors");
  std::vector<double> truth, errors, predicted;
  for (std::size_t row = 0; row < dataset.rows(); ++row) {
    if (dataset.states[row] != TrialState::complete) continue;
    const Design design = model.space().design(dataset.designs[row]);
    truth.push_back(test::small_latency(design));
    predicted.push_back(model.predict(std::span(&design, 1)).metrics[0]);
    errors.push_back(std::abs(predicted.back() / truth.back() - 1));
  }
  EXPECT_GT(kendall(truth, predicted), 0.8);
  std::nth_element(errors.begin(), errors.begin() + static_cast<std::ptrdiff_t>(errors.size() / 2), errors.end());
  EXPECT_LT(errors[errors.size() / 2], 0.2) << "median relative error; latencies span a factor of 60";
}

TEST(Train, SaysNothingOfRowsItDidNotWithhold) {
  const Dataset dataset = small_dataset(200, 5);
  TrainingOptions options = quick_options();
  options.withhold = 0;
  const test::TemporaryFolder folder;
  const nlohmann::json report = train_in(folder, dataset, latency_task(), options);
  EXPECT_TRUE(report["withheld"].empty());
  EXPECT_EQ(report["candidates"][0]["step"], options.steps) << "the last checkpoint";
  for (const char* key : {"kendall", "infeasible_auc", "score"}) {
    EXPECT_TRUE(report["candidates"][0][key].is_null()) << key;
    EXPECT_TRUE(report["candidates"][0]["history"][0][key].is_null()) << key;
  }
}

TEST(Train, HasAContextGateWhenTheTaskHasAContext) {
  const test::TemporaryFolder folder;
  TrainingTask task = latency_task();
  task.context = {3.5e6F, 3e8F, 0, 52};
  train_in(folder, small_dataset(200, 5), task, quick_options());
  const Model model = Model::load(folder / "model.safetensors");
  EXPECT_EQ(model.context_size(), 4U);
  EXPECT_TRUE(std::isfinite(model.predict_range(0, 1, task.context).metrics[0]));
  task.context = {0, 0};
  expect_error([&] { train_in(folder, small_dataset(200, 5), task, quick_options()); }, ErrorCode::invalid_input,
               "context");
}

TEST(Train, RefusesWhatItCannotLearnFrom) {
  const test::TemporaryFolder folder;
  Dataset dataset = small_dataset(100, 5, [](const Design&) { return false; });
  expect_error([&] { train_in(folder, dataset, latency_task(), quick_options()); }, ErrorCode::too_little_data,
               "0 of 100 rows");
  TrainingTask task = latency_task();
  task.over_limit = {1};
  expect_error([&] { train_in(folder, small_dataset(100, 5), task, quick_options()); }, ErrorCode::mismatch,
               "1 limit flags for 100 rows");
  // Every row over the limit: nothing is left under the paper's protocol.
  task.over_limit.assign(100, 1);
  TrainingOptions paper = quick_options();
  paper.protocol = "paper";
  expect_error([&] { train_in(folder, small_dataset(100, 5), task, paper); }, ErrorCode::too_little_data,
               "within the limits");
  TrainingOptions nothing = quick_options();
  nothing.regression = "none";
  expect_error([&] { train_in(folder, small_dataset(100, 5), latency_task(), nothing); }, ErrorCode::invalid_input,
               "nothing teaches the objective");
  nothing = quick_options();
  nothing.penalty = "hinges";
  expect_error([&] { train_in(folder, small_dataset(100, 5), latency_task(), nothing); }, ErrorCode::invalid_input,
               "hinges");
  EXPECT_FALSE(std::filesystem::exists(folder / "model.safetensors"));
}

}  // namespace
}  // namespace corbel
