// The two main jobs and the steps between them, as a user runs them.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <thread>

#include "program.hpp"
#include "support/temporary_folder.hpp"

namespace corbel::test {
namespace {

using nlohmann::json;

const std::string v1_design =
    "pes_x=4,pes_y=4,compute_lanes=64,cores=4,pe_memory=2 MiB,core_memory=32 KiB,activation_memory=1024,"
    "instruction_memory=16384,parameter_memory=16384,dram_bandwidth=17";

const std::string small_study = R"(
space: edge
workload: mobilenet_v2
simulator: edge
objective: latency_ms
constraints: [area_mm2 <= 40]
sweep: {designs: 1500}
train: {steps: 150, grid: [{alpha: 0.01, beta: 0.03}]}
search: {method: firefly, budget: 3000, proposals: 12}
validate: {designs: 6}
)";

TEST(Help, FitsAScreenAndNamesEveryCommand) {
  const Finished help = corbel({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_LE(std::count(help.out.begin(), help.out.end(), '\n'), 32);
  for (const char* command : {"init", "run", "sweep", "import", "train", "search", "ask", "tell", "validate", "report",
                              "export", "inspect", "simulate", "describe"}) {
    EXPECT_NE(help.out.find(command), std::string::npos) << command;
  }
}

TEST(Run, AnswersForANetworkThatWasNeverSimulated) {
  const TemporaryFolder folder;
  const std::string study =
      folder
          .write("study.yaml",
                 "space: edge\nworkload: mobilenet_v2\nsimulator: edge\nobjective: latency_ms\n"
                 "constraints: [area_mm2 <= 40]\nsweep: {designs: 0}\n"
                 "learn_from: [{workload: mobilenet_v3, designs: 3000}, {workload: m5, designs: 3000}]\n"
                 "train: {steps: 400, ensemble: 1, grid: [{alpha: 0, beta: 0}]}\nsearch: {budget: 2000}\nvalidate: "
                 "{designs: 0}\n")
          .string();
  const Finished run = corbel({"run", study, "--quiet"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.out.find("learnt also from mobilenet_v3 (3,000 rows), m5 (3,000 rows)"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("extrapolated: no logged design of this network ran"), std::string::npos) << run.out;
  const Finished report = corbel({"report", study, "--quiet"});
  EXPECT_EQ(report.exit_code, 0) << report.err;
}

TEST(Simulate, PrintsTheMetricsOfAPublishedDesign) {
  const Finished finished =
      corbel({"simulate", "--design", v1_design, "--workload", "mobilenet_v2", "--layers", "--format", "json"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  const json result = parse(finished);
  EXPECT_TRUE(result["feasible"].get<bool>());
  EXPECT_EQ(result["reason"], "");
  for (const char* metric : {"latency_ms", "energy_mj", "power_w", "area_mm2"}) {
    EXPECT_GT(result[metric].get<double>(), 0) << metric;
  }
  double total = 0;
  for (const json& layer : result["layers"]) total += layer["latency_ms"].get<double>();
  EXPECT_NEAR(total, result["latency_ms"].get<double>(), 0.05 * result["latency_ms"].get<double>());
}

TEST(Simulate, SaysWhyADesignDoesNotCompile) {
  const Finished finished =
      corbel({"simulate", "--design",
              "pes_x=1,pes_y=1,compute_lanes=256,cores=32,pe_memory=262144,core_memory=4096,activation_memory=256,"
              "instruction_memory=8192,parameter_memory=2048,dram_bandwidth=5",
              "--workload", "mobilenet_v2", "--format", "json"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  const json result = parse(finished);
  EXPECT_FALSE(result["feasible"].get<bool>());
  EXPECT_NE(result["reason"], "");
  EXPECT_NE(result["detail"], "");
  EXPECT_TRUE(result["latency_ms"].is_null());
  EXPECT_GT(result["area_mm2"].get<double>(), 0);
}

TEST(Simulate, CombinesSeveralNetworks) {
  const auto simulate = [](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"simulate", "--design", v1_design, "--format", "json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished finished = corbel(arguments);
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return parse(finished);
  };
  const json first = simulate({"--workload", "mobilenet_v2"}), second = simulate({"--workload", "resnet50"});
  const double a = first["latency_ms"], b = second["latency_ms"];
  const json mean = simulate({"--workload", "mobilenet_v2", "resnet50"});
  EXPECT_DOUBLE_EQ(mean["latency_ms"].get<double>(), std::sqrt(a * b));
  EXPECT_EQ(mean["workloads"][1]["latency_ms"], b);
  EXPECT_EQ(mean["area_mm2"], first["area_mm2"]);
  const json sum = simulate(
      {"--workload", "mobilenet_v2", "--workload", "resnet50", "--weights", "3", "1", "--combine", "sum", "--layers"});
  EXPECT_DOUBLE_EQ(sum["latency_ms"].get<double>(), 3 * a + b);
  EXPECT_GT(sum["workloads"][0]["layers"].size(), 10U);
  EXPECT_EQ(corbel({"simulate", "--design", v1_design, "--workload", "mobilenet_v2", "--weights", "1", "2"}).exit_code,
            2);
  EXPECT_EQ(corbel({"simulate", "--design", v1_design, "--workload", "mobilenet_v2", "--combine", "mean"}).exit_code,
            2);
  const Finished twice = corbel({"simulate", "--design", v1_design, "--workload", "resnet50", "resnet50"});
  EXPECT_EQ(twice.exit_code, 1);
  EXPECT_NE(twice.err.find("resnet50 is named twice"), std::string::npos) << twice.err;
}

TEST(Describe, WorkloadTotals) {
  const json result = parse(corbel({"describe", "workload", "mobilenet_v2", "--format", "json"}));
  EXPECT_NEAR(result["total_macs"].get<double>(), 300.8e6, 3e6);
  EXPECT_NEAR(result["total_parameters"].get<double>(), 3.50e6, 3.5e4);
}

TEST(Job, FromANetworkToADesign) {
  const TemporaryFolder folder;
  const std::string study = folder.write("study.yaml", small_study).string();
  const Finished finished = corbel({"run", study, "--format", "json"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  const json result = parse(finished);
  EXPECT_EQ(result["dataset"]["rows"], 1500);
  EXPECT_GT(result["dataset"]["feasible"].get<int>(), 50);
  EXPECT_EQ(result["validation"]["simulated"], 6);
  EXPECT_LE(result["best"]["metrics"]["area_mm2"].get<double>(), 40);
  EXPECT_EQ(result["best"]["design"].size(), 10);
  EXPECT_TRUE(result["best"]["predicted"].is_number());
  for (const char* name : {"report.html", "design.json", "design.yaml", "model.safetensors", "trials.db"}) {
    EXPECT_TRUE(std::filesystem::exists(folder / "out" / name)) << name;
  }

  // The same command again has nothing to do and says the same.
  const Finished again = corbel({"run", study, "--format", "json"});
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(parse(again)["best"], result["best"]);
  EXPECT_NE(again.err.find("model is up to date"), std::string::npos);
  EXPECT_NE(again.err.find("validation is up to date"), std::string::npos);

  // What was simulated joined the trials.
  EXPECT_EQ(parse(corbel({"inspect", study, "--format", "json"}))["rows"], 1506);
  EXPECT_EQ(parse(corbel({"inspect", (folder / "out/trials.db").string(), "--format", "json"}))["rows"], 1506);

  // The chosen design simulates to what was reported.
  const json simulated = parse(corbel({"simulate", "--design", (folder / "out/design.json").string(), "--workload",
                                       "mobilenet_v2", "--format", "json"}));
  if (result["best"]["objective"].is_number()) {
    EXPECT_DOUBLE_EQ(simulated["latency_ms"].get<double>(), result["best"]["objective"].get<double>());
  }
  const json exported =
      parse(corbel({"export", study, "--rank", "2", "--to", (folder / "two").string(), "--format", "json"}));
  EXPECT_FALSE(exported.is_null());
  EXPECT_TRUE(std::filesystem::exists(folder / "two" / "design.yaml"));
}

std::string with(std::string text, const std::string& old, const std::string& replacement) {
  text.replace(text.find(old), old.size(), replacement);
  return text;
}

TEST(Job, MaximisingThroughputIsMinimisingLatency) {
  const TemporaryFolder folder;
  // Every other design of 14 × 14; those of more than 22 units do not run. The best is (9, 5).
  std::string log = "pes,lanes,feasible,latency_ms,throughput_fps\n";
  for (int pes = 1; pes <= 14; ++pes) {
    for (int lanes = 1 + pes % 2; lanes <= 14; lanes += 2) {
      if (pes + lanes > 22) {
        log += fmt::format("{},{},0,,\n", pes, lanes);
        continue;
      }
      const double latency = 2 + 0.2 * (pes - 9) * (pes - 9) + 0.3 * (lanes - 5) * (lanes - 5);
      log += fmt::format("{},{},1,{},{}\n", pes, lanes, latency, 1000 / latency);
    }
  }
  folder.write("log.csv", log);
  const auto run = [&](const std::string& name, const std::string& objective) {
    const std::string study = folder
                                  .write(name + ".yaml", R"(
space: {parameters: {pes: {range: [1, 14]}, lanes: {range: [1, 14]}}}
import: {file: log.csv}
train: {steps: 300, ensemble: 1, grid: [{alpha: 0, beta: 0.03}]}
)" + objective + "output: " + name + "\n")
                                  .string();
    const Finished finished = corbel({"run", study, "--format", "json"});
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return parse(finished);
  };
  const json least = run("least", "objective: latency_ms\n"),
             most = run("most", "objective: {maximise: throughput_fps}\n");
  EXPECT_EQ(most["best"]["design"], least["best"]["design"]);
  EXPECT_EQ(most["best"]["source"], "predicted") << most["best"];
  EXPECT_NEAR(most["best"]["predicted"].get<double>() * least["best"]["predicted"].get<double>(), 1000, 1);
  EXPECT_NEAR(most["best"]["gain"].get<double>(), least["best"]["gain"].get<double>(), 1e-3);
  const json &logged = most["dataset"]["best_logged"], &same = least["dataset"]["best_logged"];
  EXPECT_EQ(logged["design"], same["design"]);
  EXPECT_EQ(logged["objective"], 1000 / same["objective"].get<double>());
  ASSERT_GT(most["proposals"].size(), 3U);
  for (std::size_t i = 1; i < most["proposals"].size(); ++i) {
    EXPECT_LE(most["proposals"][i]["predicted"].get<double>(), most["proposals"][i - 1]["predicted"].get<double>());
  }
  EXPECT_NE(read_text(folder / "most/report.html").find("Most throughput"), std::string::npos);
}

TEST(Job, FromSeveralNetworksToADesign) {
  const TemporaryFolder folder;
  const auto text = [](const std::string& workloads) {
    return R"(
space: edge
simulator: edge
objective: latency_ms
constraints: [area_mm2 <= 60, resnet50.latency_ms <= 20]
sweep: {designs: 400}
train: {steps: 40, ensemble: 1, trees: 0, grid: [{alpha: 0.01, beta: 0.03}]}
search: {method: firefly, budget: 1000, proposals: 8}
validate: {designs: 4}
)" + workloads;
  };
  const auto run = [&](const std::string& workloads) {
    const Finished finished = corbel({"run", folder.write("study.yaml", text(workloads)).string(), "--format", "json"});
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return parse(finished);
  };
  const json result = run("workloads: [mobilenet_v2, resnet50]\n");
  EXPECT_EQ(result["dataset"]["rows"], 400);
  EXPECT_EQ(result["study"]["workloads"].size(), 2U);
  const auto feasible = [&](int network) { return result["dataset"]["workloads"][network]["feasible"].get<int>(); };
  EXPECT_LE(result["dataset"]["feasible"].get<int>(), std::min(feasible(0), feasible(1)));
  EXPECT_EQ(result["validation"]["simulated"], 4);
  int complete = 0;
  for (const json& proposal : result["proposals"]) {
    EXPECT_TRUE(proposal["predicted_metrics"]["mobilenet_v2.latency_ms"].is_number());
    if (proposal["simulated"].is_null() || proposal["simulated"]["state"] != "complete") continue;
    ++complete;
    const auto value = [&](const char* metric) { return proposal["metrics"][metric].get<double>(); };
    EXPECT_NEAR(value("latency_ms"), std::sqrt(value("mobilenet_v2.latency_ms") * value("resnet50.latency_ms")), 1e-9);
    // What one network alone gives is what was combined.
    const std::string design = (folder / "design.json").string();
    folder.write("design.json", proposal["design"].dump());
    const json alone = parse(corbel({"simulate", "--design", design, "--workload", "resnet50", "--format", "json"}));
    EXPECT_EQ(alone["latency_ms"], value("resnet50.latency_ms"));
  }
  EXPECT_GT(complete, 0);
  EXPECT_NE(read_text(folder / "out/report.html").find("On each network"), std::string::npos);
  EXPECT_EQ(parse(corbel({"inspect", (folder / "out/trials.db").string(), "--format", "json"}))["groups"].size(), 2U);

  // Other weights: another answer from the same trials, the proposals that were simulated among them.
  const json weighted = run("workloads: [mobilenet_v2, {name: resnet50, weight: 3}]\ncombine: sum\n");
  EXPECT_EQ(weighted["dataset"]["rows"], 404);
  EXPECT_NE(weighted["steps"]["train"]["key"], result["steps"]["train"]["key"]);
  const json& best = weighted["dataset"]["best_logged"]["metrics"];
  EXPECT_NEAR(best["latency_ms"].get<double>(),
              best["mobilenet_v2.latency_ms"].get<double>() + 3 * best["resnet50.latency_ms"].get<double>(), 1e-9);
  // Nothing of one network is left to do.
  const Finished swept =
      corbel({"sweep", folder.write("one.yaml", with(text("workload: resnet50\n"), "resnet50.", "")).string()});
  EXPECT_EQ(swept.exit_code, 0) << swept.err;
  EXPECT_EQ(parse(corbel({"inspect", (folder / "out/trials.db").string(), "--format", "json"}))["groups"].size(), 2U);
}

TEST(Job, RedoesExactlyWhatAChangeOfTheStudyTouches) {
  const TemporaryFolder folder;
  const std::string quick = with(small_study, "steps: 150", "steps: 30");
  const auto run = [&](const std::string& text) {
    const Finished finished = corbel({"run", folder.write("study.yaml", text).string(), "--format", "json"});
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return std::pair(parse(finished), finished.err);
  };
  const auto [first, first_notes] = run(quick);
  EXPECT_EQ(first_notes.find("up to date"), std::string::npos);

  const auto [searched, search_notes] = run(with(quick, "budget: 3000", "budget: 2000"));
  EXPECT_NE(search_notes.find("model is up to date"), std::string::npos);
  EXPECT_EQ(search_notes.find("search is up to date"), std::string::npos);
  EXPECT_EQ(searched["search"]["scored"], 2000);
  EXPECT_EQ(searched["training"], first["training"]);
  EXPECT_EQ(searched["dataset"]["rows"], 1500) << "validated designs join the log when it is learnt from again";

  const auto [limited, limit_notes] = run(with(quick, "area_mm2 <= 40", "area_mm2 <= 25"));
  EXPECT_EQ(limit_notes.find("model is up to date"), std::string::npos);
  EXPECT_LT(limited["dataset"]["within_limits"], first["dataset"]["within_limits"]);
  EXPECT_LE(limited["best"]["metrics"]["area_mm2"].get<double>(), 25);

  const auto [other, other_notes] = run(with(quick, "latency_ms", "energy_mj"));
  EXPECT_EQ(other["study"]["objective"]["unit"], "mJ");
  EXPECT_EQ(other["dataset"]["best_logged"]["objective"], other["dataset"]["best_logged"]["metrics"]["energy_mj"]);

  // Another clock is another simulator: nothing of the old one's rows is used.
  const auto [clocked, clock_notes] = run(with(quick, "simulator: edge", "simulator: {name: edge, clock_mhz: 400}"));
  EXPECT_EQ(clocked["dataset"]["rows"], 1500);
  EXPECT_GT(clocked["best"]["objective"], first["best"]["objective"]);

  const Finished fresh = corbel({"run", (folder / "study.yaml").string(), "--fresh", "--format", "json"});
  ASSERT_EQ(fresh.exit_code, 0) << fresh.err;
  EXPECT_EQ(parse(fresh)["best"], clocked["best"]) << "the same seed, the same answer";
  EXPECT_NE(fresh.err.find("starting over: removed trials.db, "), std::string::npos) << fresh.err;

  const auto again = [&](const char* command) {
    const Finished done = corbel({command, (folder / "study.yaml").string(), "--fresh"});
    // 3: of what is only predicted, nothing is said to be an answer.
    EXPECT_TRUE(done.exit_code == 0 || done.exit_code == 3) << done.err;
    return done.err;
  };
  const std::string model = (folder / "out" / "model.safetensors").string();
  EXPECT_NE(again("train").find("starting over: removed model.safetensors"), std::string::npos);
  const std::string first_model = read_text(model);
  EXPECT_EQ(again("train").find("is up to date"), std::string::npos);
  EXPECT_EQ(read_text(model), first_model) << "the same seed, the same model";
  EXPECT_EQ(again("search").find("is up to date"), std::string::npos);
}

TEST(Job, FromALogToADesign) {
  const TemporaryFolder folder;
  const std::filesystem::path example = std::filesystem::path(CORBEL_SOURCE_DIR) / "examples/maestro_logs";
  std::string text = read_text(example / "study.yaml");
  const std::string log = "maestro_resnet50_4000.csv.gz";
  text.replace(text.find("file: " + log), 6 + log.size(), "file: " + (example / log).string());
  text += "\ntrain: {steps: 200, grid: [{alpha: 0.01, beta: 0.03}]}\n";
  const std::string study = folder.write("study.yaml", text).string();
  const Finished finished = corbel({"run", study, "--format", "json"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  const json result = parse(finished);
  EXPECT_EQ(result["dataset"]["rows"], 4000);
  EXPECT_TRUE(result["search"]["exhaustive"].get<bool>());
  EXPECT_EQ(result["best"]["design"].size(), 9);
  EXPECT_TRUE(result["best"]["predicted"].is_number());
  // Importing twice adds nothing twice.
  ASSERT_EQ(corbel({"import", study}).exit_code, 0);
  EXPECT_EQ(parse(corbel({"inspect", study, "--format", "json"}))["rows"], 4000);
}

TEST(Sweep, GoesOnAfterKill) {
  const TemporaryFolder folder;
  const std::string study = folder.write("study.yaml", small_study).string();
  const TemporaryFolder other;
  const std::string uninterrupted = other.write("study.yaml", small_study).string();
  const std::vector<std::string> sweep = {"sweep", study, "--designs", "30000", "--quiet", "--format", "json"};
  for (const int milliseconds : {60, 150, 300}) {
    const pid_t process = start_corbel(sweep);
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    kill(process, SIGKILL);
    wait_for(process);
  }
  const Finished finished = corbel(sweep);
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(parse(finished)["dataset"]["rows"], 30000);
  const Finished whole = corbel({"sweep", uninterrupted, "--designs", "30000", "--quiet", "--format", "json"});
  EXPECT_EQ(parse(whole)["steps"]["collect"]["log"], parse(finished)["steps"]["collect"]["log"])
      << "the interrupted sweep must end with the rows of an uninterrupted one";
}

TEST(Sweep, StopsAtInterruptAndSaysSo) {
  const TemporaryFolder folder;
  const std::string study = folder.write("study.yaml", small_study).string();
  const pid_t process = start_corbel({"sweep", study, "--designs", "3000000"});
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  kill(process, SIGINT);
  EXPECT_EQ(wait_for(process), 130);
}

TEST(Init, WritesAStudyThatRuns) {
  const TemporaryFolder folder;
  const std::string study = (folder / "new.yaml").string();
  ASSERT_EQ(corbel({"init", study}).exit_code, 0);
  EXPECT_EQ(corbel({"sweep", study, "--designs", "200", "--quiet"}).exit_code, 0);
  const Finished again = corbel({"init", study});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_NE(again.err.find("--force"), std::string::npos);

  const std::string log = std::string(CORBEL_SOURCE_DIR) + "/examples/maestro_logs/maestro_resnet50_4000.csv.gz";
  const std::string from_log = (folder / "log.yaml").string();
  const Finished made = corbel({"init", from_log, "--from-log", log, "--objective", "runtime_cycles"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const Finished imported = corbel({"import", from_log, "--format", "json"});
  ASSERT_EQ(imported.exit_code, 0) << imported.err;
  EXPECT_EQ(parse(imported)["dataset"]["rows"], 4000);
}

}  // namespace
}  // namespace corbel::test
