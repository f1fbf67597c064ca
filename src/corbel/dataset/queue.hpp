#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "corbel/dataset/store.hpp"

namespace corbel {

/// Trials that wait for whoever has time: a store's own rows, handed out to workers on any machine that reaches it.
///
/// A worker claims trials, and they are its own for as long as its lease runs by the server's clock; every call of the
/// worker renews the lease. When it ends, whoever claims next takes the worker for lost, and its trials wait again.
/// What a worker finishes counts if nobody else has claimed it since, once, however often it is said. So every trial
/// counts exactly once, whatever is killed, cut off or asleep.
///
/// A trial that was lost with its worker may be what killed it: it is claimed after the others, few at a time, and
/// given up (abandoned, "worker_lost") when most_losses workers were lost with it.
///
/// Not thread-safe. Every member throws DatabaseError, as Store; after a lost connection reconnect() and say the same
/// again: nothing counts twice.
class TrialQueue {
 public:
  using GroupId = Store::GroupId;
  static constexpr int most_losses = 5;

  /// Opens the store, which must be there. @throws as Store's constructor
  /// @param worker  the name under which this one works
  explicit TrialQueue(StoreLocation location, std::string worker = worker_id(),
                      std::chrono::milliseconds patience = std::chrono::minutes(1));
  ~TrialQueue();
  TrialQueue(TrialQueue&&) noexcept;

  const StoreLocation& location() const;
  void reconnect();

  // --- who hands out

  /// Keeps what others must know to simulate the group's designs; JobSpec::to_text().
  void set_job(GroupId group, std::string_view spec);
  /// Makes these designs wait: new ones, and failed ones once more. The others stay as they are.
  void offer(GroupId group, std::span<const DesignId> designs);
  /// Those that wait or that a worker is at, ascending.
  std::vector<DesignId> open(GroupId group);
  /// Makes the trials wait again whose worker's lease has run out; claim() does so, too.
  void expire();
  /// Workers whose lease runs, without this one.
  std::uint64_t live_workers();

  // --- who works

  /// Makes this process known as a worker, or known again.
  void enter(std::size_t threads, std::chrono::milliseconds lease);
  struct Claim {
    GroupId group = 0;
    std::vector<DesignId> designs;
  };
  /// Groups with designs that wait.
  std::vector<GroupId> waiting_groups();
  /// Designs of the first of these groups that has some; none if nothing waits there.
  /// @param most  how many, in the order of their ids
  /// @param suspects  how many at most where they were lost with other workers before
  Claim claim(std::span<const GroupId> groups, std::size_t most, std::size_t suspects);
  /// Keeps what the worker's trials came to. Safe to repeat. @return how many of them count as this worker's
  std::uint64_t finish(GroupId group, std::span<const Trial> trials);
  /// Renews the lease. @return false if others have taken this worker for lost since the last heartbeat: what it held
  /// then is theirs
  bool heartbeat(std::uint64_t finished_last_minute, std::string_view note);
  /// What the worker has claimed and neither finished nor given back, by group. After a lost connection it may be more
  /// than the worker knows of.
  std::vector<Claim> held();
  /// Gives these back, as far as they are the worker's.
  void release(const Claim& claim);
  /// Gives back everything and ends the lease.
  void leave();

  /// The group's spec; "" if it was never handed out.
  std::string job(GroupId group);
  /// The name of this process as a worker: "host-pid-" and random digits.
  static std::string worker_id();

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

}  // namespace corbel
