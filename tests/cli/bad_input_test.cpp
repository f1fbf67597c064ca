// Each wrong input ends in one line that names the place and the remedy, a non-zero exit code, and no file left behind.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "corbel/base/random.hpp"
#include "program.hpp"
#include "support/temporary_folder.hpp"

namespace corbel::test {
namespace {

struct BadStudy {
  const char* name;
  std::string text;
  const char* place;   ///< "" where the fault has no line
  const char* says;    ///< in the message
  const char* remedy;  ///< in the hint
};

const std::string good = "space: edge\nworkload: mobilenet_v2\nsimulator: edge\nobjective: latency_ms\n";

std::string nested(int depth) {
  std::string text = "name: ";
  for (int i = 0; i < depth; ++i) text += "[";
  return text;
}

std::string bomb() {
  std::string text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c < 'k'; ++c) {
    const char before = static_cast<char>(c - 1);
    text += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 10; ++i) text += std::string(i > 0 ? ", " : "") + "*" + before;
    text += "]\n";
  }
  return text;
}

std::vector<BadStudy> bad_studies() {
  return {
      {"typo", good + "serach: {budget: 5}\n", "study.yaml:5:1", "serach", "search"},
      {"broken_yaml", good + "sweep: {designs: 5\n", "study.yaml:", "", ""},
      {"nested", nested(5000), "study.yaml:", "", ""},
      {"alias_bomb", bomb(), "study.yaml:", "", ""},
      {"unknown_objective", "space: edge\nworkload: mobilenet_v2\nsimulator: edge\nobjective: latncy_ms\n",
       "study.yaml:4:12", "latncy_ms", "latency_ms"},
      {"unknown_space", "space: egde\nworkload: mobilenet_v2\nsimulator: edge\nobjective: latency_ms\n",
       "study.yaml:1:8", "egde", "edge"},
      {"unknown_workload", "space: edge\nworkload: mobilenet_edgetp\nsimulator: edge\nobjective: latency_ms\n",
       "study.yaml:2:11", "mobilenet_edgetp", "mobilenet_edgetpu"},
      {"unknown_simulator", "space: edge\nworkload: mobilenet_v2\nsimulator: edg\nobjective: latency_ms\n",
       "study.yaml:3:12", "edg", "edge"},
      {"unknown_setting",
       "space: edge\nworkload: mobilenet_v2\nsimulator: {name: edge, clock_mzh: 5}\nobjective: latency_ms\n",
       "study.yaml:3:", "clock_mzh", "clock_mhz"},
      {"unit_mismatch", good + "constraints: [area_mm2 <= 29 GB]\n", "study.yaml:5:", "GB", ""},
      {"constraint_name", good + "constraints: [aera_mm2 <= 29]\n", "study.yaml:5:", "aera_mm2", "area_mm2"},
      {"constraint_syntax", good + "constraints: ['area_mm2 <= ']\n", "study.yaml:5:", "", ""},
      {"no_objective", "space: edge\nworkload: mobilenet_v2\nsimulator: edge\n", "study.yaml:", "objective", ""},
      {"negative_designs", good + "sweep: {designs: -4}\n", "study.yaml:5:18", "-4", ""},
      {"word_for_number", good + "seed: many\n", "study.yaml:5:7", "many", ""},
      {"missing_log", "import: {file: nowhere.csv}\nobjective: runtime_cycles\n", "", "nowhere.csv", ""},
      {"bad_strategy", good + "search: {method: firefli}\n", "study.yaml:5:", "firefli", "firefly"},
      {"bad_option", good + "search: {method: firefly, options: {nose: 3}}\n", "study.yaml:5:", "nose", ""},
      {"bad_network", good + "train: {network: transfomer}\n", "study.yaml:5:", "transfomer", ""},
  };
}

void PrintTo(const BadStudy& study, std::ostream* out) {
  *out << study.name;
}

class BadStudyFile : public testing::TestWithParam<BadStudy> {};

TEST_P(BadStudyFile, IsOneLineWithPlaceAndRemedy) {
  const TemporaryFolder folder;
  const std::string study = folder.write("study.yaml", GetParam().text).string();
  const Finished finished = corbel({"run", study, "--quiet"});
  EXPECT_EQ(finished.exit_code, 1) << finished.err;
  EXPECT_EQ(std::count(finished.err.begin(), finished.err.end(), '\n'), 1) << finished.err;
  EXPECT_NE(finished.err.find(GetParam().place), std::string::npos) << finished.err;
  EXPECT_NE(finished.err.find(GetParam().says), std::string::npos) << finished.err;
  EXPECT_NE(finished.err.find(GetParam().remedy), std::string::npos) << finished.err;
  EXPECT_EQ(finished.out, "");
  EXPECT_FALSE(std::filesystem::exists(folder / "out/results.json"));
}

INSTANTIATE_TEST_SUITE_P(Studies, BadStudyFile, testing::ValuesIn(bad_studies()),
                         [](const auto& test) { return std::string(test.param.name); });

std::string log_study(const std::string& log) {
  return "import: {file: " + log + "}\nobjective: runtime_cycles\ntrain: {steps: 20}\n";
}

/// A log of a few dozen rows, or 20 steps, need not support an answer.
bool is_done(const Finished& finished) {
  return finished.exit_code == 0 || finished.exit_code == 3;
}

TEST(BadLog, WithNoFeasibleRowIsNoAnswer) {
  const TemporaryFolder folder;
  folder.write(
      "log.csv",
      "pes,lanes,feasible,reason,runtime_cycles\n1,4,0,memory,\n1,8,0,memory,\n2,4,0,memory,\n2,8,0,memory,\n");
  const Finished finished = corbel({"run", folder.write("study.yaml", log_study("log.csv")).string(), "--quiet"});
  EXPECT_EQ(finished.exit_code, 3) << finished.err;
  EXPECT_NE(finished.err.find("feasible"), std::string::npos) << finished.err;
  EXPECT_FALSE(std::filesystem::exists(folder / "out/model.safetensors"));
}

TEST(BadLog, WithNoInfeasibleRowStillAnswers) {
  const TemporaryFolder folder;
  std::string log = "pes,lanes,feasible,runtime_cycles\n";
  for (int pes = 1; pes <= 8; ++pes) {
    for (int lanes = 1; lanes <= 8; ++lanes) {
      if ((pes + lanes) % 3 == 0) continue;
      log += std::to_string(pes) + "," + std::to_string(lanes) + ",1," + std::to_string(1e6 / (pes * lanes)) + "\n";
    }
  }
  folder.write("log.csv", log);
  const Finished finished = corbel({"run", folder.write("study.yaml", log_study("log.csv")).string(), "--quiet"});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
}

TEST(BadLog, RowsOutsideTheSpaceAreRefusedAndListed) {
  const TemporaryFolder folder;
  folder.write("log.csv", "pes,feasible,runtime_cycles\n1,1,100\n2,1,50\n3,1,40\n4,1,30\n77,1,3\n");
  const std::string study = "space: {parameters: {pes: {values: [1, 2, 3, 4]}}}\n" + log_study("log.csv");
  const Finished finished = corbel({"import", folder.write("study.yaml", study).string(), "--format", "json"});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_NE(finished.err.find("log.csv:6"), std::string::npos) << finished.err;
  EXPECT_NE(finished.err.find("77"), std::string::npos) << finished.err;
  EXPECT_EQ(nlohmann::json::parse(finished.out)["dataset"]["rows"], 4);
}

TEST(BadLog, OfAStrangeNameIsOneLineOfATable) {
  const TemporaryFolder folder;
  const std::string log = folder.write("a\nb\x1b[31m.csv", "pes,runtime_cycles\n1,40\n2,20\n4,10\n").string();
  const Finished finished = corbel({"store", "import", "--dry-run", folder / "trials.db", log, "--quiet"});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_NE(finished.out.find("/a\\nb\\x1b[31m.csv "), std::string::npos) << finished.out;
  EXPECT_EQ(finished.out.find('\x1b'), std::string::npos) << finished.out;
}

TEST(BadLog, RandomBytesAndTruncationNeverCrash) {
  const TemporaryFolder folder;
  const std::string whole =
      read_text(std::string(CORBEL_SOURCE_DIR) + "/examples/maestro_logs/maestro_resnet50_4000.csv.gz");
  ASSERT_GT(whole.size(), 1000u);
  folder.write("cut.csv.gz", whole.substr(0, whole.size() / 2));
  Rng rng(7);
  std::string noise;
  for (int i = 0; i < 5000; ++i) noise += static_cast<char>(rng.below(256));
  folder.write("noise.csv", noise);
  folder.write("empty.csv", "");
  for (const char* log : {"cut.csv.gz", "noise.csv", "empty.csv"}) {
    const Finished finished = corbel({"import", folder.write("study.yaml", log_study(log)).string(), "--quiet"});
    EXPECT_EQ(finished.exit_code, 1) << log << ": " << finished.err;
    EXPECT_NE(finished.err.find(log), std::string::npos) << finished.err;
    const Finished inspected = corbel({"inspect", (folder / log).string(), "--quiet"});
    EXPECT_EQ(inspected.exit_code, 1) << log << ": " << inspected.err;
  }
}

TEST(BadModel, OfAnotherSpaceOrDamagedIsRefused) {
  const TemporaryFolder folder;
  const auto log = [](int most) {
    std::string text = "pes,lanes,feasible,reason,runtime_cycles\n";
    for (int pes = 1; pes <= most; ++pes) {
      for (int lanes = 1; lanes <= 6; ++lanes) {
        if ((pes + lanes) % 3 == 0) continue;
        const bool fits = pes * lanes < 30;
        text += std::to_string(pes) + "," + std::to_string(lanes) +
                (fits ? ",1,," + std::to_string(1e6 / (pes * lanes)) : ",0,memory,") + "\n";
      }
    }
    return text;
  };
  folder.write("a/log.csv", log(8));
  folder.write("b/log.csv", log(9));
  const std::string a = folder.write("a/study.yaml", log_study("log.csv")).string();
  const std::string b = folder.write("b/study.yaml", log_study("log.csv")).string();
  ASSERT_TRUE(is_done(corbel({"run", a, "--quiet"})));
  ASSERT_TRUE(is_done(corbel({"run", b, "--quiet"})));

  const std::string model = read_text(folder / "a/out/model.safetensors");
  folder.write("b/out/model.safetensors", model);
  Finished finished = corbel({"search", b, "--quiet"});
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_NE(finished.err.find("space"), std::string::npos) << finished.err;
  EXPECT_EQ(std::count(finished.err.begin(), finished.err.end(), '\n'), 1) << finished.err;

  folder.write("a/out/model.safetensors", model.substr(0, model.size() - 100));
  finished = corbel({"search", a, "--quiet"});
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_NE(finished.err.find("model.safetensors"), std::string::npos) << finished.err;
}

TEST(BadPlace, AnOutputThatCannotBeWrittenIsAnError) {
  const TemporaryFolder folder;
  folder.write("out", "a file where the folder should be");
  const std::string study = folder.write("study.yaml", good).string();
  const Finished finished = corbel({"sweep", study, "--designs", "10", "--quiet"});
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_NE(finished.err.find("out"), std::string::npos) << finished.err;
  EXPECT_EQ(read_text(folder / "out"), "a file where the folder should be");
}

TEST(BadPlace, OneForTemporaryFoldersIsNamed) {
  const TemporaryFolder folder;
  const std::string log = folder.write("log.csv", "pes,runtime_cycles\n1,40\n2,20\n4,10\n").string();
  std::filesystem::create_directory(folder / "place");
  EXPECT_EQ(corbel({"inspect", log}, {{"TMPDIR", folder / "place"}}).exit_code, 0);
  EXPECT_TRUE(std::filesystem::is_empty(folder / "place"));
  const Finished finished = corbel({"inspect", log}, {{"TMPDIR", folder / "nowhere"}});
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_NE(finished.err.find("temporary folder"), std::string::npos) << finished.err;
  EXPECT_NE(finished.err.find("TMPDIR"), std::string::npos) << finished.err;
  const Finished bench = corbel({"bench", "import", "--rows", "1", "--folder", folder / "nowhere"});
  EXPECT_EQ(bench.exit_code, 1);
  EXPECT_NE(bench.err.find((folder / "nowhere/corbel-bench-").string()), std::string::npos) << bench.err;
}

TEST(BadPlace, ADamagedResultsFileIsNotOverwritten) {
  const TemporaryFolder folder;
  folder.write("out/results.json", "{\"half\": ");
  const std::string study = folder.write("study.yaml", good).string();
  const Finished finished = corbel({"sweep", study, "--designs", "10", "--quiet"});
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_NE(finished.err.find("results.json"), std::string::npos) << finished.err;
  EXPECT_EQ(read_text(folder / "out/results.json"), "{\"half\": ");
}

std::string small_log(double best) {
  std::string text = "pes,lanes,feasible,reason,runtime_cycles\n";
  for (int pes = 1; pes <= 6; ++pes) {
    for (int lanes = 1; lanes <= 6; ++lanes) {
      if ((pes + lanes) % 3 == 0) continue;
      const bool fits = pes * lanes < 24;
      const double cycles = pes == 1 && lanes == 1 ? best : 1e6 / (pes * lanes);
      text += std::to_string(pes) + "," + std::to_string(lanes) +
              (fits ? ",1,," + std::to_string(cycles) : ",0,memory,") + "\n";
    }
  }
  return text;
}

TEST(ChangedLog, LeavesNothingOfWhatItSaidBefore) {
  const TemporaryFolder folder;
  const std::string study = folder.write("study.yaml", log_study("log.csv")).string();
  const auto best_logged = [&] {
    const Finished finished = corbel({"run", study, "--quiet", "--format", "json"});
    EXPECT_TRUE(is_done(finished)) << finished.err;
    return nlohmann::json::parse(finished.out)["dataset"]["best_logged"]["objective"].get<double>();
  };
  folder.write("log.csv", small_log(1));
  EXPECT_EQ(best_logged(), 1);
  folder.write("log.csv", small_log(2e6));
  EXPECT_EQ(best_logged(), 62500) << "4 x 4 is the best that fits; 1 x 1 was corrected";
}

TEST(ChangedStudy, IsNotExportedAsIfItWereAnswered) {
  const TemporaryFolder folder;
  folder.write("log.csv", small_log(2e6));
  ASSERT_TRUE(is_done(corbel({"run", folder.write("study.yaml", log_study("log.csv")).string(), "--quiet"})));
  const std::string limited = folder.write("study.yaml", log_study("log.csv") + "constraints: [pes <= 2]\n").string();
  const Finished finished = corbel({"export", limited});
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_NE(finished.err.find("corbel run"), std::string::npos) << finished.err;
}

TEST(BadPlace, AStudyDoesNotOverwriteItself) {
  const TemporaryFolder folder;
  folder.write("log.csv", small_log(2e6));
  const std::string text = log_study("log.csv") + "output: ./\n";
  const Finished finished = corbel({"run", folder.write("design.yaml", text).string(), "--quiet"});
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_NE(finished.err.find("design.yaml"), std::string::npos) << finished.err;
  EXPECT_EQ(read_text(folder / "design.yaml"), text);
}

TEST(BadResults, OfAnotherShapeAreAnErrorNotACrash) {
  const TemporaryFolder folder;
  folder.write("log.csv", small_log(2e6));
  const std::string study = folder.write("study.yaml", log_study("log.csv")).string();
  ASSERT_TRUE(is_done(corbel({"run", study, "--quiet"})));
  const nlohmann::json whole = nlohmann::json::parse(read_text(folder / "out/results.json"));
  for (const char* section : {"training", "search", "dataset", "proposals"}) {
    for (const nlohmann::json& damage : {nlohmann::json(7), nlohmann::json::array(), nlohmann::json::object()}) {
      nlohmann::json damaged = whole;
      damaged[section] = damage;
      folder.write("out/results.json", damaged.dump());
      for (const char* command : {"run", "export"}) {
        EXPECT_LE(corbel({command, study, "--quiet"}).exit_code, 3) << command << " " << section << " " << damage;
        if (std::string(command) == "run") folder.write("out/results.json", damaged.dump());
      }
    }
  }
}

TEST(BadCommand, IsExitCodeTwo) {
  EXPECT_EQ(corbel({}).exit_code, 2);
  EXPECT_EQ(corbel({"trian", "x"}).exit_code, 2);
  EXPECT_EQ(corbel({"run"}).exit_code, 2);
  EXPECT_EQ(corbel({"run", "x.yaml", "--format", "xml"}).exit_code, 2);
  EXPECT_EQ(corbel({"simulate", "--design", "pes_x", "--workload", "mobilenet_v2"}).exit_code, 2);
}

TEST(BadCommand, ErrorsAreJsonWhenAsked) {
  const Finished finished = corbel({"run", "/nowhere/study.yaml", "--format", "json"});
  EXPECT_EQ(finished.exit_code, 1);
  const nlohmann::json error = nlohmann::json::parse(finished.out)["error"];
  EXPECT_EQ(error["code"], "not_found");
  EXPECT_NE(error["message"].get<std::string>().find("/nowhere/study.yaml"), std::string::npos);
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"trian", "x", "--format", "json"},
                                                    {"describe", "--format=json"},
                                                    {"sweep", "study.yaml", "--designs", "0", "--format", "json"},
                                                    {"run", "--format", "json"}}) {
    const Finished usage = corbel(arguments);
    EXPECT_EQ(usage.exit_code, 2);
    const nlohmann::json result = nlohmann::json::parse(usage.out, nullptr, false);
    ASSERT_TRUE(result.is_object()) << arguments.front() << ": " << usage.out;
    EXPECT_EQ(result["error"]["code"], "usage");
  }
}

TEST(BadCommand, ThatIsMisspeltNamesTheNearest) {
  const Finished command = corbel({"simulat", "--workload", "mobilenet_v2"});
  EXPECT_EQ(command.exit_code, 2);
  EXPECT_NE(command.err.find("unknown command `simulat`; did you mean `simulate`?"), std::string::npos) << command.err;
  const Finished below = corbel({"describe", "wrkload"});
  EXPECT_EQ(below.exit_code, 2);
  EXPECT_NE(below.err.find("did you mean `workload`?"), std::string::npos) << below.err;
}

TEST(BadWorkloads, OfWhichOneNeverCompilesAreNamed) {
  const TemporaryFolder folder;
  folder.write("tiny.yaml", "name: tiny\ninput: [1024]\nlayers: [{fully_connected: {out: 64}}]\n");
  const std::string study = folder
                                .write("study.yaml", R"(
space: {parameters: {pes_x: {values: [1, 2, 4, 8]}, pes_y: {values: [1, 2, 4, 8]}, cores: {values: [1, 2]}}}
fixed: {compute_lanes: 8, pe_memory: 64 KiB, core_memory: 8 KiB, activation_memory: 1024, instruction_memory: 2048,
        parameter_memory: 1024, dram_bandwidth: 10}
workloads: [mobilenet_v2, tiny.yaml]
simulator: edge
objective: latency_ms
sweep: {designs: 20}
)")
                                .string();
  const Finished finished = corbel({"run", study, "--quiet"});
  EXPECT_EQ(finished.exit_code, 3) << finished.err;
  EXPECT_NE(finished.err.find("none of the 20 designs is feasible on every network: 0 of them on mobilenet_v2"),
            std::string::npos)
      << finished.err;
  const Finished inspected = corbel({"inspect", study});
  EXPECT_EQ(inspected.exit_code, 0) << inspected.err;
  EXPECT_EQ(inspected.out.find("nan"), std::string::npos) << inspected.out;
}

TEST(BadDesign, NamesTheParameter) {
  Finished finished = corbel({"simulate", "--design", "pes_z=4", "--workload", "mobilenet_v2"});
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_NE(finished.err.find("pes_z"), std::string::npos) << finished.err;
  finished = corbel({"simulate", "--design",
                     "pes_x=4,pes_y=4,compute_lanes=64,cores=4,pe_memory=2 GB/s,core_memory=32768,"
                     "activation_memory=1024,instruction_memory=16384,parameter_memory=16384,dram_bandwidth=17",
                     "--workload", "mobilenet_v2"});
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_NE(finished.err.find("pe_memory"), std::string::npos) << finished.err;
}

}  // namespace
}  // namespace corbel::test
