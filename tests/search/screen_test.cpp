// The scan of an objective that has a screen: what is found must be what a plain scan finds.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>

#include "corbel/base/error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/random.hpp"
#include "corbel/search/scan.hpp"
#include "corbel/search/screening.hpp"
#include "support/temporary_folder.hpp"

namespace corbel {
namespace {

using test::TemporaryFolder;

/// 60 · 7 · 60 · 4 = 100,800 designs.
const DesignSpace& space() {
  static const DesignSpace made({Parameter::integer("a", 0, 59), Parameter::integer("b", 0, 6),
                                 Parameter::integer("c", 0, 59), Parameter::integer("d", 0, 3)});
  return made;
}

/// A number in [−1, 1] for each design.
double noise(DesignId id) {
  return 2 * Rng(id * 7919 + 3).uniform() - 1;
}

/// A valley with ties (d changes nothing for most designs); where a and c are close, designs are infeasible.
Score exact_score(const Design& d) {
  const double a = d[0], b = d[1], c = d[2];
  const double value = std::abs(a - 41) + 2 * std::abs(c - 17) + std::abs(b - 3) + (d[0] % 7 == 0 ? 0.25 * d[3] : 0);
  const double violation = std::max(0.0, 1 - std::abs(a - c) / 30) - 0.1;
  return {value, std::max(0.0, violation)};
}

/// Objective and violation are off by up to `error` times the noise of a design.
class Screened : public Objective, public Screen {
 public:
  explicit Screened(double error) : error_(error) {}

  const DesignSpace& space() const override { return corbel::space(); }
  void score(std::span<const Design> designs, std::span<Score> out) const override {
    std::transform(designs.begin(), designs.end(), out.begin(), exact_score);
    scored += designs.size();
  }
  const Screen* screen() const override { return this; }

  std::string name() const override { return "noisy"; }
  void pass_range(DesignId first, std::size_t n, const Score& bar, double tolerance,
                  std::vector<DesignId>& passed) const override {
    screened += n;
    for (DesignId id = first; id < first + n; ++id) {
      if (may_reach(id, bar, tolerance)) passed.push_back(id);
    }
  }
  void pass(std::span<const Design> designs, std::span<const DesignId> ids, const Score& bar, double tolerance,
            std::vector<DesignId>& passed) const override {
    screened += designs.size();
    for (std::size_t i = 0; i < designs.size(); ++i) {
      EXPECT_EQ(space().id(designs[i]), ids[i]);
      if (may_reach(ids[i], bar, tolerance)) passed.push_back(ids[i]);
    }
  }
  double rescore(std::span<const Design> designs, std::span<Score> out) const override {
    score(designs, out);
    double most = 0;
    for (const Design& design : designs) most = std::max(most, error_of(space().id(design)));
    if (on_rescore) on_rescore();
    return most;
  }

  std::function<void()> on_rescore;
  mutable std::atomic<std::uint64_t> scored = 0, screened = 0;

 protected:
  virtual double error_of(DesignId id) const { return std::abs(error_ * noise(id)); }
  double error_;

 private:
  bool may_reach(DesignId id, const Score& bar, double tolerance) const {
    const Score score = exact_score(space().design(id));
    const double off = error_ * noise(id) - tolerance;
    const Score hoped{score.objective + off, std::max(0.0, score.violation + off)};
    return !better(bar, hoped);
  }
};

struct Ranked {
  DesignId id;
  Score score;
};

/// All admitted designs, the best first.
std::vector<Ranked> brute_force(const SearchDomain& domain) {
  std::vector<Ranked> all;
  for (DesignId id = 0; id < space().size(); ++id) {
    const Design design = space().design(id);
    if (!domain.admits || domain.admits(design)) all.push_back({id, exact_score(design)});
  }
  std::stable_sort(all.begin(), all.end(), [](const Ranked& a, const Ranked& b) { return better(a.score, b.score); });
  return all;
}

void expect_best(const std::vector<Evaluation>& found, const std::vector<Ranked>& all, std::size_t keep) {
  ASSERT_EQ(found.size(), std::min(keep, all.size()));
  for (std::size_t i = 0; i < found.size(); ++i) {
    ASSERT_EQ(space().id(found[i].design), all[i].id) << i;
    ASSERT_EQ(found[i].score.objective, all[i].score.objective) << i;
    ASSERT_EQ(found[i].score.violation, all[i].score.violation) << i;
  }
}

SearchDomain within(const std::vector<std::string>& limits) {
  std::vector<BoundConstraint> bound;
  for (const std::string& limit : limits) {
    bound.emplace_back(Constraint::parse(limit), space(), std::span<std::string>());
  }
  return make_domain(space(), bound, {5, 5000, 70001});
}

std::vector<SearchDomain> domains() {
  return {{space(), {}},
          within({}),
          within({"a + c >= 40", "b != 2"}),
          within({"a * c <= 900"}),
          {space(), [](const Design& d) { return (d[0] + d[2] + d[3]) % 5 == 0; }},
          // Nothing feasible is left: the least violated are kept.
          within({"a - c <= 6", "c - a <= 6"}),
          within({"a == 3", "c == 4", "b <= 1"})};
}

TEST(Screen, LetsAScanFindWhatBruteForceFinds) {
  for (const SearchDomain& domain : domains()) {
    const std::vector<Ranked> all = brute_force(domain);
    for (const double error : {0.0, 0.3, 4.0}) {
      for (const std::size_t threads : {1, 2, 5}) {
        const Screened objective(error);
        const ScanResult found = scan(objective, domain, {.keep = 100, .threads = threads}, silent_monitor());
        expect_best(found.best, all, 100);
        EXPECT_EQ(found.scored, all.size());
        EXPECT_EQ(found.scored + found.pruned, space().size());
        EXPECT_EQ(found.failed, 0u);
        EXPECT_EQ(found.ranked_by, "noisy");
        EXPECT_EQ(found.rescored, objective.scored);
        EXPECT_GE(found.tolerance, error);
        EXPECT_LE(found.tolerance, std::max(2 * error, 1e-5));
      }
    }
  }
}

TEST(Screen, LeavesFewDesignsToScore) {
  const Screened objective(0.3);
  const ScanResult found = scan(objective, {space(), {}}, {.keep = 50, .threads = 2}, silent_monitor());
  EXPECT_EQ(objective.screened, space().size());
  EXPECT_LT(found.rescored, space().size() / 10);
}

TEST(Screen, KeepsAsManyAsAreAskedFor) {
  const SearchDomain few = within({"a >= 58", "b <= 1"});
  const std::vector<Ranked> all = brute_force(few);
  for (const std::size_t keep : {std::size_t{0}, std::size_t{1}, all.size() - 1, all.size() + 7}) {
    const Screened objective(0.3);
    expect_best(scan(objective, few, {.keep = keep, .threads = 2}, silent_monitor()).best, all, keep);
  }
}

TEST(Screen, FindsTheSameInShards) {
  for (const SearchDomain& domain : domains()) {
    const std::vector<Ranked> all = brute_force(domain);
    const Screened objective(0.7);
    for (const std::uint64_t count : {2, 7}) {
      std::vector<ScanResult> parts;
      for (std::uint64_t index = 1; index <= count; ++index) {
        parts.push_back(scan(objective, domain, {.keep = 60, .threads = 2, .shard = {index, count}}, silent_monitor()));
      }
      const ScanResult whole = merge_scans(space(), parts, 60);
      expect_best(whole.best, all, 60);
      EXPECT_EQ(whole.ranked_by, "noisy");
      EXPECT_EQ(whole.tolerance, parts.front().tolerance);
      EXPECT_GT(whole.rescored, parts.front().rescored);
    }
  }
}

/// Collects messages, and stops when told.
class Listener final : public Monitor {
 public:
  void progress(std::string_view, std::uint64_t, std::uint64_t, std::string_view) override {}
  void message(std::string_view text) override {
    const std::lock_guard lock(mutex_);
    messages += std::string(text) + "\n";
  }
  bool stop_requested() const override { return stop; }
  std::atomic<bool> stop = false;
  std::string messages;

 private:
  std::mutex mutex_;
};

/// Is found to be far off only on designs that no sample holds: while it is compared with a sample it knows its errors,
/// and later they are larger.
class Worsening final : public Screened {
 public:
  Worsening(double error, std::uint64_t sample) : Screened(error), sample_(sample) {}

 private:
  double error_of(DesignId id) const override { return scored <= sample_ ? 0 : Screened::error_of(id); }
  std::uint64_t sample_;
};

TEST(Screen, IsUsedAnewWithAWiderToleranceWhereItTurnsOutToBeFurtherOff) {
  const SearchDomain everything{space(), {}};
  const std::vector<Ranked> all = brute_force(everything);
  const Screened well(0);
  const std::uint64_t sample = calibrate(well, everything, 100, silent_monitor()).scored;
  for (const std::size_t threads : {1, 3}) {
    const Worsening objective(6, sample);
    Listener listener;
    const ScanResult found = scan(objective, everything, {.keep = 100, .threads = threads}, listener);
    expect_best(found.best, all, 100);
    EXPECT_GE(found.tolerance, 6);
    EXPECT_EQ(found.scored, space().size());
    EXPECT_NE(listener.messages.find("scan starts anew"), std::string::npos);
    EXPECT_GT(objective.screened, space().size());
  }
}

TEST(Screen, IsNoHindranceToInterruptions) {
  for (const SearchDomain& domain : domains()) {
    const std::vector<Ranked> all = brute_force(domain);
    for (const std::size_t threads : {1, 3}) {
      const TemporaryFolder folder;
      const ScanOptions options{.keep = 40, .threads = threads, .state = folder / "state.json", .key = "k"};
      for (int interruptions = 0;; ++interruptions) {
        ASSERT_LT(interruptions, 60);
        Screened objective(0.5);
        Listener listener;
        // In the middle of the sample first, later and later in the scan then.
        const std::uint64_t stop_at = 600 + 900 * static_cast<std::uint64_t>(interruptions);
        objective.on_rescore = [&] { listener.stop = objective.scored + objective.screened / 16 >= stop_at; };
        try {
          const ScanResult found = scan(objective, domain, options, listener);
          expect_best(found.best, all, 40);
          EXPECT_EQ(found.scored, all.size());
          EXPECT_EQ(found.scored + found.pruned, space().size());
          break;
        } catch (const Error& error) {
          ASSERT_EQ(error.code(), ErrorCode::interrupted);
        }
      }
    }
  }
}

TEST(Screen, GoesOnFromStatesOfOtherTolerances) {
  const SearchDomain everything{space(), {}};
  const std::vector<Ranked> all = brute_force(everything);
  const TemporaryFolder folder;
  const ScanOptions options{.keep = 30, .threads = 1, .state = folder / "state.json", .key = "k"};
  // Interrupted by a screen that has looked at about half of the space; the monitor is asked before every stretch.
  const auto interrupt = [&](double error) {
    std::filesystem::remove(options.state);
    Screened objective(error);
    class Half final : public Monitor {
     public:
      explicit Half(const Screened& objective) : objective_(objective) {}
      void progress(std::string_view, std::uint64_t, std::uint64_t, std::string_view) override {}
      void message(std::string_view) override {}
      bool stop_requested() const override { return objective_.screened > space().size() / 2; }

     private:
      const Screened& objective_;
    } half(objective);
    EXPECT_THROW(scan(objective, everything, options, half), Error);
    return nlohmann::json::parse(read_file(options.state));
  };
  const auto designs_screened = [&](double error, const std::string& message) {
    const Screened objective(error);
    Listener listener;
    expect_best(scan(objective, everything, options, listener).best, all, 30);
    EXPECT_NE(listener.messages.find(message), std::string::npos) << listener.messages;
    return objective.screened.load();
  };
  const nlohmann::json state = interrupt(0.5);
  EXPECT_EQ(state.at("screen").at("name"), "noisy");
  EXPECT_GT(state.at("covered"), 0);
  EXPECT_LT(designs_screened(0.5, "the scan goes on"), space().size() * 2 / 3);
  interrupt(0.5);
  EXPECT_LT(designs_screened(0.1, "the scan goes on"), space().size() * 2 / 3) << "a wider tolerance will do";
  interrupt(0.1);
  EXPECT_EQ(designs_screened(0.5, "starts anew"), space().size()) << "a narrower one may have refused too much";

  // By a scan without a screen, from before there were any: what is done was scored.
  std::filesystem::remove(options.state);
  Listener listener;
  std::atomic<std::uint64_t> scored = 0;
  const auto plain = make_objective(space(), [&](const Design& d) {
    if (++scored > space().size() / 2) listener.stop = true;
    return exact_score(d);
  });
  EXPECT_THROW(scan(*plain, everything, options, listener), Error);
  EXPECT_FALSE(nlohmann::json::parse(read_file(options.state)).contains("screen"));
  EXPECT_LT(designs_screened(0.5, "the scan goes on"), space().size() * 2 / 3);
}

TEST(Calibration, IsTwiceTheLargestErrorAndDeterministic) {
  const Screened objective(0.5);
  for (const SearchDomain& domain : domains()) {
    const Calibration first = calibrate(objective, domain, 20, silent_monitor());
    EXPECT_GT(first.tolerance, 0.95);
    EXPECT_LE(first.tolerance, 1);
    EXPECT_LT(first.scored, space().size() / 4);
    const Calibration second = calibrate(objective, domain, 20, silent_monitor());
    EXPECT_EQ(first.tolerance, second.tolerance);
    ASSERT_EQ(first.best.size(), second.best.size());
    for (std::size_t i = 0; i < first.best.size(); ++i) {
      EXPECT_EQ(first.best[i].design, second.best[i].design);
      EXPECT_TRUE(!domain.admits || domain.admits(first.best[i].design));
      if (i > 0) {
        EXPECT_FALSE(better(first.best[i].score, first.best[i - 1].score));
      }
    }
  }
  // It climbs to the optimum of this valley.
  EXPECT_EQ(calibrate(objective, {space(), {}}, 1, silent_monitor()).best.at(0).score.objective,
            brute_force({space(), {}}).front().score.objective);
}

}  // namespace
}  // namespace corbel
