#include "corbel/dataset/queue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "corbel/dataset/store_check.hpp"
#include "queue_testing.hpp"

namespace corbel::test {
namespace {

using std::chrono::milliseconds;

/// A lease that has run out when it begins: whoever looks next takes its worker for lost.
constexpr milliseconds no_lease{-1};
constexpr milliseconds long_lease{600'000};

class Queue : public QueueTest {
 protected:
  Queue() : store(location(), Store::Mode::read_write), group(store.group(small_group())) {
    coordinator.set_job(group, "{}");
  }

  TrialQueue worker(const std::string& name, milliseconds lease = long_lease) {
    TrialQueue queue(location(), name);
    queue.enter(1, lease);
    return queue;
  }
  std::vector<DesignId> claim(TrialQueue& queue, std::size_t most = 100, std::size_t suspects = 100) {
    return queue.claim(queue.waiting_groups(), most, suspects).designs;
  }
  static Trial complete(DesignId design, double latency = 1) {
    return {design, TrialState::complete, "", {latency, 2}, 1};
  }
  static std::vector<Trial> complete(const std::vector<DesignId>& designs) {
    std::vector<Trial> trials;
    for (const DesignId design : designs) trials.push_back(complete(design));
    return trials;
  }
  Trial find(DesignId design) {
    const DesignId designs[] = {design};
    const std::vector<Trial> found = store.find(group, designs);
    return found.empty() ? Trial{} : found.front();
  }
  /// The sum over all workers, of each finish that counted.
  std::int64_t counted() {
    std::int64_t sum = 0;
    for (const WorkerStatus& status : queue_status(location()).workers) sum += status.done + status.failed;
    return sum;
  }

  TrialQueue coordinator{location(), "coordinator"};
  Store store;
  Store::GroupId group;
};

std::vector<DesignId> ids(std::initializer_list<DesignId> designs) {
  return designs;
}

TEST_P(Queue, EachDesignIsClaimedOnce) {
  TrialQueue a = worker("a"), b = worker("b");
  coordinator.offer(group, ids({9, 2, 7, 4, 5}));
  EXPECT_EQ(claim(a, 3), ids({2, 4, 5})) << "in the order of their ids";
  EXPECT_EQ(claim(b), ids({7, 9}));
  EXPECT_EQ(claim(b), ids({}));
  EXPECT_EQ(find(4).state, TrialState::running);
  EXPECT_EQ(coordinator.open(group), ids({2, 4, 5, 7, 9}));
  EXPECT_TRUE(store.finished(group).empty());
}

TEST_P(Queue, WhatIsFinishedCountsOnceHoweverOftenItIsSaid) {
  TrialQueue a = worker("a");
  coordinator.offer(group, ids({1, 2, 3}));
  claim(a);
  const std::vector<Trial> trials = {
      complete(1, 0.5), {2, TrialState::infeasible, "too_wide", {}, 1}, {3, TrialState::failed, "timeout", {}, 1}};
  EXPECT_EQ(a.finish(group, trials), 3U);
  // As after a connection that was lost before the answer came.
  EXPECT_EQ(a.finish(group, trials), 3U);
  EXPECT_EQ(counted(), 3);
  EXPECT_TRUE(coordinator.open(group).empty());
  EXPECT_EQ(find(1).metrics, (std::vector<double>{0.5, 2}));
  EXPECT_EQ(find(2).reason, "too_wide");
  EXPECT_TRUE(std::isnan(find(2).metrics.at(0)));
  EXPECT_EQ(find(3).state, TrialState::failed);
  EXPECT_EQ(check_store(location(), silent_monitor()).listed, std::vector<std::string>{});
}

TEST_P(Queue, WhatIsFinishedForAnotherDoesNotCount) {
  TrialQueue a = worker("a"), b = worker("b");
  coordinator.offer(group, ids({1, 2}));
  claim(a, 1);
  EXPECT_EQ(b.finish(group, std::vector<Trial>{complete(1, 7), complete(2, 7), complete(3, 7)}), 0U);
  EXPECT_EQ(find(1).state, TrialState::running);
  EXPECT_EQ(find(2).state, TrialState::waiting);
  EXPECT_EQ(counted(), 0);
}

TEST_P(Queue, TrialsOfALostWorkerAreTakenOverAndItsLateAnswerIsNotCounted) {
  TrialQueue zombie = worker("zombie", no_lease), b = worker("b");
  coordinator.offer(group, ids({1, 2}));
  EXPECT_EQ(claim(zombie), ids({1, 2}));
  EXPECT_TRUE(b.claim({}, 1, 1).designs.empty()) << "looking for lost workers is a part of claiming";
  EXPECT_EQ(claim(b), ids({1, 2}));
  EXPECT_EQ(find(1).attempt, 1U);
  EXPECT_EQ(zombie.finish(group, std::vector<Trial>{complete(1, 7)}), 0U);
  EXPECT_EQ(find(1).state, TrialState::running);
  EXPECT_EQ(b.finish(group, complete(ids({1, 2}))), 2U);
  EXPECT_EQ(zombie.finish(group, std::vector<Trial>{complete(2, 7)}), 0U);
  EXPECT_EQ(find(2).metrics.at(0), 1);
  EXPECT_EQ(counted(), 2);
}

TEST_P(Queue, ALateAnswerCountsWhereNobodyHasTakenOver) {
  TrialQueue late = worker("late", no_lease), b = worker("b");
  coordinator.offer(group, ids({1}));
  claim(late);
  b.claim({}, 1, 1);
  EXPECT_EQ(find(1).state, TrialState::waiting);
  EXPECT_FALSE(late.heartbeat(0, "")) << "its lease had run out";
  EXPECT_EQ(late.finish(group, complete(ids({1}))), 1U);
  EXPECT_TRUE(claim(b).empty());
  EXPECT_EQ(counted(), 1);
}

TEST_P(Queue, AHeartbeatKeepsTheLease) {
  TrialQueue a = worker("a"), b = worker("b");
  coordinator.offer(group, ids({1}));
  claim(a);
  EXPECT_TRUE(a.heartbeat(5, "busy"));
  EXPECT_TRUE(claim(b).empty());
  const QueueStatus status = queue_status(location());
  ASSERT_EQ(status.workers.size(), 2U);
  EXPECT_EQ(status.workers[0].id, "a");
  EXPECT_EQ(status.workers[0].recent, 5);
  EXPECT_EQ(status.workers[0].note, "busy");
  EXPECT_EQ(status.workers[0].state, "working");
}

TEST_P(Queue, LostTrialsComeLastFewAtATimeAndAreAbandonedInTheEnd) {
  TrialQueue b = worker("b");
  coordinator.offer(group, ids({1, 2, 3}));
  for (int loss = 1; loss < TrialQueue::most_losses; ++loss) {
    TrialQueue lost = worker("lost " + std::to_string(loss), no_lease);
    EXPECT_EQ(claim(lost, 3, 3), ids({1, 2, 3}));
    b.claim({}, 1, 1);
    EXPECT_EQ(find(1).state, TrialState::waiting) << loss;
  }
  coordinator.offer(group, ids({8, 9}));
  EXPECT_EQ(claim(b, 100, 1), ids({8, 9})) << "those that nobody was lost with";
  TrialQueue last = worker("last", no_lease);
  EXPECT_EQ(claim(last, 100, 1), ids({1})) << "one at a time";
  EXPECT_EQ(claim(b, 100, 1), ids({2}));
  EXPECT_EQ(find(1).state, TrialState::abandoned);
  EXPECT_EQ(find(1).reason, "worker_lost");
  EXPECT_EQ(find(1).attempt, 1U) << "attempts are those that came to an end";
  coordinator.offer(group, ids({1}));
  EXPECT_EQ(find(1).state, TrialState::abandoned) << "five workers are enough";
}

TEST_P(Queue, GivesBackWhatIsNotBegun) {
  TrialQueue a = worker("a"), b = worker("b");
  coordinator.offer(group, ids({1, 2, 3}));
  claim(a);
  a.release({group, ids({2})});
  EXPECT_EQ(claim(b), ids({2}));
  a.release({group, ids({2})});
  EXPECT_EQ(find(2).state, TrialState::running) << "another's";
  ASSERT_EQ(a.held().size(), 1U);
  EXPECT_EQ(a.held()[0].designs, ids({1, 3}));
  a.leave();
  EXPECT_EQ(claim(b), ids({1, 3})) << "given back is not lost: at once, and with the others";
  EXPECT_EQ(find(1).attempt, 1U);
}

TEST_P(Queue, OffersWhatIsNotDone) {
  store.record(group, std::vector<Trial>{complete(1),
                                         {2, TrialState::failed, "timeout", {}, 1},
                                         {3, TrialState::abandoned, "hopeless", {}, 1}});
  TrialQueue a = worker("a");
  coordinator.offer(group, ids({1, 2, 3, 4}));
  coordinator.offer(group, ids({4, 2}));
  EXPECT_EQ(claim(a), ids({2, 4}));
  EXPECT_EQ(find(2).attempt, 2U);
  EXPECT_EQ(find(1).state, TrialState::complete);
  EXPECT_EQ(find(3).state, TrialState::abandoned);
  coordinator.offer(group, ids({2}));
  EXPECT_EQ(find(2).state, TrialState::running);
}

TEST_P(Queue, ManyRowsAtOnce) {
  TrialQueue a = worker("a");
  std::vector<DesignId> all;
  for (DesignId design = 0; design < small_space().size(); ++design) all.push_back(design);
  coordinator.offer(group, all);
  EXPECT_EQ(claim(a, 1000), all);
  EXPECT_EQ(a.finish(group, complete(all)), all.size());
  EXPECT_EQ(store.finished(group), all);
}

TEST_P(Queue, ClaimsOnlyFromGroupsThatAreWanted) {
  const Store::GroupId other = store.group(small_group("s2"));
  coordinator.set_job(other, "{}");
  TrialQueue a = worker("a");
  coordinator.offer(other, ids({5}));
  coordinator.offer(group, ids({6}));
  EXPECT_EQ(a.waiting_groups(), (std::vector<Store::GroupId>{group, other}));
  const Store::GroupId wanted[] = {other};
  EXPECT_EQ(a.claim(wanted, 10, 1).designs, ids({5}));
  EXPECT_TRUE(a.claim(wanted, 10, 1).designs.empty());
}

TEST_P(Queue, StatusCountsWhatThereIs) {
  store.record(group, std::vector<Trial>{complete(1), {2, TrialState::failed, "timeout", {}, 1}});
  TrialQueue a = worker("a"), lost = worker("lost", no_lease);
  coordinator.offer(group, ids({3, 4, 5}));
  claim(a, 1);
  a.finish(group, std::vector<Trial>{{3, TrialState::infeasible, "too_wide", {}, 1}});
  claim(a, 1);
  const QueueStatus status = queue_status(location());
  ASSERT_EQ(status.groups.size(), 1U);
  const GroupStatus& counts = status.groups[0];
  EXPECT_EQ(counts.of(TrialState::waiting), 1);
  EXPECT_EQ(counts.of(TrialState::running), 1);
  EXPECT_EQ(counts.of(TrialState::complete), 1);
  EXPECT_EQ(counts.of(TrialState::infeasible), 1);
  EXPECT_EQ(counts.of(TrialState::failed), 1);
  EXPECT_EQ(counts.failures, (std::map<std::string, std::int64_t>{{"timeout", 1}}));
  ASSERT_EQ(status.workers.size(), 2U);
  EXPECT_EQ(status.workers[1].state, "lost") << "its lease has run out, though nobody has taken over yet";
  EXPECT_EQ(coordinator.live_workers(), 1U);
}

/// Rows of the table of trials that were read on behalf of whoever has closed the connection.
std::int64_t rows_read(PostgresServer& server, const std::string& database) {
  // Servers count with a delay, but before they end.
  server.stop();
  server.start();
  return std::stoll(server.sql(
      database,
      "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relid = 'corbel.trials'::regclass"));
}

TEST(QueueOnPostgres, ReadsWhatItTakesHoweverLittleTheServerKnows) {
  if (!PostgresServer::missing().empty()) GTEST_SKIP() << PostgresServer::missing();
  PostgresServer server;
  for (const bool counted : {false, true}) {
    const std::string database = server.new_database(), location = server.url(database);
    const Store::GroupId group = Store(location, Store::Mode::read_write).group(small_group());
    // Another group, which is all that a server knows of that has counted rows before this one came.
    server.sql(database,
               "ALTER TABLE corbel.trials SET (autovacuum_enabled = false); INSERT INTO corbel.trials SELECT 99, n, 2, "
               "'', 1, NULL, NULL, NULL, '' FROM generate_series(1, 50000) AS n");
    if (counted) server.sql(database, "ANALYZE corbel.trials");
    server.sql(database, "INSERT INTO corbel.trials SELECT " + std::to_string(group) +
                             ", n, 0, '', 1, NULL, NULL, NULL, '' FROM generate_series(0, 1999) AS n");
    const std::int64_t before = rows_read(server, database);
    {
      TrialQueue queue(location, "one");
      queue.set_job(group, "{}");
      queue.enter(1, long_lease);
      for (DesignId design = 0; design < 10; ++design) {
        const TrialQueue::Claim claim = queue.claim(queue.waiting_groups(), 1, 1);
        ASSERT_EQ(claim.designs, std::vector<DesignId>{design});
        const Trial trial{design, TrialState::complete, "", {1, 2}, 1};
        ASSERT_EQ(queue.finish(group, {&trial, 1}), 1U);
        queue.release(queue.claim(queue.waiting_groups(), 1, 1));
      }
    }
    // Each of 10 times, and one more: whether any waits, the one that does, and the same by its key; those that have
    // been done are passed over.
    EXPECT_LT(rows_read(server, database) - before, 200) << counted;
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, Queue, backends(), backend_name);

}  // namespace
}  // namespace corbel::test
