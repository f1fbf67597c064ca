#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace corbel {

/// Cores this process may use (the scheduler's affinity mask), at least 1.
std::size_t available_cores();

/// Calls work(begin, end) on disjoint chunks that cover [0, count), on up to `threads` threads (0: all cores).
/// Chunks are handed out dynamically in order. The first exception is rethrown after all threads have ended.
void parallel_for(std::size_t count, std::size_t threads, std::size_t chunk,
                  const std::function<void(std::size_t begin, std::size_t end)>& work);

/// Threads that help those who compute on their own, as far as there are cores left: for work that comes in small
/// pieces again and again. They sleep while there is none. Thread-safe.
class Team {
 public:
  /// @param threads  that may be at work at once, 0: as many as cores
  explicit Team(std::size_t threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  std::size_t threads() const;
  /// Calls work(i) for every i < count, on the calling thread and on helpers; returns when all are done. In which order
  /// and on which thread is not said. The first exception is rethrown.
  void run(std::size_t count, const std::function<void(std::size_t i)>& work);

  /// Says, while it exists, that its thread computes: a helper less for the others. Without any, run()'s caller is
  /// taken to be the only one.
  class Caller {
   public:
    explicit Caller(Team& team);
    ~Caller();
    Caller(const Caller&) = delete;
    Caller& operator=(const Caller&) = delete;

   private:
    Team& team_;
  };

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

}  // namespace corbel
