#include "corbel/base/parallel.hpp"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace corbel {

std::size_t available_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  // Fails on machines with more cores than a cpu_set_t holds.
  if (sched_getaffinity(0, sizeof cores, &cores) == 0) {
    return std::max<std::size_t>(1, static_cast<std::size_t>(CPU_COUNT(&cores)));
  }
  return std::max<std::size_t>(1, std::thread::hardware_concurrency());
}

void parallel_for(std::size_t count, std::size_t threads, std::size_t chunk,
                  const std::function<void(std::size_t begin, std::size_t end)>& work) {
  if (count == 0) return;
  chunk = std::clamp<std::size_t>(chunk, 1, count);
  const std::size_t chunks = count / chunk + (count % chunk != 0);
  if (threads == 0) threads = available_cores();
  threads = std::min(threads, chunks);

  std::atomic<std::size_t> next_chunk{0};
  std::atomic<bool> stop{false};
  std::mutex failure_mutex;
  std::exception_ptr failure;
  const auto run = [&] {
    while (!stop.load(std::memory_order_relaxed)) {
      const std::size_t index = next_chunk.fetch_add(1, std::memory_order_relaxed);
      if (index >= chunks) return;
      const std::size_t begin = index * chunk;
      try {
        work(begin, begin + std::min(chunk, count - begin));
      } catch (...) {
        const std::lock_guard lock(failure_mutex);
        if (!failure) failure = std::current_exception();
        stop.store(true, std::memory_order_relaxed);
      }
    }
  };
  {
    std::vector<std::jthread> workers;
    workers.reserve(threads - 1);
    try {
      while (workers.size() + 1 < threads) workers.emplace_back(run);
    } catch (const std::system_error&) {
      // The system refuses more threads: those there are, and this one, do the work.
    }
    run();
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace corbel
