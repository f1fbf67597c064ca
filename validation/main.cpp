// Prints the published figures that the edge simulator is held against, beside its own.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "comparisons.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/file.hpp"

namespace {

int run(int argc, char** argv) {
  using namespace corbel;
  CLI::App app{"Holds the edge simulator against published figures; exits with 1 if a target is not met.",
               "corbel_validation"};
  std::vector<std::string> names;
  std::string known;
  for (const Comparison& each : comparisons()) {
    known += fmt::format("\n  {:<16}{}", each.name, each.summary);
    names.emplace_back(each.name);
  }
  app.footer("Tables:" + known);
  std::vector<std::string> wanted;
  app.add_option("TABLE", wanted, "Which tables; all without a name")->check(CLI::IsMember(names));
  ValidationOptions options;
  options.data = CORBEL_VALIDATION_DATA;
  std::string format = "markdown";
  app.add_option("--designs", options.designs, "Random designs per network, and designs of each search")
      ->check(CLI::Range(1, 10000000))
      ->capture_default_str();
  app.add_option("--threads", options.threads, "Threads; 0: all cores")->capture_default_str();
  app.add_option("--seed", options.seed, "Of the random designs and the searches")->capture_default_str();
  app.add_option("--data", options.data, "Folder of the published figures")->check(CLI::ExistingDirectory);
  app.add_flag("--fit", options.fit, "coral: fit host latency and bandwidth to the measured times again");
  std::filesystem::path figures;
  app.add_option("--figures", figures, "Folder to write the figures of these tables to, as SVG");
  app.add_option("--format", format, "markdown for people, json for programs")
      ->check(CLI::IsMember({"markdown", "json"}))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  bool met = true;
  nlohmann::json result;
  for (const Comparison& each : comparisons()) {
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), each.name) == wanted.end()) continue;
    const Section section = each.run(options);
    met = met && all_met(section);
    if (!figures.empty()) {
      for (const Figure& figure : section.figures) write_file(figures / figure.file, figure.svg);
    }
    if (format == "json") {
      result[section.name] = to_json(section);
    } else {
      fmt::print("{}", to_markdown(section));
      std::fflush(stdout);
    }
  }
  if (format == "json") fmt::print("{}\n", result.dump(1));
  return met ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const corbel::Error& error) {
    fmt::print(stderr, "corbel_validation: {}{}{}\n", error.what(), error.hint().empty() ? "" : "; ", error.hint());
    return 2;
  }
}
