#include "support/postgres_server.hpp"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

namespace corbel::test {
namespace {

namespace fs = std::filesystem;

/// The folder of the newest server's programs, "" if there is none.
fs::path programs() {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const auto& version : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
    if (fs::exists(version.path() / "bin/postgres")) found.push_back(version.path() / "bin");
  }
  std::ranges::sort(found, {}, [](const fs::path& bin) { return std::stoi(bin.parent_path().filename().string()); });
  return found.empty() ? fs::path() : found.back();
}

/// Who the server runs as: this user, or for root another one.
const passwd* server_user() {
  if (geteuid() != 0) return getpwuid(geteuid());
  const passwd* user = getpwnam("postgres");
  return user != nullptr ? user : getpwnam("nobody");
}

/// Starts a program as the server's user, its output into the file. It ends when this process does.
pid_t start_program(const std::vector<std::string>& command, const fs::path& output) {
  const passwd* user = server_user();
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child != 0) return child;
  const int log = open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  if (geteuid() == 0 && (setgroups(0, nullptr) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0)) {
    _exit(126);
  }
  if (chdir("/") != 0) _exit(126);   // the server's programs go back to where they were started, if they may
  prctl(PR_SET_PDEATHSIG, SIGQUIT);  // only now: a change of user clears it
  if (getppid() != parent) _exit(125);
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  execv(arguments[0], arguments.data());
  _exit(127);
}

std::string text_of(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

void run_program(const std::vector<std::string>& command, const fs::path& output) {
  int status = 0;
  waitpid(start_program(command, output), &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    throw std::runtime_error(command.front() + " failed: " + text_of(output));
  }
}

void give_to_server(const fs::path& path) {
  const passwd* user = server_user();
  if (geteuid() == 0 && lchown(path.c_str(), user->pw_uid, user->pw_gid) != 0)
    throw std::runtime_error("lchown failed");
}

fs::path make_folder(const std::string& name) {
  std::string path = (fs::temp_directory_path() / (name + std::to_string(getpid()) + "-XXXXXX")).string();
  if (mkdtemp(path.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  give_to_server(path);
  return path;
}

/// Removes what test processes have left that were killed.
void remove_left_behind(const std::string& name) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(fs::temp_directory_path(), ignored)) {
    const std::string file = entry.path().filename().string();
    if (!file.starts_with(name)) continue;
    const pid_t owner = std::atoi(file.c_str() + name.size());
    if (owner > 0 && ::kill(owner, 0) != 0 && errno == ESRCH) fs::remove_all(entry.path(), ignored);
  }
}

constexpr const char* folder_name = "corbel-postgres-";

}  // namespace

std::string PostgresServer::missing() {
  return programs().empty() ? "no PostgreSQL server below /usr/lib/postgresql: tools/install-deps installs it" : "";
}

PostgresServer& PostgresServer::shared() {
  static PostgresServer server;
  return server;
}

PostgresServer::PostgresServer() {
  remove_left_behind(folder_name);
  folder_ = make_folder(folder_name);
  prepare();
  start();
}

PostgresServer::~PostgresServer() {
  end(SIGQUIT);
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void PostgresServer::prepare() const {
  // To make an empty cluster takes a second, to copy one a tenth of it.
  const fs::path version = programs().parent_path().filename();
  const fs::path kept = fs::path(CORBEL_TEST_CACHE) / ("postgres-" + version.string());
  if (!fs::exists(kept)) {
    const fs::path made = folder_ / "made";
    run_program({programs() / "initdb", "-D", made, "-N", "-A", "trust", "-U", "corbel", "-E", "UTF8",
                 "--locale=C.UTF-8", "--wal-segsize=1"},
                folder_ / "initdb.log");
    const fs::path copy = kept.string() + "." + std::to_string(getpid());
    fs::copy(made, copy, fs::copy_options::recursive);
    std::error_code another_was_first;
    fs::rename(copy, kept, another_was_first);
    if (another_was_first) fs::remove_all(copy);
    fs::remove_all(made);
  }
  const fs::path data = folder_ / "data";
  fs::copy(kept, data, fs::copy_options::recursive);
  std::ofstream(data / "pg_hba.conf") << "local all corbel trust\nlocal all all scram-sha-256\n";
  std::ofstream(data / "postgresql.auto.conf")
      << "listen_addresses = ''\nunix_socket_directories = '" << folder_.string()
      << "'\nfsync = off\nfull_page_writes = off\nmax_connections = 60\n"
      << "shared_buffers = 32MB\ndynamic_shared_memory_type = mmap\n";
  give_to_server(data);
  for (const auto& entry : fs::recursive_directory_iterator(data)) give_to_server(entry.path());
  fs::permissions(data, fs::perms(0700));
}

void PostgresServer::start() {
  if (process_ != 0) return;
  const fs::path ready = folder_ / "data/postmaster.pid", log = folder_ / "server.log";
  // One that was killed leaves the file, and its memory, for the next to find.
  std::error_code ignored;
  fs::remove(ready, ignored);
  process_ = start_program({programs() / "postgres", "-D", folder_ / "data"}, log);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (text_of(ready).find("ready") == std::string::npos) {
    if (waitpid(process_, nullptr, WNOHANG) != 0 || std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("the server does not start: " + text_of(log));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void PostgresServer::end(int signal) {
  if (process_ == 0) return;
  ::kill(process_, signal);
  waitpid(process_, nullptr, 0);
  process_ = 0;
}

void PostgresServer::stop() {
  end(SIGINT);
}

void PostgresServer::kill() {
  end(SIGQUIT);
}

std::string PostgresServer::new_database() {
  const std::string name = "test" + std::to_string(++databases_);
  sql("postgres", "CREATE DATABASE " + name + " STRATEGY wal_log");
  return name;
}

std::string PostgresServer::url(const std::string& database, const std::string& user,
                                const std::string& password) const {
  return "postgresql://" + user + (password.empty() ? "" : ":" + password) + "@/" + database +
         "?host=" + folder_.string();
}

std::string PostgresServer::sql(const std::string& database, const std::string& sql) const {
  const fs::path output = folder_ / ("psql-" + std::to_string(getpid()) + ".log");
  run_program({programs() / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url(database), "-c", sql},
              output);
  const std::string text = text_of(output);
  fs::remove(output);
  return text;
}

}  // namespace corbel::test
