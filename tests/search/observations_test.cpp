#include "corbel/search/observations.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "corbel/base/error.hpp"
#include "corbel/search/design_features.hpp"

namespace corbel {
namespace {

DesignSpace space() {
  return DesignSpace({Parameter::ordinal("pes", {1, 2, 4, 8, 16}), Parameter::ordinal("one", {7}),
                      Parameter::categorical("dataflow", {"ws", "os", "rs"}), Parameter::boolean("simd")});
}

TEST(DesignFeatures, OrderedParametersAreRanksAndCategoriesColumns) {
  const DesignFeatures features(space());
  ASSERT_EQ(features.columns(), 5u);
  std::vector<double> row(5);
  features.write({3, 0, 1, 1}, row);
  EXPECT_EQ(row, (std::vector<double>{0.75, 0, 1, 0, 1}));
  EXPECT_EQ(features.parameter_of(0), 0u);
  EXPECT_EQ(features.parameter_of(3), 2u);
  EXPECT_EQ(features.parameter_of(4), 3u);
}

TEST(Observations, KeepTheFirstEvaluationOfEachDesignAndTheBest) {
  Observations observations(space());
  EXPECT_EQ(observations.best(), nullptr);
  EXPECT_TRUE(observations.add({{0, 0, 0, 0}, {std::nan(""), 2}}));
  EXPECT_TRUE(observations.add({{1, 0, 0, 0}, {5, 0}}));
  EXPECT_TRUE(observations.add({{2, 0, 0, 0}, {4, 0.5}}));
  EXPECT_FALSE(observations.add({{0, 0, 0, 0}, {1, 0}}));
  EXPECT_EQ(observations.size(), 3u);
  EXPECT_EQ(observations.best()->design, (Design{1, 0, 0, 0}));

  Observations loaded(space());
  loaded.from_json(observations.to_json());
  EXPECT_EQ(loaded.to_json(), observations.to_json());
  EXPECT_EQ(loaded.best()->score.objective, 5);
}

TEST(Observations, RankEqualsByTheOrderInWhichTheyCame) {
  Observations observations(space());
  const std::vector<Score> scores = {{std::nan(""), 2}, {5, 0}, {4, 0.5}, {3, 0}, {5, 0}};
  for (std::uint32_t i = 0; i < scores.size(); ++i) observations.add({{i, 0, 0, 0}, scores[i]});
  EXPECT_EQ(observations.best(3), (std::vector<std::size_t>{3, 1, 4}));
  EXPECT_EQ(observations.best(9), (std::vector<std::size_t>{3, 1, 4, 2, 0}));
}

TEST(Observations, AThinnedRankingKeepsItsBestAndSpreadsTheOthers) {
  std::vector<std::size_t> ranking = {9, 8, 7, 6, 5, 4, 3, 2};
  thin_ranking(ranking, 2, 8);
  EXPECT_EQ(ranking.size(), 8u);
  thin_ranking(ranking, 2, 5);
  EXPECT_EQ(ranking, (std::vector<std::size_t>{9, 8, 7, 5, 3}));
}

TEST(Observations, RefuseADamagedList) {
  Observations observations(space());
  observations.add({{1, 0, 0, 0}, {5, 0}});
  nlohmann::json twice = observations.to_json();
  twice.push_back(twice[0]);
  EXPECT_THROW(observations.from_json(twice), Error);
  EXPECT_EQ(observations.size(), 1u);
}

}  // namespace
}  // namespace corbel
