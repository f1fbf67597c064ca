// What training is made of besides the network: rows, negatives, selection, options.
#include <gmock/gmock.h>

#include <set>

#include "base/expect_error.hpp"
#include "corbel/base/config.hpp"
#include "corbel/surrogate/learner.hpp"
#include "corbel/surrogate/negatives.hpp"
#include "corbel/surrogate/selection.hpp"
#include "corbel/surrogate/training_data.hpp"
#include "scorer/scorer_testing.hpp"
#include "surrogate/surrogate_testing.hpp"

namespace corbel {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ChooseCandidate, TakesTheFirstThatCannotBeToldFromTheBest) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  // σ(τ) of 7 rows is 0.317: half of it is a score.
  const std::vector<CandidateScore> close = {{0.65, 1}, {0.79, 1}, {0.8, none}};
  EXPECT_EQ(choose_candidate(close, {7}, false), 0U);
  EXPECT_EQ(choose_candidate(close, {100}, false), 1U) << "of 100 rows it is 0.034";
  EXPECT_EQ(choose_candidate(close, {30'000}, false), 2U);
  EXPECT_EQ(choose_candidate(close, {7}, true), 2U) << "the published criterion";
  EXPECT_EQ(choose_candidate(close, {0}, false), 0U) << "with nothing to compare by";
  // Where the best keeps few infeasible designs out, its error weighs as little as its rank correlation.
  EXPECT_EQ(choose_candidate(std::vector<CandidateScore>{{0.65, 1}, {0.8, 0.5}}, {7}, false), 1U);
  const std::vector<CandidateScore> diverged = {{0.9, 1, true}, {0.2, 1}, {0.21, 1}};
  EXPECT_EQ(choose_candidate(diverged, {7}, false), 1U);
  EXPECT_EQ(choose_candidate(diverged, {0}, false), 1U);
  EXPECT_EQ(choose_candidate(std::vector<CandidateScore>{{0.9, 1, true}, {0.2, 1, true}}, {7}, false), 0U);
}

TEST(Kendall, IsTauB) {
  const std::vector<double> a = {1, 2, 3, 4}, same = {10, 20, 30, 40}, reverse = {4, 3, 2, 1}, tied = {1, 1, 2, 3};
  EXPECT_DOUBLE_EQ(kendall(a, same), 1);
  EXPECT_DOUBLE_EQ(kendall(a, reverse), -1);
  // Five of six pairs concordant, one tied on one side: 5 / √(6 · 5).
  EXPECT_DOUBLE_EQ(kendall(a, tied), 5 / std::sqrt(30.0));
  EXPECT_EQ(kendall(a, std::vector<double>(4, 7)), 0);
  EXPECT_EQ(kendall({}, {}), 0);
}

TEST(RankingAuc, CountsPairsAsTheSearchRanksThem) {
  const std::vector<Score> good = {{5, 0}, {1, 0.2}};
  const std::vector<Score> bad = {{2, 0}, {9, 0.1}, {1, 0.2}};
  // The first: worse objective than {2, 0}, before both that are taken for infeasible; the second: behind the first
  // two, tied with the last. (2 + 0.5) of 6.
  EXPECT_DOUBLE_EQ(ranking_auc(good, bad), 2.5 / 6);
  EXPECT_TRUE(std::isnan(ranking_auc(good, {})));
}

TEST(TrainingData, WithholdsTheBestWithinTheLimitsAndAsManyInfeasible) {
  const Dataset dataset = test::small_dataset(400, 1);
  TrainingTask task = test::latency_task();
  task.also_predict = {"area_mm2", "latency_ms"};
  task.over_limit.resize(dataset.rows());
  for (std::size_t row = 0; row < dataset.rows(); ++row) task.over_limit[row] = dataset.metric(row, 0) > 20;
  const TrainingData data = prepare_training_data(dataset, task, false, 0.2, 1);
  EXPECT_THAT(data.metrics, ElementsAre("latency_ms", "area_mm2"));

  std::size_t within = 0;
  for (std::size_t row = 0; row < dataset.rows(); ++row) {
    within += dataset.states[row] == TrialState::complete && task.over_limit[row] == 0;
  }
  EXPECT_EQ(data.withheld_feasible.size(), within / 5);
  EXPECT_EQ(data.withheld_infeasible.size(), (dataset.rows() - dataset.feasible()) / 5);
  double worst_withheld = 0, best_fitted = 1e300;
  for (const std::size_t row : data.withheld_feasible) {
    EXPECT_EQ(task.over_limit[row], 0);
    worst_withheld = std::max(worst_withheld, data.objective[row]);
  }
  std::size_t fitted_over = 0;
  for (const std::size_t row : data.feasible) {
    fitted_over += task.over_limit[row] != 0;
    if (task.over_limit[row] == 0) best_fitted = std::min(best_fitted, data.objective[row]);
  }
  EXPECT_LE(worst_withheld, best_fitted);

  std::set<std::size_t> all;
  for (const auto* rows : {&data.feasible, &data.infeasible, &data.withheld_feasible, &data.withheld_infeasible}) {
    for (const std::size_t row : *rows) EXPECT_TRUE(all.insert(row).second) << "row " << row << " twice";
  }
  EXPECT_EQ(all.size(), dataset.rows());
  // Rows over a limit are fitted: they carry true values.
  EXPECT_EQ(fitted_over, dataset.feasible() - within);
  EXPECT_GT(fitted_over, 0U);
  double mean = 0, slowest = 0;
  for (const std::size_t row : data.feasible) {
    mean += data.targets[2 * row] / static_cast<double>(data.feasible.size());
    slowest = std::max<double>(slowest, data.targets[2 * row]);
  }
  EXPECT_NEAR(mean, 0, 0.1);
  EXPECT_DOUBLE_EQ(data.infeasible_level, std::min(slowest, 3.0) + 0.5);
  EXPECT_EQ(data.negative_level, 0);
}

TEST(TrainingData, DrawnRowsStandForTheLogTheyWereDrawnFrom) {
  const Dataset dataset = test::small_dataset(400, 1);
  const auto feasible = static_cast<double>(dataset.feasible()), infeasible = 400 - feasible;
  TrainingTask task = test::latency_task();
  const double weight =
      WorkloadSampler(prepare_training_data(dataset, task, false, 0, 1), WorkloadSampler::Of::infeasible, 1, 1)
          .weight();
  EXPECT_DOUBLE_EQ(weight, infeasible);
  task.over_limit.assign(dataset.rows(), 0);
  task.drawn_from = {10'000, 4'000, 8'800, 4'000, "the log"};
  const TrainingData drawn = prepare_training_data(dataset, task, false, 0, 1);
  EXPECT_THAT(drawn.feasible_stands_for, ElementsAre(4'000 / feasible));
  EXPECT_THAT(drawn.infeasible_stands_for, ElementsAre(6'000 / infeasible));
  EXPECT_DOUBLE_EQ(WorkloadSampler(drawn, WorkloadSampler::Of::feasible, 1, 1).weight(), 4'000);
  EXPECT_DOUBLE_EQ(WorkloadSampler(drawn, WorkloadSampler::Of::infeasible, 1, 1).weight(), 6'000);
  // Under the published protocol what breaks a limit is infeasible, too; designs that did not run may meet all limits.
  task.drawn_from->taught_as_feasible = 1'000;
  const TrainingData paper = prepare_training_data(dataset, task, true, 0, 1);
  EXPECT_THAT(paper.feasible_stands_for, ElementsAre(1'000 / feasible));
  EXPECT_THAT(paper.infeasible_stands_for, ElementsAre(9'000 / infeasible));
}

TEST(TrainingData, ThePaperTakesRowsOverALimitForInfeasible) {
  const Dataset dataset = test::small_dataset(300, 1);
  TrainingTask task = test::latency_task();
  task.over_limit.assign(dataset.rows(), 0);
  std::size_t flagged = 0;
  for (std::size_t row = 0; row < dataset.rows(); row += 3) {
    task.over_limit[row] = 1;
    flagged += dataset.states[row] == TrialState::complete;
  }
  const TrainingData ours = prepare_training_data(dataset, task, false, 0, 1);
  const TrainingData paper = prepare_training_data(dataset, task, true, 0, 1);
  EXPECT_EQ(paper.feasible.size() + flagged, ours.feasible.size());
  EXPECT_EQ(paper.infeasible.size(), ours.infeasible.size() + flagged);
  for (const std::size_t row : paper.infeasible) EXPECT_TRUE(std::isnan(paper.targets[row]));
}

TEST(TrainingData, MasksWhatIsNotANumberAndClipsOutliers) {
  Dataset dataset = test::small_dataset(300, 2, [](const Design&) { return true; });
  dataset.metrics[2 * 5 + 1] = std::numeric_limits<double>::quiet_NaN();
  dataset.metrics[2 * 6 + 1] = 1e300;
  const TrainingData data = prepare_training_data(dataset, test::latency_task(), false, 0, 1);
  EXPECT_TRUE(std::isnan(data.targets[5]));
  EXPECT_EQ(data.targets[6], static_cast<float>(max_target));
  EXPECT_LT(data.transforms[0].scale, 2);
  EXPECT_TRUE(data.withheld_feasible.empty());
}

TEST(TrainingData, OfAMaximisedMetricIsThatOfItsInverseMinimised) {
  const Dataset slow = test::small_dataset(300, 1);
  Dataset fast = slow;
  for (std::size_t row = 0; row < fast.rows(); ++row) fast.metrics[2 * row + 1] = 1000 / fast.metrics[2 * row + 1];
  TrainingTask task = test::latency_task();
  const TrainingData least = prepare_training_data(slow, task, false, 0.2, 1);
  task.direction = Direction::maximise;
  const TrainingData most = prepare_training_data(fast, task, false, 0.2, 1);
  EXPECT_EQ(most.withheld_feasible, least.withheld_feasible) << "the best rows, best first";
  EXPECT_EQ(most.withheld_infeasible, least.withheld_infeasible);
  ASSERT_GT(least.withheld_feasible.size(), 20U);
  for (const std::size_t row : least.feasible) EXPECT_NEAR(most.targets[row], least.targets[row], 1e-5);
  EXPECT_NEAR(most.infeasible_level, least.infeasible_level, 1e-5);
}

TEST(TrainingData, NeedsThreeRowsWithTheObjective) {
  Dataset dataset = test::small_dataset(50, 2, [](const Design&) { return true; });
  for (std::size_t row = 2; row < 50; ++row) dataset.metrics[2 * row + 1] = std::numeric_limits<double>::quiet_NaN();
  expect_error([&] { prepare_training_data(dataset, test::latency_task(), false, 0.2, 1); }, ErrorCode::too_little_data,
               "2 of 50 rows have a finite `latency_ms`");
  TrainingTask typo = test::latency_task();
  typo.objective = "latncy_ms";
  expect_error([&] { prepare_training_data(dataset, typo, false, 0.2, 1); }, ErrorCode::invalid_input, "latncy_ms",
               "latency_ms");
}

TEST(RowSampler, DrawsEveryRowOncePerEpochAndOnlyThose) {
  const std::vector<std::size_t> rows = {3, 5, 7, 11, 13, 17, 19};
  RowSampler sampler(rows, 1, 1);
  std::vector<std::size_t> drawn;
  for (std::uint64_t step = 0; step < 7; ++step) sampler.sample(step, 5, drawn);
  for (std::size_t epoch = 0; epoch < 5; ++epoch) {
    const std::set<std::size_t> seen(drawn.begin() + static_cast<std::ptrdiff_t>(7 * epoch),
                                     drawn.begin() + static_cast<std::ptrdiff_t>(7 * epoch + 7));
    EXPECT_EQ(seen, std::set<std::size_t>(rows.begin(), rows.end()));
  }
  std::vector<std::size_t> again;
  RowSampler(rows, 1, 1).sample(4, 5, again);
  EXPECT_EQ(again, std::vector<std::size_t>(drawn.begin() + 20, drawn.begin() + 25)) << "a function of the step alone";
  std::vector<std::size_t> none;
  RowSampler({}, 1, 1).sample(0, 5, none);
  EXPECT_THAT(none, IsEmpty());
}

TEST(Negatives, AreNewDesignsThatTheModelTakesForGood) {
  const DesignSpace space = DesignSpace::edge();
  NetworkSpec spec;
  spec.hidden = {32};
  const Model model = test::random_model(space, spec, 1, 3);
  const std::vector<Design> random = test::random_designs(space, 1000, 1);
  const std::vector<Design> seeds(random.begin(), random.begin() + 20);
  const auto even = [](const Design& design) { return design[0] % 2 == 0; };
  const std::vector<Design> found = find_negatives(model, {}, {space, even}, "firefly", seeds, 64, 9);
  ASSERT_EQ(found.size(), 64U);
  const Predictions predicted = model.predict(found);
  std::vector<double> usual = model.predict(random).metrics;
  std::sort(usual.begin(), usual.end());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_LT(predicted.metrics[i], usual[500]) << "worse than a design picked blindly";
    EXPECT_TRUE(i == 0 || predicted.metrics[i - 1] <= predicted.metrics[i]);
    EXPECT_TRUE(even(found[i]));
    EXPECT_EQ(std::count(seeds.begin(), seeds.end(), found[i]), 0);
  }
  EXPECT_EQ(found, find_negatives(model, {}, {space, even}, "firefly", seeds, 64, 9));
}

TEST(Negatives, RunOutWithTheSpace) {
  const DesignSpace space({Parameter::integer("n", 1, 10)});
  NetworkSpec spec;
  spec.hidden = {4};
  const Model model = test::random_model(space, spec, 1, 3);
  EXPECT_EQ(find_negatives(model, {}, {space, {}}, "firefly", std::vector<Design>{{0}, {1}}, 64, 9).size(), 8U);
}

TEST(Negatives, MutationsDifferFromAParentInOneToThreeParameters) {
  const DesignSpace space = test::mixed_space();
  const std::vector<Design> parents = test::random_designs(space, 3, 1);
  const auto fused = [](const Design& design) { return design[2] == 1; };
  const std::vector<Design> found = mutate_designs({space, fused}, parents, 40, 7);
  ASSERT_EQ(found.size(), 40U);
  std::set<std::size_t> distances;
  std::set<Design> all(parents.begin(), parents.end());
  for (const Design& design : found) {
    EXPECT_TRUE(fused(design));
    EXPECT_TRUE(all.insert(design).second) << "twice, or a parent";
    std::size_t nearest = space.dimensions();
    for (const Design& parent : parents) {
      std::size_t distance = 0;
      for (std::size_t p = 0; p < parent.size(); ++p) distance += design[p] != parent[p];
      nearest = std::min(nearest, distance);
    }
    EXPECT_LE(nearest, 3U);
    distances.insert(nearest);
  }
  EXPECT_EQ(distances, (std::set<std::size_t>{1, 2, 3}));
  EXPECT_EQ(found, mutate_designs({space, fused}, parents, 40, 7));
  EXPECT_NE(found, mutate_designs({space, fused}, parents, 40, 8));
  // Nothing to mutate, nowhere to go, nobody to start from.
  const DesignSpace one({Parameter::ordinal("n", {5})}), two({Parameter::boolean("b")});
  EXPECT_THAT(mutate_designs({one, {}}, std::vector<Design>{{0}}, 4, 1), IsEmpty());
  EXPECT_THAT(mutate_designs({two, {}}, std::vector<Design>{{0}}, 4, 1), ElementsAre(Design{1}));
  EXPECT_THAT(mutate_designs({space, {}}, {}, 4, 1), IsEmpty());
}

TEST(Negatives, GradientsLeadToDesignsThatTheNetworkTakesForGood) {
  for (const auto& [name, kind] : network_kinds) {
    SCOPED_TRACE(name);
    for (const DesignSpace& space : {DesignSpace::edge(), test::mixed_space()}) {
      NetworkSpec spec;
      spec.kind = kind;
      spec.hidden = {32};
      spec.embedding = 8;
      spec.heads = 2;
      spec.feed_forward = 16;
      Learner learner(space, spec, 0, {}, 3);
      std::vector<float> parameters = learner.parameters();
      Rng rng(6);
      for (float& value : parameters) value += static_cast<float>(0.1 * rng.normal());
      learner.set_parameters(parameters);
      std::vector<Design> starts = test::random_designs(space, 100, 1);
      const std::vector<Design> found = learner.descend(starts, 5);
      ASSERT_EQ(found.size(), starts.size());
      const std::vector<float> before = learner.outputs(starts), after = learner.outputs(found);
      std::size_t better = 0;
      for (std::size_t i = 0; i < 100; ++i) better += after[2 * i] < before[2 * i];
      EXPECT_GE(better, 85U);
      EXPECT_EQ(found, learner.descend(starts, 5));
      EXPECT_EQ(learner.parameters(), parameters) << "the gradient stops before the parameters";
      // Each moves by its own gradient: the others change nothing. The noise is drawn in order.
      starts.resize(1);
      EXPECT_EQ(learner.descend(starts, 5)[0], found[0]);
    }
  }
}

TEST(Negatives, AreKeptUntilNewerOnesNeedTheRoom) {
  const DesignSpace space({Parameter::integer("n", 0, 99)});
  std::vector<Design> kept = {{1}, {2}, {3}};
  add_to_kept(space, std::vector<Design>{{4}, {2}}, 4, kept);
  EXPECT_THAT(kept, ElementsAre(Design{1}, Design{3}, Design{4}, Design{2}));
  add_to_kept(space, std::vector<Design>{{5}}, 4, kept);
  EXPECT_THAT(kept, ElementsAre(Design{3}, Design{4}, Design{2}, Design{5}));
  const auto odd = [](const Design& design) { return design[0] % 2 == 1; };
  std::vector<Design> designs = {{3}, {4}, {5}, {5}, {7}};
  keep_new({space, odd}, std::vector<DesignId>{7}, designs);
  EXPECT_THAT(designs, ElementsAre(Design{3}, Design{5}));
}

TEST(Options, ReadEveryKeyAndTellTypos) {
  const auto read = [](const char* text) { return training_options_from_config(Config::parse(text, "s.yaml")); };
  EXPECT_EQ(read("{}"), TrainingOptions{});
  const TrainingOptions options = read(
      "{network: attention, hidden: [64], embedding: 32, layers: 1, heads: 4, feed_forward: 128, dropout: 0, steps: 10,"
      " batch: 8, learning_rate: 1e-3, ensemble: 2, refit: false, protocol: paper, negatives: random,"
      " negatives_every: 5, grid: [{alpha: 1, beta: 0.5}], withhold: 0.1, checkpoint_every: 5, threads: 3, seed: 7}");
  EXPECT_EQ(options.hidden, std::vector<std::int64_t>{64});
  EXPECT_EQ(options.grid, (std::vector<Conservatism>{{1, 0.5}}));
  EXPECT_EQ(options.negatives, "random");
  EXPECT_FALSE(options.refit);
  EXPECT_EQ(options.threads, 3U);
  EXPECT_EQ(to_json(options)["heads"], 4);
  EXPECT_EQ(to_json(options)["penalty"], "published") << "the protocol's";
  EXPECT_EQ(to_json(read("{protocol: paper, penalty: gap}"))["penalty"], "gap");
  EXPECT_EQ(to_json(TrainingOptions{})["penalty"], "hinge");
  EXPECT_EQ(read("{regression: none, ranking: 0.5}").ranking, 0.5);
  EXPECT_EQ(to_json(read("{network: lstm, embedding: 32, experts: 4}"))["embedding"], 32);
  EXPECT_EQ(read("{experts: 4}").experts, 4);
  expect_error([&] { read("{experts: 0}"); }, ErrorCode::invalid_input, "s.yaml:1:");
  EXPECT_EQ(read("{minutes: 0.5}").minutes, 0.5);
  EXPECT_EQ(read("{patience: 3}").patience, 3);
  EXPECT_EQ(read("{negatives: gradient}").negatives, "gradient");
  EXPECT_TRUE(read("{negatives: mutation, keep_negatives: true}").keep_negatives);
  EXPECT_EQ(default_learning_rate(read("{optimizer: rmsprop}")), 1e-3);
  EXPECT_DOUBLE_EQ(default_learning_rate(read("{optimizer: sgd, network: attention}")), 1e-2);
  expect_error([&] { read("{optimizer: sdg}"); }, ErrorCode::invalid_input, "sdg", "sgd");
  expect_error([&] { read("{regression: none}"); }, ErrorCode::invalid_input, "ranking");
  expect_error([&] { read("{penalty: hing}"); }, ErrorCode::invalid_input, "hing", "hinge");
  expect_error([&] { read("{stesp: 3}"); }, ErrorCode::invalid_input, "stesp", "steps");
  expect_error([&] { read("{steps: 0}"); }, ErrorCode::invalid_input, "s.yaml:1:9");
  expect_error([&] { read("{network: transformer}"); }, ErrorCode::invalid_input, "transformer");
  expect_error([&] { read("{negatives: fierfly}"); }, ErrorCode::invalid_input, "fierfly", "firefly");
  expect_error([&] { read("{grid: []}"); }, ErrorCode::invalid_input, "grid");
  expect_error([&] { read("{grid: [{alpha: -1, beta: 0}]}"); }, ErrorCode::invalid_input, "s.yaml:1:");
  expect_error([&] { read("{network: attention, heads: 7}"); }, ErrorCode::invalid_input, "divide");
  expect_error([&] { read("{hidden: []}"); }, ErrorCode::invalid_input, "hidden");
  expect_error([&] { read("{withhold: 0.95}"); }, ErrorCode::invalid_input, "0.95");
}

}  // namespace
}  // namespace corbel
