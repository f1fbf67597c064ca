#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "corbel/base/count_text.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/parallel.hpp"
#include "corbel/dataset/database.hpp"
#include "corbel/dataset/job.hpp"
#include "corbel/dataset/queue.hpp"
#include "corbel/dataset/worker.hpp"
#include "launch.hpp"
#include "summaries.hpp"
#include "terminal.hpp"

namespace corbel::cli {
namespace {

struct WorkerArguments {
  std::string store;
  WorkerSettings settings;
  std::string launch;
  std::size_t count = 0;
  std::string slurm;
};

/// The simulators of a store's groups, made from what stands in the store.
class Jobs {
 public:
  Jobs(TrialQueue& queue, std::filesystem::path study_folder) : queue_(queue), study_folder_(std::move(study_folder)) {}

  const GroupSimulator& simulator(Store::GroupId id) {
    const TrialGroup group = Store(queue_.location(), Store::Mode::read_only).describe(id);
    jobs_.erase(id);
    return jobs_.try_emplace(id, group, JobSpec::from_text(queue_.job(id)), study_folder_).first->second.simulator();
  }

 private:
  TrialQueue& queue_;
  std::filesystem::path study_folder_;
  std::map<Store::GroupId, Job> jobs_;
};

/// The queue of a store, which may be that of a sweep yet to come. A server may just be starting, or at its limit for a
/// moment.
TrialQueue queue_in(const StoreLocation& store, Monitor& monitor) {
  if (store.is_file() && !std::filesystem::exists(store.file())) {
    throw Error(ErrorCode::not_found, store.text() + ": no such store",
                "name the store that a sweep hands out in, or postgresql://user@host/database");
  }
  constexpr int tries = 6;
  return try_patiently([&] { return TrialQueue(store); },
                       [&](const DatabaseError&, int number) {
                         monitor.check();
                         return number < tries;
                       });
}

void work(const WorkerArguments& arguments, const Common& common, int& exit_code) {
  TerminalMonitor monitor(common.quiet);
  const WorkerSettings& settings = arguments.settings;
  const StoreLocation store(arguments.store);
  TrialQueue queue = queue_in(store, monitor);
  Jobs jobs(queue, settings.study_folder);
  WorkerOptions options;
  options.threads = settings.jobs > 0 ? settings.jobs : available_cores();
  options.lease = std::chrono::milliseconds(std::lround(settings.lease_seconds * 1000));
  monitor.message(
      fmt::format("worker {}: {} at once, from {}", TrialQueue::worker_id(), options.threads, queue.location().text()));
  Worker worker(
      queue, [&](Store::GroupId group) -> const GroupSimulator& { return jobs.simulator(group); }, options, monitor);
  worker.run([&](std::chrono::duration<double> idle) {
    return settings.idle_exit_seconds && idle.count() >= *settings.idle_exit_seconds;
  });
  if (common.json()) {
    print_json({{"worker", TrialQueue::worker_id()},
                {"finished", worker.finished()},
                {"failed", worker.failed()},
                {"late", worker.late()}});
  } else if (!common.quiet) {
    fmt::print("{} trials finished, {} of them failed; {} were others' by then\n", count_text(worker.finished()),
               count_text(worker.failed()), count_text(worker.late()));
  }
  if (const int signal = stop_signal.load(); signal != 0) exit_code = 128 + signal;
}

void launch(const WorkerArguments& arguments, const Common& common, int& exit_code) {
  TerminalMonitor monitor(common.quiet);
  const StoreLocation store(arguments.store);
  if (arguments.launch == "local") {
    exit_code = launch_locally(store, arguments.settings, arguments.count, monitor);
    return;
  }
  const std::string job = launch_on_slurm(store, arguments.settings, arguments.count, arguments.slurm, monitor);
  if (common.json()) return print_json({{"job", job}, {"workers", arguments.count}});
  fmt::print("Slurm job {}: {} workers\nto end them: scancel {}\n", job, arguments.count, job);
}

}  // namespace

void add_worker_command(CLI::App& app, Common& common, int& exit_code) {
  const auto arguments = std::make_shared<WorkerArguments>();
  CLI::App* command = app.add_subcommand("worker", "Simulate what sweeps and searches hand out through a store");
  command->add_option("STORE", arguments->store, "postgresql://user@host/database, or a file on this machine")
      ->required()
      ->envname("CORBEL_STORE");
  WorkerSettings& settings = arguments->settings;
  command->add_option("--jobs", settings.jobs, "Simulations at once [all cores]")->check(CLI::Range(1, 4096));
  command
      ->add_option("--lease", settings.lease_seconds,
                   "Seconds without a sign of life after which others take over its trials")
      ->check(CLI::Range(1.0, 86'400.0))
      ->capture_default_str();
  command->add_option("--idle-exit", settings.idle_exit_seconds, "Ends after so many seconds without work [never]")
      ->check(CLI::Range(0.0, 1e9));
  command->add_option("--study-dir", settings.study_folder,
                      "The study's folder on this machine, if it lies elsewhere than where it was handed out");
  CLI::Option* launched =
      command->add_option("--launch", arguments->launch, "Start -n workers: local processes, or a Slurm array")
          ->check(CLI::IsMember({"local", "slurm"}));
  command->add_option("-n,--workers", arguments->count, "How many to --launch")
      ->check(CLI::Range(1, 100'000))
      ->needs(launched);
  command->add_option("--slurm", arguments->slurm, "Options for sbatch, such as '--partition=x --mem=4G'")
      ->needs(launched);
  add_common(*command, common);
  command->callback([arguments, &common, &exit_code] {
    if (arguments->launch.empty()) return work(*arguments, common, exit_code);
    if (arguments->count == 0) {
      throw Error(ErrorCode::usage, "--launch does not say how many workers", "add -n, such as -n 8");
    }
    launch(*arguments, common, exit_code);
  });
}

}  // namespace corbel::cli
