#include "corbel/search/scan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <mutex>
#include <nlohmann/json.hpp>

#include "corbel/base/error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/random.hpp"
#include "corbel/search/space_walk.hpp"
#include "support/temporary_folder.hpp"

namespace corbel {
namespace {

using test::TemporaryFolder;

/// Stops when told, and remembers what it was told.
class Listener final : public Monitor {
 public:
  void progress(std::string_view, std::uint64_t done, std::uint64_t total, std::string_view note) override {
    const std::lock_guard lock(mutex_);
    last_done = std::max(last_done, done);
    last_total = total;
    last_note = note;
  }
  void message(std::string_view text) override {
    const std::lock_guard lock(mutex_);
    messages += std::string(text) + "\n";
  }
  bool stop_requested() const override { return stop; }

  std::atomic<bool> stop = false;
  std::uint64_t last_done = 0, last_total = 0;
  std::string last_note, messages;

 private:
  std::mutex mutex_;
};

/// 100 · 7 · 50 = 35,000 designs, with plateaus (ties), infeasible designs and designs without an objective.
const DesignSpace& bumpy_space() {
  static const DesignSpace made(
      {Parameter::integer("a", 0, 99), Parameter::integer("b", 0, 6), Parameter::integer("c", 0, 49)});
  return made;
}

Score bumpy_score(const Design& d) {
  const double value = static_cast<double>((d[0] * 37 + d[1] * 101 + d[2] * 53) % 97);
  if (d[0] % 5 == 1) return {value, 0.1 + value};
  if (d[0] % 5 == 2) return {std::nan(""), 0};
  if (d[0] % 5 == 3 && d[1] == 4) return Score::failure();
  return {value, 0};
}

std::unique_ptr<Objective> bumpy() {
  return make_objective(bumpy_space(), bumpy_score);
}

std::vector<BoundConstraint> bound(const std::vector<std::string>& limits, const DesignSpace& space) {
  std::vector<BoundConstraint> all;
  for (const std::string& limit : limits) all.emplace_back(Constraint::parse(limit), space, std::span<std::string>());
  return all;
}

SearchDomain within(const std::vector<std::string>& limits, const DesignSpace& space = bumpy_space()) {
  return make_domain(space, bound(limits, space));
}

std::vector<SearchDomain> domains() {
  std::vector<DesignId> left_out;
  for (DesignId id = 11; id < bumpy_space().size(); id += 1237) left_out.push_back(id);
  return {{bumpy_space(), {}},
          {bumpy_space(), [](const Design& d) { return d[0] >= 30 && d[2] % 3 == 0; }},
          within({"a >= 30", "b * c <= 60"}),
          within({"a * b * c <= 2000", "b != 3"}),
          within({"c <= a / 2 - 10"}),
          within({"a == 33", "c > 20"}),
          within({"a > 99"}),
          make_domain(bumpy_space(), bound({"a + c <= 90"}, bumpy_space()), left_out),
          make_domain(bumpy_space(), {}, left_out)};
}

void expect_same(const ScanResult& a, const ScanResult& b) {
  EXPECT_EQ(a.scored, b.scored);
  EXPECT_EQ(a.failed, b.failed);
  EXPECT_EQ(a.pruned, b.pruned);
  EXPECT_EQ(a.in_boxes, b.in_boxes);
  ASSERT_EQ(a.best.size(), b.best.size());
  for (std::size_t i = 0; i < a.best.size(); ++i) {
    ASSERT_EQ(a.best[i].design, b.best[i].design) << i;
    ASSERT_EQ(a.best[i].score.violation, b.best[i].score.violation) << i;
    if (std::isnan(a.best[i].score.objective)) {
      ASSERT_TRUE(std::isnan(b.best[i].score.objective));
    } else {
      ASSERT_EQ(a.best[i].score.objective, b.best[i].score.objective) << i;
    }
  }
}

TEST(Scan, EqualsBruteForceForAnyNumberOfThreads) {
  const auto objective = bumpy();
  const DesignSpace& space = objective->space();
  for (const SearchDomain& domain : domains()) {
    struct Row {
      Score score;
      DesignId id;
    };
    std::vector<Row> rows;
    std::uint64_t admitted = 0;
    for (DesignId id = 0; id < space.size(); ++id) {
      const Design design = space.design(id);
      if (domain.admits && !domain.admits(design)) continue;
      ++admitted;
      if (const Score score = bumpy_score(design); !score.failed()) rows.push_back({score, id});
    }
    // Stable: ties stay in the order of their ids.
    std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return better(a.score, b.score); });
    for (const std::size_t threads : {0, 1, 2, 5}) {
      Listener listener;
      const ScanResult result = scan(*objective, domain, {.keep = 300, .threads = threads}, listener);
      EXPECT_EQ(result.scored, admitted);
      EXPECT_EQ(result.failed, admitted - rows.size());
      EXPECT_EQ(result.pruned, space.size() - admitted);
      EXPECT_LE(result.in_boxes, result.pruned);
      ASSERT_EQ(result.best.size(), std::min<std::size_t>(300, rows.size()));
      for (std::size_t i = 0; i < result.best.size(); ++i) EXPECT_EQ(space.id(result.best[i].design), rows[i].id) << i;
      EXPECT_EQ(listener.last_done, space.size());
      EXPECT_EQ(listener.last_total, space.size());
      EXPECT_EQ(listener.last_note, rows.empty() ? "" : "best 0");
    }
  }
}

TEST(Scan, NeitherScoresNorLooksAtBoxesThatAreRefused) {
  const DesignSpace space({Parameter::integer("a", 0, 99), Parameter::integer("b", 0, 9999)});
  std::atomic<std::uint64_t> scored = 0, asked = 0;
  const auto objective = make_objective(space, [&](const Design& d) { return ++scored, Score{d[1] * 1.0, 0}; });
  SearchDomain domain = within({"a == 42", "b >= 5000"}, space);
  domain.admits = [&, admits = domain.admits](const Design& design) { return ++asked, admits(design); };
  const ScanResult result = scan(*objective, domain, {.keep = 1, .threads = 2}, silent_monitor());
  EXPECT_EQ(result.scored, 5000u);
  EXPECT_EQ(scored, 5000u);
  EXPECT_EQ(result.pruned, 995000u);
  EXPECT_LE(asked, 64u) << "the bounds of both limits are exact";
  EXPECT_GE(result.in_boxes, result.pruned - 64);
  EXPECT_EQ(result.best.at(0).design, (Design{42, 5000}));
}

TEST(Scan, FindsTheFewDesignsOfAVastSpace) {
  // 10^15 designs, of which 1 + 2 + … + 1000 are left.
  const DesignSpace space(
      {Parameter::integer("a", 1, 100000), Parameter::integer("b", 1, 100000), Parameter::integer("c", 1, 100000)});
  const auto objective = make_objective(space, [](const Design& d) { return Score{1e6 - d[0] - 2.0 * d[2], 0}; });
  const ScanResult result =
      scan(*objective, within({"a >= 50000", "b == 7", "c > 99000", "c - 99000 <= a - 50000", "a < 51000"}, space),
           {.keep = 1}, silent_monitor());
  EXPECT_EQ(result.scored, 999u * 1000u / 2u);
  EXPECT_EQ(result.scored + result.pruned, space.size());
  EXPECT_EQ(space.design_text(result.best.at(0).design), "a=50999 b=7 c=99999");
}

TEST(Scan, ScoresDesignsAndRangesOnce) {
  // Short runs are collected, long ones scored as ranges: each design once, whichever way.
  const DesignSpace space({Parameter::integer("a", 0, 999), Parameter::integer("b", 0, 99)});
  std::mutex mutex;
  std::vector<int> seen(space.size());
  const auto objective = make_objective(space, [&](const Design& d) {
    const std::lock_guard lock(mutex);
    ++seen[space.id(d)];
    return Score{1, 0};
  });
  const SearchDomain domain{space, [](const Design& d) { return d[0] % 3 == 0 || d[1] % 7 == 2; }};
  scan(*objective, domain, {.keep = 1, .threads = 3}, silent_monitor());
  for (DesignId id = 0; id < space.size(); ++id) ASSERT_EQ(seen[id], domain.admits(space.design(id)) ? 1 : 0) << id;
}

TEST(Scan, GoesOnWhereItStopped) {
  for (const SearchDomain& domain : domains()) {
    const auto plain = bumpy();
    const ScanResult whole = scan(*plain, domain, {.keep = 100}, silent_monitor());
    for (const std::size_t threads : {1, 3}) {
      const TemporaryFolder folder;
      const ScanOptions options{.keep = 100, .threads = threads, .state = folder / "state.json", .key = "k"};
      std::atomic<std::uint64_t> scored = 0;
      std::atomic<std::uint64_t> stop_at = 0;
      Listener* listening = nullptr;
      const auto objective = make_objective(bumpy_space(), [&](const Design& d) {
        if (++scored >= stop_at) listening->stop = true;
        return bumpy_score(d);
      });
      int interruptions = 0;
      for (;; ++interruptions) {
        ASSERT_LT(interruptions, 40);
        Listener listener;
        listening = &listener;
        // Later and later: of stretches that several threads have begun, an early stop may leave none finished.
        stop_at = scored + 5000 + 2000 * static_cast<std::uint64_t>(interruptions);
        try {
          expect_same(scan(*objective, domain, options, listener), whole);
          break;
        } catch (const Error& error) {
          ASSERT_EQ(error.code(), ErrorCode::interrupted);
          EXPECT_FALSE(finished_scan(bumpy_space(), options));
        }
      }
      EXPECT_LE(scored, whole.scored + static_cast<std::uint64_t>(interruptions) * threads * 4096);
      EXPECT_GE(interruptions, whole.scored > 20000 && threads == 1 ? 3 : 0);
      // And has its result at once from then on.
      const std::uint64_t before = scored;
      Listener listener;
      listening = &listener;
      expect_same(scan(*objective, domain, options, listener), whole);
      expect_same(finished_scan(bumpy_space(), options).value(), whole);
      EXPECT_EQ(scored, before);
    }
  }
}

TEST(Scan, ShardsMakeUpTheWhole) {
  const auto objective = bumpy();
  for (const SearchDomain& domain : domains()) {
    const ScanResult whole = scan(*objective, domain, {.keep = 100}, silent_monitor());
    for (const std::uint64_t count : {1, 2, 3, 8, 50}) {
      std::vector<ScanResult> parts;
      for (std::uint64_t index = 1; index <= count; ++index) {
        Listener listener;
        parts.push_back(
            scan(*objective, domain, {.keep = 100, .threads = index % 2 + 1, .shard = {index, count}}, listener));
        EXPECT_EQ(parts.back().scored + parts.back().pruned, listener.last_done);
        EXPECT_EQ(listener.last_total, listener.last_done);
      }
      expect_same(merge_scans(bumpy_space(), parts, 100), whole);
      if (count == 1) continue;
      parts.pop_back();
      if (parts.back().scored == 0 && parts.back().pruned == 0) continue;
      EXPECT_THROW(merge_scans(bumpy_space(), std::span(parts).first(1), 100), Error);
    }
  }
}

TEST(Scan, ShardsAreBalancedWhereverDesignsArePruned) {
  // What is left is crowded in one corner, and in every fourth value of a parameter.
  const DesignSpace space(
      {Parameter::integer("a", 0, 63), Parameter::integer("b", 0, 63), Parameter::integer("c", 0, 999)});
  const auto objective = make_objective(space, [](const Design& d) { return Score{d[2] * 1.0, 0}; });
  for (const SearchDomain& domain : {within({"a >= 48", "b * b >= a * 40"}, space), within({"min(a, b) <= 20"}, space),
                                     SearchDomain{space, [](const Design& d) { return d[0] < 20 && d[1] % 4 == 0; }}}) {
    std::vector<std::uint64_t> scored;
    std::uint64_t sum = 0;
    for (std::uint64_t index = 1; index <= 4; ++index) {
      scored.push_back(scan(*objective, domain, {.keep = 1, .shard = {index, 4}}, silent_monitor()).scored);
      sum += scored.back();
    }
    for (const std::uint64_t each : scored)
      EXPECT_NEAR(static_cast<double>(each), static_cast<double>(sum) / 4, 0.12 * static_cast<double>(sum) / 4);
  }
}

TEST(ScanState, IsUsedOnlyForTheScanItIsOf) {
  const TemporaryFolder folder;
  std::atomic<std::uint64_t> scored = 0;
  const auto objective = make_objective(bumpy_space(), [&](const Design& d) { return ++scored, bumpy_score(d); });
  const SearchDomain everything{bumpy_space(), {}};
  const ScanOptions options{.keep = 10, .shard = {1, 2}, .state = folder / "state.json", .key = "k"};
  const auto scored_with = [&](const ScanOptions& other) {
    const std::uint64_t before = scored;
    EXPECT_EQ(
        finished_scan(bumpy_space(), other).has_value(),
        other.state != options.state ? false : other.key == "k" && other.keep == 10 && other.shard == options.shard);
    scan(*objective, everything, other, silent_monitor());
    return scored - before;
  };
  const std::uint64_t half = scored_with({.keep = 10, .shard = {1, 2}, .state = folder / "other.json", .key = "k"});
  EXPECT_GT(half, 0u);
  EXPECT_LT(half, bumpy_space().size());
  scan(*objective, everything, options, silent_monitor());
  EXPECT_EQ(scored_with(options), 0u);
  for (const auto& change : std::vector<std::function<void(ScanOptions&)>>{[](ScanOptions& o) { o.key = "l"; },
                                                                           [](ScanOptions& o) { o.keep = 11; },
                                                                           [](ScanOptions& o) {
                                                                             o.shard = {1, 3};
                                                                           },
                                                                           [](ScanOptions& o) {
                                                                             o.shard = {2, 2};
                                                                           }}) {
    ScanOptions other = options;
    change(other);
    EXPECT_GT(scored_with(other), 0u);
    scan(*objective, everything, options, silent_monitor());
  }
}

TEST(ScanState, DamageIsToldAndCostsNoMoreThanTime) {
  const TemporaryFolder folder;
  const auto objective = bumpy();
  const SearchDomain everything{bumpy_space(), {}};
  const ScanOptions options{.keep = 10, .state = folder / "state.json", .key = "k"};
  const ScanResult whole = scan(*objective, everything, options, silent_monitor());
  const std::string good = read_file(options.state);
  std::vector<std::string> bad = {"", "{}", "[]", "null", "{\"checksum\": 3}", good.substr(0, good.size() / 2)};
  for (std::size_t at = 0; at < good.size() - 1; at += 17) {
    bad.push_back(good);
    bad.back()[at] = bad.back()[at] == '7' ? '8' : '7';
  }
  for (const std::string& content : bad) {
    write_file(options.state, content);
    EXPECT_FALSE(finished_scan(bumpy_space(), options)) << content;
    Listener listener;
    expect_same(scan(*objective, everything, options, listener), whole);
    EXPECT_EQ(listener.messages, "state.json is damaged: the scan starts anew\n") << content;
    EXPECT_EQ(nlohmann::json::parse(read_file(options.state)).at("complete"), true);
  }
}

TEST(Scan, RefusesAnotherSpaceAndShardsThatAreNone) {
  const auto objective = bumpy();
  const auto code = [&](const SearchDomain& domain, ScanShard shard) {
    try {
      scan(*objective, domain, {.shard = shard}, silent_monitor());
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::usage;
  };
  EXPECT_EQ(code({DesignSpace({Parameter::integer("x", 0, 6)}), {}}, {1, 1}), ErrorCode::mismatch);
  EXPECT_EQ(code({bumpy_space(), {}}, {0, 4}), ErrorCode::invalid_input);
  EXPECT_EQ(code({bumpy_space(), {}}, {5, 4}), ErrorCode::invalid_input);
  EXPECT_EQ(code({bumpy_space(), {}}, {1, 0}), ErrorCode::invalid_input);
}

/// 4 · 1 · 3 · 5 · 1 · 6 = 360 designs.
const DesignSpace& small_space() {
  static const DesignSpace made({Parameter::integer("a", 0, 3), Parameter::integer("one", 1, 1),
                                 Parameter::categorical("flow", {"os", "ws", "rs"}), Parameter::integer("b", -2, 2),
                                 Parameter::integer("two", 2, 2), Parameter::integer("c", 0, 5)});
  return made;
}

TEST(SpaceWalk, CoversEveryStretchInOrderAndTellsTheTruth) {
  Rng rng(3);
  for (const std::vector<std::string>& limits : std::vector<std::vector<std::string>>{{"a * b <= 2"},
                                                                                      {"flow != ws", "c >= a"},
                                                                                      {"b == 0"},
                                                                                      {"a / b > 1"},
                                                                                      {"c > 9"},
                                                                                      {"c >= 0"},
                                                                                      {"one == two"}}) {
    const SearchDomain domain = within(limits, small_space());
    for (int round = 0; round < 100; ++round) {
      DesignId begin = rng.below(small_space().size() + 1), end = rng.below(small_space().size() + 1);
      if (begin > end) std::swap(begin, end);
      if (round == 0) begin = 0, end = small_space().size();
      SpaceWalk walk(domain, begin, end, 1 + rng.below(40));
      DesignId position = begin;
      while (const std::optional<SpaceRun> run = walk.next()) {
        ASSERT_EQ(run->first, position);
        ASSERT_GT(run->count, 0u);
        for (; position < run->first + run->count; ++position) {
          if (run->admitted == Coverage::some) continue;
          ASSERT_EQ(domain.admits(small_space().design(position)), run->admitted == Coverage::all);
        }
      }
      ASSERT_EQ(position, end);
    }
  }
}

TEST(SpaceWalk, TakesRefusedBoxesAsAWhole) {
  const SearchDomain domain = within({"a == 2", "flow == ws"}, small_space());
  SpaceWalk walk(domain, 0, small_space().size(), 1);
  std::vector<std::pair<DesignId, std::uint64_t>> found;
  while (const std::optional<SpaceRun> run = walk.next())
    if (run->admitted != Coverage::none) found.emplace_back(run->first, run->count);
  // a = 2 begins at 2 · 90, flow = ws 30 behind.
  EXPECT_EQ(found, (std::vector<std::pair<DesignId, std::uint64_t>>{{210, 30}}));
}

}  // namespace
}  // namespace corbel
