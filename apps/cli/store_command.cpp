#include <fmt/format.h>
#include <stdlib.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "commands.hpp"
#include "corbel/base/config.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/units.hpp"
#include "corbel/dataset/import.hpp"
#include "corbel/dataset/log_presets.hpp"
#include "corbel/dataset/store_check.hpp"
#include "import_preview.hpp"
#include "summaries.hpp"
#include "terminal.hpp"

namespace corbel::cli {
namespace {

using nlohmann::json;

struct StoreArguments {
  std::string store;
  std::vector<std::string> logs;
  std::string preset, mapping, space, workload;
  bool dry_run = false;
};

std::optional<DesignSpace> space_of(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return DesignSpace::from_config(Config::parse(json(text).dump(), "--space"));
}

std::vector<ImportSpec> specs_of(const StoreArguments& arguments) {
  std::vector<ImportSpec> specs;
  for (const std::string& log : arguments.logs) {
    std::vector<ImportSpec> own(1);
    if (!arguments.preset.empty() && std::filesystem::is_directory(log) && arguments.workload.empty()) {
      own = preset_logs(log_preset(arguments.preset), log);
    } else if (!arguments.preset.empty()) {
      log_preset(arguments.preset).apply(own.front());
    } else if (!arguments.mapping.empty()) {
      own.front() = import_spec_from_config(Config::load(arguments.mapping));
    }
    if (own.size() == 1 && own.front().file.empty()) own.front().file = log;
    if (!arguments.workload.empty()) own.front().workload = arguments.workload;
    for (ImportSpec& spec : own) specs.push_back(std::move(spec));
  }
  return specs;
}

void import_into_store(const StoreArguments& arguments, const Common& common) {
  TerminalMonitor monitor(common.quiet);
  const std::optional<DesignSpace> space = space_of(arguments.space);
  const std::vector<ImportSpec> specs = specs_of(arguments);
  ImportPreview preview;
  const ImportMode mode = arguments.dry_run ? ImportMode::dry_run : ImportMode::keep;
  const ScratchStore scratch(arguments.store, mode);
  Store store(scratch.location(), Store::Mode::read_write);
  for (const ImportSpec& spec : specs) preview.add(store, spec, space, mode, monitor);
  preview.print(mode, common);
}

void check(const StoreArguments& arguments, const Common& common, int& exit_code) {
  TerminalMonitor monitor(common.quiet);
  const StoreLocation store = arguments.store;
  const StoreCheck found = check_store(store, monitor);
  if (found.faults > 0) exit_code = exit_error;
  if (common.json()) {
    return print_json({{"store", store.text()},
                       {"groups", found.groups},
                       {"trials", found.trials},
                       {"faults", found.faults},
                       {"listed", found.listed}});
  }
  const auto people = [](std::uint64_t count) { return format_for_people(static_cast<double>(count), 15); };
  for (const std::string& fault : found.listed) fmt::print("{}: {}\n", store.text(), fault);
  if (found.faults > found.listed.size()) fmt::print("and {} more\n", people(found.faults - found.listed.size()));
  fmt::print("{}: {} trials in {} groups: {}\n", store.text(), people(found.trials), people(found.groups),
             found.faults == 0 ? "no damage found" : people(found.faults) + " faults; restore it from a copy");
}

}  // namespace

void add_store_command(CLI::App& app, Common& common, int& exit_code) {
  CLI::App* group = app.add_subcommand("store", "Work on a store of trials (trials.db, postgresql://…) itself");
  group->require_subcommand(1);
  const auto arguments = std::make_shared<StoreArguments>();

  CLI::App* import = group->add_subcommand("import", "Read logs into a store, without a study");
  import->add_option("STORE", arguments->store, "The store, a file or postgresql://user@host/database; made if absent")
      ->required();
  import->add_option("LOG", arguments->logs, "Logs, folders of logs, or patterns in quotes; each is planned by itself")
      ->required();
  import->add_option("--space", arguments->space, "edge, or a space file; otherwise it is made of the values seen");
  import->add_option("--workload", arguments->workload, "The network that the logs are of");
  CLI::Option* mapping =
      import->add_option("--mapping", arguments->mapping, "A YAML file as under `import:` of a study, without `file`");
  import->add_option("--preset", arguments->preset, "A published data set: prime")->excludes(mapping);
  import->add_flag("--dry-run", arguments->dry_run, "Only tell what would be imported");
  add_common(*import, common);
  import->callback([arguments, &common] { import_into_store(*arguments, common);
});

CLI::App* check_command = group->add_subcommand("check", "Look for damage; exit code 1 if there is any");
check_command->add_option("STORE", arguments->store, "The store")->required();
add_common(*check_command, common);
check_command->callback([arguments, &common, &exit_code] { check(*arguments, common, exit_code); });
}  // namespace corbel::cli

}  // namespace corbel::cli
