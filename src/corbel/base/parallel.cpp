#include "corbel/base/parallel.hpp"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <list>
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

struct Team::Data {
  struct Job {
    const std::function<void(std::size_t)>& work;
    std::size_t count;
    std::size_t next = 0, unfinished = 0;  // unfinished: taken, and not yet done
    std::exception_ptr failure = nullptr;
  };

  std::mutex mutex;
  std::condition_variable work_is_there, work_is_done;
  std::list<Job*> jobs;  // with pieces that nobody has taken
  std::size_t threads, callers = 0, helping = 0;
  bool stop = false;
  std::vector<std::jthread> helpers;

  explicit Data(std::size_t its_threads) : threads(its_threads) {}

  bool has_cores_left() const { return std::max<std::size_t>(callers, 1) + helping < threads; }

  // Takes a piece, does it and puts down what came of it. Called and left with the lock held.
  void do_next(Job& job, std::unique_lock<std::mutex>& lock) {
    const std::size_t piece = job.next++;
    if (job.next == job.count) jobs.remove(&job);
    ++job.unfinished;
    lock.unlock();
    std::exception_ptr failure;
    try {
      job.work(piece);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    --job.unfinished;
    if (!failure) return;
    if (!job.failure) job.failure = failure;
    if (job.next < job.count) jobs.remove(&job);
    job.next = job.count;
  }

  void help() {
    std::unique_lock lock(mutex);
    while (true) {
      work_is_there.wait(lock, [&] { return stop || (!jobs.empty() && has_cores_left()); });
      if (stop) return;
      Job& job = *jobs.front();
      ++helping;
      do_next(job, lock);
      --helping;
      if (job.unfinished == 0 && job.next == job.count) work_is_done.notify_all();
    }
  }
};

Team::Team(std::size_t threads) : data_(std::make_unique<Data>(threads == 0 ? available_cores() : threads)) {
  try {
    while (data_->helpers.size() + 1 < data_->threads)
      data_->helpers.emplace_back([data = data_.get()] { data->help(); });
  } catch (const std::system_error&) {
    // The system refuses more threads: those there are do the work.
  }
}

Team::~Team() {
  {
    const std::lock_guard lock(data_->mutex);
    data_->stop = true;
  }
  data_->work_is_there.notify_all();
  data_->helpers.clear();
}

std::size_t Team::threads() const {
  return data_->threads;
}

void Team::run(std::size_t count, const std::function<void(std::size_t i)>& work) {
  if (count == 0) return;
  Data::Job job{work, count};
  std::unique_lock lock(data_->mutex);
  data_->jobs.push_back(&job);
  for (std::size_t i = 1; i < count && i < data_->threads && data_->has_cores_left(); ++i) {
    data_->work_is_there.notify_one();
  }
  while (job.next < job.count) data_->do_next(job, lock);
  data_->work_is_done.wait(lock, [&] { return job.unfinished == 0; });
  if (job.failure) std::rethrow_exception(job.failure);
}

Team::Caller::Caller(Team& team) : team_(team) {
  const std::lock_guard lock(team_.data_->mutex);
  ++team_.data_->callers;
}

Team::Caller::~Caller() {
  const std::lock_guard lock(team_.data_->mutex);
  --team_.data_->callers;
  team_.data_->work_is_there.notify_one();
}

}  // namespace corbel
