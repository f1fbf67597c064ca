#include "corbel/dataset/worker.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "corbel/base/count_text.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/dataset/database.hpp"

namespace corbel {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;
using std::chrono::milliseconds;

constexpr std::size_t most_claimed = 256;
/// Between two looks at an empty queue, and between two tries to reach a server.
constexpr milliseconds least_wait{10}, most_wait{2000}, most_retry_wait{10'000};
/// Between two signs of life, even where the lease is long: `corbel status` shows them.
constexpr milliseconds most_between_beats{15'000};
/// A group whose simulator has never worked here is left to others: one broken machine must not use up all trials.
constexpr std::uint64_t most_failures_in_a_row = 100;
/// Of designs that are simulated in one go: what a kill or a stop costs at most, but for one design.
constexpr double seconds_of_chunk = 0.005;
constexpr double most_in_chunk = 64;
/// What is claimed and not begun after so long is given back: others may have time.
constexpr Seconds longest_held{5};
/// After so long a job is read again: what is wrong with it here may have been put right, or its limits changed.
constexpr Seconds jobs_last{60};

}  // namespace

struct Worker::Data {
  Data(TrialQueue& its_queue, std::function<const GroupSimulator&(Store::GroupId)> its_simulator_of,
       WorkerOptions its_options, Monitor& its_monitor)
      : queue(its_queue), simulator_of(std::move(its_simulator_of)), options(its_options), monitor(its_monitor) {}

  struct Group {
    const GroupSimulator* simulator = nullptr;  ///< null: left to others
    Clock::time_point made = Clock::now();
    std::uint64_t succeeded = 0, failed = 0;  ///< by this worker
  };

  void run(const std::function<bool(Seconds)>& its_ends) {
    ends = &its_ends;
    {
      std::vector<std::jthread> threads;
      for (std::size_t i = 0; i < options.threads; ++i) threads.emplace_back([&] { simulate_all(); });
      keep_house();
    }
    const std::lock_guard lock(mutex);
    guard([&] {
      // What is simulated is worth a wait for the server, unless the user has asked to stop.
      while (!unstored.empty() && !store_finished() && !monitor.stop_requested()) {
        std::this_thread::sleep_until(next_try);
      }
    });
    guard([&] { attempt([&] { queue.leave(); }); });
    if (error) std::rethrow_exception(error);
  }

  /// What neither a simulator nor a lost connection threw ends the work.
  template <class Work>
  void guard(const Work& work) {
    try {
      work();
    } catch (...) {
      if (!error) error = std::current_exception();
      stop();
    }
  }

  /// On the caller's thread: heartbeats, what is finished and not stored, and whether to end.
  void keep_house() {
    std::unique_lock lock(mutex);
    guard([&] { keep_house(lock); });
  }
  void keep_house(std::unique_lock<std::mutex>& lock) {
    Clock::time_point beaten = Clock::now(), asked = beaten;
    milliseconds ask_wait = least_wait;
    while (!stopping) {
      something_changed.wait_for(lock, std::min(milliseconds(100), ask_wait));
      const Clock::time_point now = Clock::now();
      if (monitor.stop_requested()) stop();
      if (stopping) break;
      if (!unstored.empty() && now - stored >= Seconds(1)) store_finished();
      if (!waiting.designs.empty() && now - claimed >= longest_held) give_back();
      const milliseconds pause = std::min<milliseconds>(options.lease / 4, most_between_beats);
      if (now - beaten >= pause && attempt([&] { beat(); })) beaten = now;
      if (now - asked >= ask_wait) {
        asked = now;
        ask_wait = std::min(ask_wait * 2, milliseconds(1000));
        ask_whether_to_end();
      }
    }
  }

  void beat() {
    if (queue.heartbeat(finished_last_minute(), note)) return;
    monitor.message("the lease has run out: what was not begun is left to others");
    // What is begun counts if nobody has taken it over by the time it is done.
    compare();
  }

  /// What is claimed and not begun.
  void give_back() {
    const TrialQueue::Claim back = std::exchange(waiting, {});
    // Where the server cannot be reached, they are given back when it can: none of them is in hand.
    if (!attempt([&] { queue.release(back); })) is_known = false;
  }

  void ask_whether_to_end() {
    bool over = false;
    if (attempt([&] { over = (*ends)(idle_since ? Clock::now() - *idle_since : Seconds(-1)); }) && over) stop();
  }

  void stop() {
    stopping = true;
    something_changed.notify_all();
  }

  /// A thread that simulates.
  void simulate_all() {
    std::unique_lock lock(mutex);
    guard([&] { simulate_all(lock); });
  }
  void simulate_all(std::unique_lock<std::mutex>& lock) {
    while (!stopping && !monitor.stop_requested()) {
      if (waiting.designs.empty() && !fetch(lock)) continue;
      const std::size_t n = std::min(waiting.designs.size(), chunk());
      const TrialQueue::Claim mine{waiting.group,
                                   {waiting.designs.end() - static_cast<std::ptrdiff_t>(n), waiting.designs.end()}};
      waiting.designs.resize(waiting.designs.size() - n);
      Group& group = groups.at(mine.group);
      in_hand[mine.group].insert(mine.designs.begin(), mine.designs.end());
      // Another thread may leave the group to others meanwhile.
      const GroupSimulator& simulator = *group.simulator;
      ++simulating;
      const Clock::time_point begun = Clock::now();
      lock.unlock();
      std::optional<GroupSimulator::Result> result;
      std::exception_ptr fault;
      try {
        result = simulator.simulate(mine.designs, monitor);
      } catch (...) {
        fault = std::current_exception();
      }
      lock.lock();
      --simulating;
      seconds_each = Seconds(Clock::now() - begun).count() / static_cast<double>(n);
      if (result) {
        take(mine.group, group, std::move(*result));
      } else {
        for (const DesignId design : mine.designs) in_hand[mine.group].erase(design);
        if (in_hand[mine.group].empty()) in_hand.erase(mine.group);
        refuse(mine, group, fault);
      }
    }
  }

  void take(Store::GroupId id, Group& group, GroupSimulator::Result result) {
    for (Trial& trial : result.trials) {
      ++(is_finished(trial.state) ? group.succeeded : group.failed);
      unstored[id].push_back(std::move(trial));
    }
    if (Clock::now() - stored >= Seconds(1)) store_finished();
    if (group.succeeded == 0 && group.failed >= most_failures_in_a_row && group.simulator != nullptr) {
      const Error fault(
          ErrorCode::tool_failure,
          "all of the first " + count_text(group.failed) + " runs failed; the last: " + result.last_failure,
          "try one design with `corbel simulate` on this machine");
      refuse({id, {}}, group, std::make_exception_ptr(fault));
    }
  }

  /// Leaves the group to others, or stops.
  void refuse(const TrialQueue::Claim& claim, Group& group, const std::exception_ptr& fault) {
    if (monitor.stop_requested()) return stop();
    if (options.stops_at_errors) {
      if (!error) error = fault;
      return stop();
    }
    if (group.simulator != nullptr) tell_refusal(claim.group, fault);
    group.simulator = nullptr;
    if (waiting.group == claim.group) give_back();
    if (!attempt([&] { queue.release(claim); })) is_known = false;
  }

  void tell_refusal(Store::GroupId id, const std::exception_ptr& fault) {
    try {
      std::rethrow_exception(fault);
    } catch (const Error& refusal) {
      note = "leaves group " + std::to_string(id) + " to others: " + refusal.what();
      monitor.message(note + (refusal.hint().empty() ? "" : "; " + refusal.hint()));
    }
  }

  /// Claims the next designs; false if there are none now, after a wait.
  bool fetch(std::unique_lock<std::mutex>& lock) {
    const Clock::time_point now = Clock::now();
    if (now < next_claim) {
      something_changed.wait_until(lock, next_claim);
      return false;
    }
    if (!store_finished()) {
      next_claim = next_try;
      return false;
    }
    const double since = Seconds(now - claimed).count();
    // About a second of work, growing step by step: the first designs may not be like the others.
    const double fitting = static_cast<double>(claim_size) / std::max(since, 1e-3);
    claim_size = std::clamp(static_cast<std::size_t>(std::min(fitting, 8.0 * static_cast<double>(claim_size))),
                            std::size_t{1}, most_claimed);
    claimed = now;
    if (!attempt([&] {
          std::vector<Store::GroupId> wanted = queue.waiting_groups();
          std::erase_if(wanted, [&](Store::GroupId group) { return !accepts(group); });
          // By turns, so that a long sweep does not keep the others waiting.
          std::ranges::rotate(wanted, std::ranges::upper_bound(wanted, claimed_of));
          const std::size_t idle = options.threads - simulating;
          waiting = queue.claim(wanted, std::max(claim_size, idle), idle);
        })) {
      next_claim = next_try;
      return false;
    }
    if (waiting.designs.empty()) {
      if (in_hand.empty() && !idle_since) idle_since = Clock::now();
      wait = std::clamp(wait * 2, least_wait, most_wait);
      next_claim = Clock::now() + wait;
      ask_whether_to_end();
      return false;
    }
    wait = milliseconds(0);
    idle_since.reset();
    if (claimed_of != waiting.group) seconds_each = 1;
    claimed_of = waiting.group;
    // Taken from the end: the first design first.
    std::ranges::reverse(waiting.designs);
    if (waiting.designs.size() > 1) something_changed.notify_all();
    return true;
  }

  /// How many designs to simulate in one go, so that the queue's lock costs little and a stop loses little.
  std::size_t chunk() const {
    const double fitting = std::clamp(seconds_of_chunk / std::max(seconds_each, 1e-9), 1.0, most_in_chunk);
    const auto fair = static_cast<double>(waiting.designs.size() / options.threads);
    return static_cast<std::size_t>(std::max(1.0, std::min(fitting, fair)));
  }

  bool accepts(Store::GroupId id) {
    if (!options.groups.empty() && std::ranges::find(options.groups, id) == options.groups.end()) return false;
    const auto known = groups.find(id);
    if (known != groups.end()) {
      const bool is_in_use = in_hand.contains(id) || Clock::now() - known->second.made < jobs_last;
      if (is_in_use) return known->second.simulator != nullptr;
      groups.erase(known);
    }
    Group& group = groups[id];
    try {
      group.simulator = &simulator_of(id);
    } catch (const DatabaseError&) {
      groups.erase(id);
      throw;
    } catch (const Error&) {
      tell_refusal(id, std::current_exception());
    }
    return group.simulator != nullptr;
  }

  /// False if that must wait.
  bool store_finished() {
    while (!unstored.empty()) {
      const auto& [group, trials] = *unstored.begin();
      std::uint64_t counted = 0;
      if (!attempt([&] { counted = queue.finish(group, trials); })) return false;
      finished += counted;
      late += trials.size() - counted;
      for (const Trial& trial : trials) failed += is_finished(trial.state) ? 0 : 1;
      forget(group, trials);
      minute.emplace_back(Clock::now(), trials.size());
      unstored.erase(unstored.begin());
    }
    stored = Clock::now();
    monitor.progress("work", finished, 0, failed > 0 ? count_text(failed) + " failed" : "");
    return true;
  }

  void forget(Store::GroupId group, const std::vector<Trial>& trials) {
    const auto mine = in_hand.find(group);
    if (mine == in_hand.end()) return;
    for (const Trial& trial : trials) mine->second.erase(trial.design);
    if (mine->second.empty()) in_hand.erase(mine);
  }

  std::uint64_t finished_last_minute() {
    while (!minute.empty() && Clock::now() - minute.front().first > std::chrono::minutes(1)) minute.pop_front();
    std::uint64_t sum = 0;
    for (const auto& [when, trials] : minute) sum += trials;
    return sum;
  }

  /// Says something to the server. False where it cannot be reached now: then nothing more is said for a while, and the
  /// same can be said again.
  bool attempt(const std::function<void()>& work) {
    if (Clock::now() < next_try) return false;
    try {
      if (is_lost) queue.reconnect();
      if (is_lost || !is_known) compare();
      is_known = true;
      if (is_lost) monitor.message("connected to " + queue.location().text() + " again");
      is_lost = false;
      retry_wait = milliseconds(0);
      work();
      return true;
    } catch (const DatabaseError& fault) {
      if (!fault.may_pass()) throw;
      if (!is_lost) monitor.message(std::string(fault.what()) + "; going on with what is claimed, and trying again");
      is_lost = true;
      retry_wait = std::clamp(retry_wait * 2, milliseconds(100), most_retry_wait);
      next_try = Clock::now() + retry_wait;
      return false;
    }
  }

  /// What the server takes for this worker's and what the worker holds may differ: the answer to a claim was lost, and
  /// nobody would ever simulate those designs; or the lease ran out, and others do.
  void compare() {
    queue.enter(options.threads, options.lease);
    std::set<DesignId> still;
    for (TrialQueue::Claim& held : queue.held()) {
      std::erase_if(held.designs, [&](DesignId design) {
        const auto mine = in_hand.find(held.group);
        if (mine != in_hand.end() && mine->second.contains(design)) return true;
        if (held.group != waiting.group || std::ranges::find(waiting.designs, design) == waiting.designs.end()) {
          return false;
        }
        still.insert(design);
        return true;
      });
      queue.release(held);
    }
    std::erase_if(waiting.designs, [&](DesignId design) { return !still.contains(design); });
  }

  TrialQueue& queue;
  std::function<const GroupSimulator&(Store::GroupId)> simulator_of;
  WorkerOptions options;
  Monitor& monitor;
  const std::function<bool(Seconds)>* ends = nullptr;

  std::mutex mutex;  // of all below, and of the queue
  std::condition_variable something_changed;
  bool stopping = false;
  std::exception_ptr error;
  std::map<Store::GroupId, Group> groups;
  TrialQueue::Claim waiting;                             // claimed and not begun, the next one last
  std::map<Store::GroupId, std::set<DesignId>> in_hand;  // begun and not stored
  std::map<Store::GroupId, std::vector<Trial>> unstored;
  std::size_t claim_size = 1, simulating = 0;
  double seconds_each = 1;        // of the designs simulated last
  Store::GroupId claimed_of = 0;  // the group claimed last
  std::uint64_t finished = 0, failed = 0, late = 0;
  std::deque<std::pair<Clock::time_point, std::uint64_t>> minute;  // what was stored when
  std::string note;
  Clock::time_point claimed = Clock::now(), stored = claimed, next_claim = claimed, next_try = claimed;
  std::optional<Clock::time_point> idle_since;
  milliseconds wait{0}, retry_wait{0};
  bool is_lost = false;
  bool is_known = false;  // whether the server and this worker agree on what is this worker's
};

Worker::Worker(TrialQueue& queue, std::function<const GroupSimulator&(Store::GroupId)> simulator_of,
               WorkerOptions options, Monitor& monitor)
    : data_(std::make_unique<Data>(queue, std::move(simulator_of), options, monitor)) {}
Worker::~Worker() = default;

void Worker::run(const std::function<bool(std::chrono::duration<double> idle)>& ends) {
  data_->run(ends);
}

std::uint64_t Worker::finished() const {
  return data_->finished;
}
std::uint64_t Worker::failed() const {
  return data_->failed;
}
std::uint64_t Worker::late() const {
  return data_->late;
}

}  // namespace corbel
