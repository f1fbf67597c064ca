// Workers as jobs of a real Slurm: a cluster of one node, from Debian's packages, that this test starts and ends.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "program.hpp"
#include "support/postgres_server.hpp"
#include "support/temporary_folder.hpp"

namespace corbel::test {
namespace {

using nlohmann::json;

void pause_for(long milliseconds) {
  const timespec time{0, milliseconds * 1'000'000};
  nanosleep(&time, nullptr);
}

class SlurmCluster {
 public:
  /// Why there can be none; "" if there can.
  static std::string missing() {
    if (geteuid() != 0) return "Slurm's daemons must be started by root";
    for (const char* program : {"/usr/sbin/munged", "/usr/sbin/slurmctld", "/usr/sbin/slurmd", "/usr/bin/sbatch"}) {
      if (!std::filesystem::exists(program)) {
        return fmt::format("{} is missing: apt-get install slurmctld slurmd slurm-client munge", program);
      }
    }
    return "";
  }

  SlurmCluster() {
    std::filesystem::permissions(folder_.path(), std::filesystem::perms(0755));
    std::filesystem::create_directory(folder_ / "state");
    std::filesystem::create_directory(folder_ / "spool");
    folder_.write("key", std::string(1024, 'k'));
    std::filesystem::permissions(folder_ / "key", std::filesystem::perms(0400));
    std::array<char, 256> host{};
    gethostname(host.data(), host.size() - 1);
    const std::string full = host.data(), name = full.substr(0, full.find('.'));
    const std::string at = folder_.path().string();
    // Ports beyond those that Slurm has by itself, in case there is another one here.
    const int port = 20'000 + getpid() % 10'000;
    const std::string configuration = fmt::format(
        "ClusterName=test\nSlurmctldHost={0}(127.0.0.1)\nNodeName={0} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN\n"
        "PartitionName=all Nodes={0} Default=YES MaxTime=INFINITE State=UP\nAuthType=auth/munge\n"
        "AuthInfo=socket={1}/munge\nCredType=cred/munge\nSlurmUser=root\nSlurmdUser=root\nStateSaveLocation={1}/state\n"
        "SlurmdSpoolDir={1}/spool\nSlurmctldPidFile={1}/slurmctld.pid\nSlurmdPidFile={1}/slurmd.pid\n"
        "SlurmctldLogFile={1}/slurmctld.log\nSlurmdLogFile={1}/slurmd.log\nSlurmctldPort={2}\nSlurmdPort={3}\n"
        "ProctrackType=proctrack/pgid\nTaskPlugin=task/none\nSelectType=select/cons_tres\n"
        "SelectTypeParameters=CR_Core\nMpiDefault=none\nJobAcctGatherType=jobacct_gather/none\nSwitchType=switch/none\n"
        "AccountingStorageType=accounting_storage/none\nReturnToService=2\n",
        name, at, port, port + 1);
    const std::string file = folder_.write("slurm.conf", configuration).string();
    setenv("SLURM_CONF", file.c_str(), 1);
    start({"/usr/sbin/munged", "--foreground", "--force", "--key-file=" + at + "/key", "--socket=" + at + "/munge",
           "--pid-file=" + at + "/munged.pid", "--log-file=" + at + "/munged.log", "--seed-file=" + at + "/seed"});
    while (!std::filesystem::exists(folder_ / "munge") && is_well()) pause_for(20);
    start({"/usr/sbin/slurmctld", "-D", "-f", file});
    start({"/usr/sbin/slurmd", "-D", "-f", file});
    while (run("sinfo --noheader --format=%t") != "idle\n" && is_well()) pause_for(100);
  }
  ~SlurmCluster() {
    for (auto daemon = daemons_.rbegin(); daemon != daemons_.rend(); ++daemon) {
      kill(*daemon, SIGTERM);
      waitpid(*daemon, nullptr, 0);
    }
    unsetenv("SLURM_CONF");
  }
  SlurmCluster(const SlurmCluster&) = delete;
  SlurmCluster& operator=(const SlurmCluster&) = delete;

  /// Whether all daemons run.
  bool is_well() const {
    for (const pid_t daemon : daemons_) {
      if (waitpid(daemon, nullptr, WNOHANG) != 0) return false;
    }
    return true;
  }
  /// What one of Slurm's commands prints.
  std::string run(const std::string& command) const {
    const std::string out = folder_ / "out";
    const int code = system((command + " > " + out + " 2>&1").c_str());
    return code == 0 ? read_text(out) : "";
  }

 private:
  void start(std::vector<std::string> words) {
    const pid_t parent = getpid();
    const pid_t child = fork();
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGTERM);
      if (getppid() != parent) _exit(1);
      const int nothing = open("/dev/null", O_RDWR);
      for (const int descriptor : {0, 1, 2}) dup2(nothing, descriptor);
      std::vector<char*> argv;
      for (std::string& word : words) argv.push_back(word.data());
      argv.push_back(nullptr);
      execv(argv[0], argv.data());
      _exit(127);
    }
    daemons_.push_back(child);
  }

  TemporaryFolder folder_;
  std::vector<pid_t> daemons_;
};

TEST(Slurm, WorkersOfAnArrayJobDoASweep) {
  if (getenv("CORBEL_SLOW_TESTS") == nullptr) GTEST_SKIP() << "slow: set CORBEL_SLOW_TESTS=1";
  if (!SlurmCluster::missing().empty()) GTEST_SKIP() << SlurmCluster::missing();
  if (!PostgresServer::missing().empty()) GTEST_SKIP() << PostgresServer::missing();
  PostgresServer& server = PostgresServer::shared();
  const std::string url = server.url(server.new_database());
  const TemporaryFolder folder;
  const std::string study =
      folder
          .write("study.yaml",
                 "space: edge\nworkload: mobilenet_v2\nsimulator: edge\nobjective: latency_ms\nsweep: {designs: 300}\n")
          .string();
  ASSERT_EQ(corbel({"sweep", study, "--store", url, "-n", "10", "--quiet"}).exit_code, 0);

  const SlurmCluster cluster;
  ASSERT_TRUE(cluster.is_well());
  // Where sbatch was called, a job's output is written.
  const json job = parse_success(
      corbel({"worker", url, "--launch", "slurm", "-n", "2", "--slurm", "--output=/dev/null", "--format", "json"}));
  EXPECT_EQ(corbel({"sweep", study, "--store", url, "--hand-out", "--quiet"}).exit_code, 0);
  const json now = parse_success(corbel({"status", url, "--format", "json"}));
  int working = 0;
  for (const json& worker : now["workers"]) working += worker["state"] == "working" && worker["jobs"] == 1 ? 1 : 0;
  EXPECT_EQ(working, 2) << now;
  EXPECT_EQ(now["groups"][0]["complete"].get<int>() + now["groups"][0]["infeasible"].get<int>(), 300);

  cluster.run("scancel " + job["job"].get<std::string>());
  while (!cluster.run("squeue --noheader").empty() && cluster.is_well()) pause_for(100);
  // A job that is cancelled gets SIGTERM, and gives back what it holds.
  const auto states = [&] {
    std::string text;
    const json after = parse_success(corbel({"status", url, "--format", "json"}));
    for (const json& worker : after["workers"]) text += worker["state"].get<std::string>() + " ";
    return text;
  };
  EXPECT_EQ(states().find("working"), std::string::npos) << states();
}

}  // namespace
}  // namespace corbel::test
