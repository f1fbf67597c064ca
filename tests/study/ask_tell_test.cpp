#include "corbel/study/ask_tell.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "base/expect_error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/dataset/store.hpp"
#include "corbel/study/pipeline.hpp"
#include "corbel/study/study_keys.hpp"
#include "support/borrowed.hpp"
#include "support/temporary_folder.hpp"

namespace corbel {
namespace {

using nlohmann::json;

/// 20 × 20 × 2 designs.
const std::string study_text = R"(space:
  parameters:
    a: {range: [0, 19]}
    b: {range: [0, 19]}
    flow: {values: [ws, os]}
objective: cost_ms
constraints: [a + b <= 30]
search: {method: firefly}
)";

class AskTellTest : public testing::Test {
 protected:
  StudyFile load(const std::string& text = study_text) const {
    return StudyFile::load(folder.write("study.yaml", text));
  }
  /// (a − 3)² + (b − 14)², 5 more with os.
  static double cost(const Design& design) {
    const double a = design[0], b = design[1];
    return (a - 3) * (a - 3) + (b - 14) * (b - 14) + 5 * design[2];
  }
  static json result(const StudyFile& study, DesignId id) {
    return {{"id", id}, {"metrics", {{"cost_ms", cost(study.space->design(id))}}}};
  }
  static AskTell::Told tell(const StudyFile& study, const json& results) {
    return AskTell(study).tell(results.dump(), "results.json");
  }
  static void refused(const StudyFile& study, const std::string& results, const std::string& part,
                      const std::string& hint, ErrorCode code = ErrorCode::invalid_input) {
    expect_error([&] { AskTell(study).tell(results, "results.json"); }, code, part, hint);
  }
  test::TemporaryFolder folder;
};

TEST_F(AskTellTest, FindsTheOptimumOfAProgramThatItDoesNotKnow) {
  const StudyFile study = load();
  AskTell::Told told;
  std::set<DesignId> seen;
  for (int round = 0; round < 40; ++round) {
    const AskTell::Asked asked = AskTell(study).ask(5);
    ASSERT_EQ(asked.designs.size(), 5U);
    EXPECT_EQ(asked.waiting, 5U);
    json results = json::array();
    for (const DesignId id : asked.designs) {
      EXPECT_TRUE(seen.insert(id).second) << "a design is given out once";
      const Design design = study.space->design(id);
      EXPECT_LE(design[0] + design[1], 30U);
      results.push_back(result(study, id));
    }
    told = tell(study, {{"results", results}});
    EXPECT_EQ(told.told, 5U);
    EXPECT_EQ(told.complete, 5U);
    EXPECT_EQ(told.repeated, 0U);
    EXPECT_EQ(told.waiting, 0U);
  }
  ASSERT_TRUE(told.best);
  EXPECT_EQ(told.best->objective, 0);
  EXPECT_EQ(study.space->design_text(study.space->design(told.best->id)), "a=3 b=14 flow=ws");
  EXPECT_EQ(told.best->metrics, (std::vector<std::pair<std::string, double>>{{"cost_ms", 0}}));
}

TEST_F(AskTellTest, MaximisesWhereTheStudySaysSo) {
  std::string text = study_text;
  text.replace(text.find("cost_ms"), 7, "{maximise: cost_ms}");
  const StudyFile study = load(text);
  AskTell::Told told;
  for (int round = 0; round < 40; ++round) {
    json results = json::array();
    for (const DesignId id : AskTell(study).ask(5).designs) results.push_back(result(study, id));
    told = tell(study, {{"results", results}});
  }
  ASSERT_TRUE(told.best);
  EXPECT_EQ(study.space->design_text(study.space->design(told.best->id)), "a=19 b=0 flow=os");
  EXPECT_EQ(told.best->objective, 16 * 16 + 14 * 14 + 5);
}

TEST_F(AskTellTest, GivesOutWhatOneStrategyWouldHoweverItIsCut) {
  // One call after another, each a process of its own as far as it knows, is one search.
  const StudyFile study = load();
  std::vector<DesignId> asked;
  Strategy strategy = make_strategy(
      "firefly", {*study.space, [](const Design& design) { return design[0] + design[1] <= 30; }}, {}, study.seed);
  for (int round = 0; round < 20; ++round) {
    const std::vector<DesignId> ids = AskTell(study).ask(3).designs;
    const std::vector<Design> designs = strategy.ask(3);
    ASSERT_EQ(ids.size(), designs.size());
    json results = json::array();
    std::vector<Evaluation> evaluations;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      EXPECT_EQ(ids[i], study.space->id(designs[i])) << round;
      results.push_back(result(study, ids[i]));
    }
    tell(study, results);
    // The order of designs that became known together is that of their ids.
    std::vector<DesignId> sorted = ids;
    std::sort(sorted.begin(), sorted.end());
    for (const DesignId id : sorted) {
      const Design design = study.space->design(id);
      evaluations.push_back({design, {cost(design), 0}});
    }
    strategy.tell(evaluations);
  }
}

TEST_F(AskTellTest, ListsWhatIsWaitingWithoutGivingOutMore) {
  const StudyFile study = load();
  EXPECT_EQ(AskTell(study).waiting().waiting, 0U);
  EXPECT_FALSE(std::filesystem::exists(study.store_location().file())) << "looking makes nothing";
  std::vector<DesignId> ids = AskTell(study).ask(4).designs;
  tell(study, json::array({result(study, ids[1])}));
  ids.erase(ids.begin() + 1);
  std::sort(ids.begin(), ids.end());
  const AskTell::Asked waiting = AskTell(study).waiting();
  EXPECT_EQ(waiting.designs, ids);
  EXPECT_EQ(waiting.waiting, 3U);
  EXPECT_EQ(AskTell(study).ask(2).waiting, 5U);
}

TEST_F(AskTellTest, EndsWithTheSpace) {
  const StudyFile study =
      load("space: {parameters: {a: {range: [0, 9]}}}\nobjective: cost_ms\nconstraints: [a != 4]\n");
  EXPECT_EQ(AskTell(study).ask(7).designs.size(), 7U);
  const AskTell::Asked rest = AskTell(study).ask(7);
  EXPECT_EQ(rest.designs.size(), 2U);
  EXPECT_TRUE(rest.exhausted);
  EXPECT_EQ(rest.waiting, 9U);
  EXPECT_TRUE(AskTell(study).ask(1).designs.empty());
}

TEST_F(AskTellTest, GivesOutFailedDesignsTwiceMore) {
  const StudyFile study = load();
  const DesignId id = AskTell(study).ask(1).designs.at(0);
  const json failure = json::array({{{"id", id}, {"state", "failed"}, {"reason", "timeout"}}});
  for (int attempt = 1; attempt <= 2; ++attempt) {
    EXPECT_EQ(tell(study, failure).failed, 1U);
    EXPECT_EQ(tell(study, failure).repeated, 1U) << "told twice is one failure";
    const AskTell::Asked again = AskTell(study).ask(3);
    EXPECT_EQ(again.designs.at(0), id) << attempt;
  }
  tell(study, failure);
  for (int round = 0; round < 3; ++round) {
    for (const DesignId other : AskTell(study).ask(3).designs) EXPECT_NE(other, id) << "set aside";
  }
  // A result that comes all the same is welcome.
  EXPECT_EQ(tell(study, json::array({result(study, id)})).complete, 1U);
  EXPECT_EQ(tell(study, json::array({result(study, id)})).repeated, 1U);
  refused(study, failure.dump(),
          "result 0: design " + std::to_string(id) + " is failed (timeout); it was told as complete, cost_ms",
          "the first one stays", ErrorCode::mismatch);
}

TEST_F(AskTellTest, TakesDesignsThatNobodyAskedFor) {
  const StudyFile study = load();
  // The optimum and designs around it.
  json results = json::array();
  for (int a = 1; a <= 5; ++a) {
    for (int b = 12; b <= 16; ++b) {
      const Design design = study.space->parse("a=" + std::to_string(a) + ",b=" + std::to_string(b) + ",flow=ws");
      results.push_back({{"design", {{"a", a}, {"b", b}, {"flow", "ws"}}}, {"metrics", {{"cost_ms", cost(design)}}}});
    }
  }
  results.push_back({{"design", {{"a", "19"}, {"b", 19}, {"flow", "os"}}}, {"state", "infeasible"}, {"reason", "big"}});
  const AskTell::Told told = tell(study, results);
  EXPECT_EQ(told.told, 26U);
  EXPECT_EQ(told.complete, 25U);
  EXPECT_EQ(told.infeasible, 1U);
  EXPECT_EQ(told.best->objective, 0);
  // The search knows them: none is given out.
  std::set<DesignId> known;
  for (int round = 0; round < 20; ++round) {
    for (const DesignId id : AskTell(study).ask(5).designs) {
      const Design design = study.space->design(id);
      const bool is_told = design[2] == 0 && design[0] >= 1 && design[0] <= 5 && design[1] >= 12 && design[1] <= 16;
      EXPECT_FALSE(is_told) << study.space->design_text(design);
    }
  }
}

TEST_F(AskTellTest, KeepsEachResultOnce) {
  const StudyFile study = load();
  tell(study, R"([{"id": 7, "metrics": {"cost_ms": 5}}, {"id": 8, "state": "infeasible", "reason": "lut"}])"_json);
  const AskTell::Told again = tell(
      study,
      R"([{"id": 8, "state": "infeasible", "reason": "lut"}, {"id": 7, "state": "complete", "metrics": {"cost_ms": 5.0}},
                 {"id": 9, "metrics": {"cost_ms": 1}}, {"id": 9, "metrics": {"cost_ms": 1}}])"_json);
  EXPECT_EQ(again.told, 4U);
  EXPECT_EQ(again.repeated, 3U);
  EXPECT_EQ(again.best->objective, 1);
  refused(study, R"([{"id": 7, "metrics": {"cost_ms": 6}}])",
          "results.json: result 0: design 7 is complete, cost_ms 6; it was told as complete, cost_ms 5", "",
          ErrorCode::mismatch);
  refused(study, R"([{"id": 8, "metrics": {"cost_ms": 6}}])", "it was told as infeasible (lut)", "",
          ErrorCode::mismatch);
  refused(study, R"([{"id": 10, "metrics": {"cost_ms": 6}}, {"id": 10, "metrics": {"cost_ms": 7}}])",
          "result 1: design 10 is complete, cost_ms 7; results.json: result 0 says as complete, cost_ms 6", "",
          ErrorCode::mismatch);
}

TEST_F(AskTellTest, TakesAllOfAFileOrNothing) {
  const StudyFile study = load();
  tell(study, R"([{"id": 7, "metrics": {"cost_ms": 5}}])"_json);
  const std::vector<DesignId> asked = AskTell(study).ask(2).designs;
  refused(study, json{result(study, asked[0]), {{"id", 7}, {"metrics", {{"cost_ms", 6}}}}}.dump(), "result 1", "",
          ErrorCode::mismatch);
  refused(study, json{result(study, asked[0]), {{"id", asked[1]}, {"metrics", {{"cost", 6}}}}}.dump(), "result 1", "");
  EXPECT_EQ(AskTell(study).waiting().waiting, 2U);
  EXPECT_EQ(tell(study, json::array()).best->objective, 5);
}

TEST_F(AskTellTest, NamesEntryKeyAndValueOfWhatItCannotTake) {
  const StudyFile study = load(
      "space: {parameters: {pes: {values: [1, 2, 4]}, memory: {values: [64, 128], unit: KiB}, fast: boolean}}\n"
      "objective: cost_ms\nconstraints: [area_mm2 <= 20, pes * memory <= 256]\nmetrics: [power_w]\n");
  const auto entry = [&](const std::string& text, const std::string& part, const std::string& hint) {
    refused(study, R"([{"id": 0, "metrics": {"cost_ms": 1, "area_mm2": 1}}, )" + text + "]",
            "results.json: result 1: " + part, hint);
  };
  entry(R"(7)", "`7` is no result", "write objects");
  entry(R"({"id": 1})", "it has neither `metrics` nor a `state`", R"("state": "infeasible")");
  entry(R"({"metrics": {"cost_ms": 1, "area_mm2": 1}})", "it says of no design what it is", "`id`");
  entry(R"({"id": 12, "state": "failed"})", "`id` is `12`", "whole numbers from 0 to 11");
  entry(R"({"id": -1, "state": "failed"})", "`id` is `-1`", "0 to 11");
  entry(R"({"id": 1.5, "state": "failed"})", "`id` is `1.5`", "0 to 11");
  entry(R"({"id": "1", "state": "failed"})", "`id` is `\"1\"`", "0 to 11");
  entry(R"({"id": 1, "state": "faild"})", "unknown state `faild`", "did you mean `failed`?");
  entry(R"({"id": 1, "state": 3})", "`state` is `3`", "complete, infeasible or failed");
  entry(R"({"id": 1, "stat": "failed"})", "unknown key `stat`", "did you mean `state`?");
  entry(R"({"id": 1, "state": "failed", "reason": 7})", "`reason` is `7`", "short word");
  entry(R"({"id": 1, "metrics": {"cost_ms": 1, "area_mm2": 1}, "reason": "slow"})",
        "`reason` is `slow`, and the design is complete", "remove it");
  entry(R"({"id": 1, "metrics": [1]})", "`metrics` is a list", "latency_ms");
  entry(R"({"id": 1, "metrics": {"cost_mz": 1}})", "unknown metric `cost_mz`", "did you mean `cost_ms`?");
  entry(R"({"id": 1, "metrics": {"cost_ms": "1 ms"}})", "`metrics`: `cost_ms` is `\"1 ms\"`", "finite number");
  entry(R"({"id": 1, "metrics": {"cost_ms": true}})", "`metrics`: `cost_ms` is `true`", "finite number");
  entry(R"({"id": 1, "metrics": {"cost_ms": 1}})", "`metrics` lacks `area_mm2`, which the limit `area_mm2 <= 20` reads",
        "infeasible");
  entry(R"({"id": 1, "metrics": {"cost_ms": null, "area_mm2": 2}})", "`metrics` lacks `cost_ms`, the objective", "");
  entry(R"({"id": 1, "state": "complete"})", "`metrics` lacks `cost_ms`", "");
  entry(R"({"design": 3, "state": "failed"})", "`design` is `3`", "every parameter");
  const auto design = [&](const std::string& text, const std::string& part, const std::string& hint) {
    refused(study, R"([{"design": )" + text + R"(, "state": "failed"}])", "results.json: result 0" + part, hint);
  };
  design(R"({"pes": 3, "memory": 64, "fast": true})", ", `design`: `3` is not a value of `pes`", "1, 2, 4");
  design(R"({"peas": 1, "memory": 64, "fast": true})", ", `design`: unknown parameter `peas`", "did you mean `pes`?");
  design(R"({"pes": 1, "fast": true})", ", `design`: the design has no value for `memory`", "every parameter");
  design(R"({"pes": [1], "memory": 64, "fast": true})", ": `design`: `pes` is a list", "number");
  design(R"({"pes": 1, "memory": null, "fast": true})", ": `design`: `memory` is `null`", "number");
  refused(study, R"([{"id": 5, "design": {"pes": 1, "memory": 64, "fast": false}, "state": "failed"}])",
          "result 0: `id` is 5, and `design` is that of 0", "one of them");

  refused(study, "", "results.json: not JSON: parse error at line 1, column 1", "list of results");
  refused(study, R"([{"id": 1, "metrics": {"cost_ms": NaN, "area_mm2": 1}}])", "not JSON", "JSON has no NaN");
  refused(study, R"([{"id": 1, "metrics": {"cost_ms": 1e999, "area_mm2": 1}}])", "not JSON", "");
  refused(study, R"([{"id": 1, "metrics": {"cost_ms": 1, "cost_ms": 2, "area_mm2": 1}}])",
          "results.json: result 0: the key `cost_ms` stands twice", "keep one");
  refused(study, R"({"study": "x", "results": [3, [1], {"id": 1, "id": 2}]})",
          "results.json: result 2: the key `id` stands twice", "keep one");
  refused(study, R"({"results": [{"id": 1}], "results": []})", "results.json: the key `results` stands twice", "");
  try {
    AskTell(study).tell("[\"" + std::string(100'000, 'x'), "results.json");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_LT(std::string(error.what()).size(), 500U) << "not all of what cannot be read";
  }
  refused(study, "7", "results.json: `7` is no list of results", "write [");
  refused(study, R"({"result": []})", "unknown key `result`", "did you mean `results`?");
  refused(study, R"({"study": "x"})", "it has no `results`", "results");
  refused(study, R"({"results": {"id": 1}})", "an object is no list of results", "write [");
  refused(study, std::string(100'000, '['), "nested too deeply", "list of results");

  EXPECT_FALSE(std::filesystem::exists(study.store_location().file()) &&
               Store(study.store_location(), Store::Mode::read_only).groups().size() > 0)
      << "nothing was told";
  // What is right: units of the space, further metrics, nulls for what is not known.
  const AskTell::Told told = AskTell(study).tell(
      R"({"study": "x", "results": [{"id": 0, "design": {"pes": 1.0, "memory": "64 KiB", "fast": "false"},
          "metrics": {"cost_ms": 3, "area_mm2": 20, "power_w": null}, "state": "complete", "reason": ""}]})",
      "x");
  EXPECT_EQ(told.best->objective, 3);
}

TEST_F(AskTellTest, BeginsAnotherSearchForAnotherQuestion) {
  const StudyFile study = load();
  const std::vector<DesignId> first = AskTell(study).ask(6).designs;
  json results = json::array();
  for (const DesignId id : first) results.push_back(result(study, id));
  results.erase(0);
  tell(study, results);
  const auto changed = [&](const std::string& old, const std::string& replacement) {
    std::string text = study_text;
    text.replace(text.find(old), old.size(), replacement);
    return load(text);
  };
  std::set<DesignId> given(first.begin(), first.end());
  for (const StudyFile& other : {changed("<= 30", "<= 25"), changed("firefly", "evolution"),
                                 changed("search:", "seed: 2\nsearch:"), changed("method: firefly", "method: auto")}) {
    for (const DesignId id : AskTell(other).ask(4).designs) {
      EXPECT_TRUE(given.insert(id).second) << "designs given out before are not given out again";
    }
  }
  // Back to the first: all are known.
  for (const DesignId id : AskTell(study).ask(4).designs) EXPECT_TRUE(given.insert(id).second);
  EXPECT_EQ(AskTell(study).waiting().waiting, 21U);
}

TEST_F(AskTellTest, LearnsToAskForMoreMetrics) {
  const StudyFile study = load();
  tell(study, R"([{"id": 7, "metrics": {"cost_ms": 5}}, {"id": 9, "metrics": {"cost_ms": 6}}])"_json);
  const StudyFile limited = load(study_text + "metrics: [power_w]\n");
  EXPECT_EQ(tell(limited, R"([{"id": 8, "metrics": {"cost_ms": 7, "power_w": 2}}])"_json).best->objective, 5);
  std::string text = study_text;
  text.replace(text.find("[a + b"), 6, "[power_w <= 3, a + b");
  const StudyFile by_power = load(text);
  const AskTell::Told told = tell(by_power, R"([{"id": 8, "metrics": {"cost_ms": 7, "power_w": 2}}])"_json);
  EXPECT_EQ(told.repeated, 1U);
  EXPECT_EQ(told.best->id, 8U) << "the power of the others is not known";
  const Store store(study.store_location(), Store::Mode::read_only);
  const Dataset data = told_log(by_power, test::borrowed(store))->read();
  EXPECT_EQ(data.rows(), 3U);
  EXPECT_EQ(data.group.metrics, (std::vector<std::string>{"cost_ms", "power_w"}));
  EXPECT_TRUE(std::isnan(data.metric(0, 1)));
  EXPECT_EQ(data.metric(1, 1), 2);
  // A limit that has come since the last call is not in the store yet.
  text.replace(text.find("[power_w"), 8, "[area_mm2 <= 3, power_w");
  EXPECT_EQ(told_log(load(text), test::borrowed(store))->group().metrics,
            (std::vector<std::string>{"cost_ms", "power_w", "area_mm2"}));
}

TEST_F(AskTellTest, IsSafeWithManyAtOnce) {
  const StudyFile study = load();
  std::mutex mutex;
  std::vector<DesignId> given;
  std::vector<std::thread> threads;
  for (int worker = 0; worker < 8; ++worker) {
    threads.emplace_back([&, worker] {
      for (int round = 0; round < 8; ++round) {
        const std::vector<DesignId> ids = AskTell(study).ask(1 + static_cast<std::size_t>(worker) % 3).designs;
        {
          const std::lock_guard lock(mutex);
          given.insert(given.end(), ids.begin(), ids.end());
        }
        json results = json::array();
        // Every fourth answer never comes.
        for (const DesignId id : ids) {
          if (id % 4 != 0) results.push_back(result(study, id));
        }
        tell(study, results);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(given.size(), 8U * (1 + 2 + 3 + 1 + 2 + 3 + 1 + 2));
  std::sort(given.begin(), given.end());
  EXPECT_EQ(std::adjacent_find(given.begin(), given.end()), given.end()) << "no design is given out twice";
  std::vector<DesignId> waiting, told;
  for (const DesignId id : given) (id % 4 == 0 ? waiting : told).push_back(id);
  EXPECT_EQ(AskTell(study).waiting().designs, waiting);
  const Store store(study.store_location(), Store::Mode::read_only);
  EXPECT_EQ(told_log(study, test::borrowed(store))->read().designs, told);
}

TEST_F(AskTellTest, KnowsTheLimitsThatASimulatorComputes) {
  // The study's own simulator is somebody else's to run.
  const StudyFile study = load(
      "space: edge\nworkload: mobilenet_v2\nsimulator: edge\nobjective: latency_ms\nconstraints: [area_mm2 <= 20]\n");
  const HardwareBinding binding(*study.simulator, *study.space);
  std::size_t area = 0;
  while (study.simulator->metrics()[area].name != "area_mm2") ++area;
  for (const DesignId id : AskTell(study).ask(50).designs) {
    EXPECT_LE(study.simulator->static_metrics(binding.hardware(study.space->design(id)))[area], 20);
  }
  tell(study, R"([{"id": 3, "metrics": {"latency_ms": 2, "area_mm2": 5, "power_w": 1}}])"_json);
  expect_error([&] { Pipeline(study, silent_monitor()).trials(); }, ErrorCode::not_found, "no trials of this study's",
               "corbel sweep");
}

TEST_F(AskTellTest, HearsNothingOfOtherNetworks) {
  const auto of = [&](const std::string& workloads) { return load(workloads + study_text); };
  const StudyFile first = of("workload: mobilenet_v2\n");
  const std::vector<DesignId> asked = AskTell(first).ask(6).designs;
  json results = json::array();
  for (const DesignId id : asked) results.push_back(result(first, id));
  tell(first, results);
  // In the same store, from the beginning.
  const StudyFile second = of("workload: resnet50\n");
  EXPECT_EQ(AskTell(second).ask(6).designs, asked);
  EXPECT_FALSE(tell(second, json::array()).best);
}

TEST_F(AskTellTest, HearsNothingOfOtherWeights) {
  const auto weighted = [&](const std::string& weight) {
    return load("space: edge\nworkloads: [mobilenet_v2, {name: resnet50, weight: " + weight +
                "}]\nsimulator: edge\nobjective: latency_ms\n");
  };
  const StudyFile first = weighted("1"), second = weighted("2");
  tell(first, R"([{"id": 3, "metrics": {"latency_ms": 2}}])"_json);
  EXPECT_FALSE(tell(second, json::array()).best) << "the combined latency of other weights";
  EXPECT_EQ(tell(first, json::array()).best->objective, 2);
}

TEST_F(AskTellTest, BeginsAnewWhereItsStateCannotBeRead) {
  const StudyFile study = load();
  std::set<DesignId> given;
  for (const char* state : {"", "no JSON", "[]", R"({"key": 5})", R"({"key": null})"}) {
    if (*state) Store(study.store_location(), Store::Mode::read_write).set_note("ask strategy 1", state);
    const std::vector<DesignId> asked = AskTell(study).ask(3).designs;
    EXPECT_EQ(asked.size(), 3U) << state;
    for (const DesignId id : asked) EXPECT_TRUE(given.insert(id).second) << state;
  }
}

TEST_F(AskTellTest, NeedsASpace) {
  folder.write("log.csv", "pes,feasible,latency_ms\n1,1,9\n2,1,8\n");
  const StudyFile study = load("import: {file: log.csv}\nobjective: latency_ms\n");
  expect_error([&] { AskTell{study}; }, ErrorCode::unsupported, "leaves its `space` to the log", "space: {parameters");
}

TEST(ToldStudy, IsRefusedWhatItCannotMean) {
  const test::TemporaryFolder folder;
  const auto load = [&](const std::string& text) {
    return StudyFile::load(folder.write("study.yaml", "space: {parameters: {pes: {values: [1, 2, 4]}}}\n" + text));
  };
  const auto refused = [&](const std::string& text, const std::string& part, const std::string& hint) {
    expect_error([&] { load(text); }, ErrorCode::invalid_input, part, hint);
  };
  EXPECT_EQ(load("objective: x\nconstraints: [y <= 2 * pes, 'max(z, x) < 3']\nmetrics: [w]\n").told_metrics(),
            (std::vector<std::string>{"x", "y", "z", "w"}));
  refused("objective: pes\n", "study.yaml:2:12: `pes` is a parameter of the space, not a metric", "latency_ms");
  refused("objective: run time\n", "study.yaml:2:12: `run time` cannot be the name of a metric", "letters");
  refused("objective: x\nconstraints: [pess <= 2]\n", "`pess` is no parameter of the space", "did you mean `pes`?");
  EXPECT_EQ(load("objective: x\nconstraints: [pess <= 2]\nmetrics: [pess]\n").told_metrics().size(), 2U);
  refused("objective: x\nmetrics: [pes]\n", "study.yaml:3:11: `pes` is a parameter", "rename");
  refused("objective: x\nmetrics: [a b]\n", "study.yaml:3:11: `a b` cannot be the name of a metric", "letters");
  refused("objective: x\nsweep: {designs: 7}\n", "study.yaml:3:8: `sweep` needs a simulator", "add `simulator:`");
  refused("objective: x\nvalidate: {designs: 7}\n", "study.yaml:3:11: `validate` needs a simulator", "");
  refused("objective: x\nworkloads: [mobilenet_v2, resnet50]\n", "several `workloads:` need a simulator's own trials",
          "tell metrics");
  expect_error(
      [&] {
        StudyFile::load(folder.write("edge.yaml",
                                     "space: edge\nworkload: resnet50\nsimulator: edge\nobjective: latency_ms\n"
                                     "metrics: [x]\n"));
      },
      ErrorCode::invalid_input, "`metrics` says what a study without simulator and log is told", "remove it");
}

TEST(ToldStudy, HasKeysOfItsOwn) {
  const test::TemporaryFolder folder;
  const auto question = [&](const std::string& text) {
    const StudyFile study = StudyFile::load(folder.write("study.yaml", text));
    return StudyKeys(study).question();
  };
  const std::string small = "space: {parameters: {pes: {values: [1, 2, 4]}}}\nobjective: x\n";
  EXPECT_EQ(question(small), question(small + "seed: 3\nmetrics: [y]\n"));
  EXPECT_NE(question(small), question(small + "constraints: [pes <= 2]\n"));
  EXPECT_NE(question(small), question("space: {parameters: {pes: {values: [1, 2, 4, 8]}}}\nobjective: x\n"));
}

}  // namespace
}  // namespace corbel
