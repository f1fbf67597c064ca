#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "corbel/base/count_text.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/json.hpp"
#include "corbel/base/units.hpp"
#include "corbel/dataset/queue_status.hpp"
#include "corbel/study/study_file.hpp"
#include "summaries.hpp"
#include "terminal.hpp"

namespace corbel::cli {
namespace {

using nlohmann::json;

constexpr std::array states = {TrialState::waiting,    TrialState::running, TrialState::complete,
                               TrialState::infeasible, TrialState::failed,  TrialState::abandoned};

/// A store is named as such; any other file is a study's.
StoreLocation location_of(const std::string& name) {
  if (is_store_url(name) || std::filesystem::path(name).extension() == ".db") return name;
  return StudyFile::load(name).store_location();
}

json to_json(const GroupStatus& group) {
  json counts = {
      {"group", group.id}, {"simulator", group.simulator}, {"workload", group.workload}, {"failures", group.failures}};
  for (const TrialState state : states) counts[std::string(to_string(state))] = group.of(state);
  return counts;
}

json to_json(const WorkerStatus& worker) {
  return {{"worker", worker.id},
          {"host", worker.host},
          {"pid", worker.pid},
          {"version", worker.version},
          {"jobs", worker.threads},
          {"state", worker.state},
          {"note", worker.note},
          {"started_seconds_ago", worker.started_seconds},
          {"seen_seconds_ago", worker.seen_seconds},
          {"finished", worker.done},
          {"failed", worker.failed},
          {"last_minute", worker.recent}};
}

std::string people(std::int64_t count) {
  return count_text(static_cast<std::uint64_t>(count));
}

void print_groups(const QueueStatus& status) {
  std::vector<std::string> header = {"group", "simulator", "workload"};
  for (const TrialState state : states) header.emplace_back(to_string(state));
  Table table(header);
  for (const GroupStatus& group : status.groups) {
    std::vector<std::string> row = {std::to_string(group.id), group.simulator,
                                    group.workload.empty() ? "-" : group.workload};
    for (const TrialState state : states) row.push_back(people(group.of(state)));
    table.row(row);
  }
  table.print();
  for (const GroupStatus& group : status.groups) {
    std::string text;
    for (const auto& [reason, count] : group.failures) {
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", people(count), printable(reason));
    }
    if (!text.empty()) fmt::print("failures in group {}: {}\n", group.id, text);
  }
}

void print_workers(const QueueStatus& status) {
  if (status.workers.empty()) {
    fmt::print("\nno worker has been here in the last 24 hours\n");
    return;
  }
  fmt::print("\n");
  Table table({"worker", "host", "pid", "state", "seen s ago", "at once", "finished", "failed", "last minute"});
  std::int64_t stopped = 0;
  for (const WorkerStatus& worker : status.workers) {
    if (worker.state == "stopped") {
      ++stopped;
      continue;
    }
    table.row({worker.id, worker.host, std::to_string(worker.pid), worker.state,
               format_for_people(std::round(worker.seen_seconds), 6), people(worker.threads), people(worker.done),
               people(worker.failed), people(worker.recent)});
  }
  if (stopped < static_cast<std::int64_t>(status.workers.size())) table.print();
  if (stopped > 0) fmt::print("ended in the last 24 hours: {}\n", people(stopped));
  for (const WorkerStatus& worker : status.workers) {
    if (worker.state != "stopped" && !worker.note.empty())
      fmt::print("{}: {}\n", printable(worker.id), printable(worker.note, 1000));
  }
  const double left = status.seconds_left();
  fmt::print("\n{} trials/s in the last minute; {}\n", format_for_people(status.trials_per_second(), 3),
             left == 0             ? "nothing is left to do"
             : std::isfinite(left) ? fmt::format("{} left of what is handed out", duration_text(left))
                                   : "nobody works on what is left");
}

void show_status(const std::string& name, const Common& common) {
  const StoreLocation location = location_of(name);
  const QueueStatus status = queue_status(location);
  if (!common.json()) {
    print_groups(status);
    print_workers(status);
    return;
  }
  json groups = json::array(), workers = json::array();
  for (const GroupStatus& group : status.groups) groups.push_back(to_json(group));
  for (const WorkerStatus& worker : status.workers) workers.push_back(to_json(worker));
  print_json({{"store", location.text()},
              {"groups", groups},
              {"workers", workers},
              {"trials_per_second", status.trials_per_second()},
              {"seconds_left", number_or_null(status.seconds_left())}});
}

}  // namespace

void add_status_command(CLI::App& app, Common& common) {
  const auto name = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("status", "Show how far a store's trials are, and who works on them");
  command->add_option("STORE|STUDY", *name, "A store (postgresql://…, trials.db), or a study file")->required();
  add_common(*command, common);
  command->callback([name, &common] { show_status(*name, common); });
}

}  // namespace corbel::cli
