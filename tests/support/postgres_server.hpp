#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

namespace corbel::test {

/// A PostgreSQL server of its own, from Debian's package, in a temporary folder: reached through a socket there, by no
/// network. It runs as another user where the test runs as root, which PostgreSQL refuses, and ends with the test
/// process, even a killed one (and with the thread that started it). User `corbel` may do anything and needs no
/// password; others are asked for theirs. It keeps nothing over a power cut (no fsync), but all over stop() and kill().
class PostgresServer {
 public:
  /// Why there can be none: the package is missing. "" if there can.
  static std::string missing();
  /// The server that the tests of this process share, started when first asked for.
  static PostgresServer& shared();

  PostgresServer();
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  /// Makes an empty database. @return its name
  std::string new_database();
  std::string url(const std::string& database, const std::string& user = "corbel",
                  const std::string& password = "") const;
  /// Runs SQL with psql as `corbel`. @return what it gives, unaligned, without header
  std::string sql(const std::string& database, const std::string& sql) const;

  void start();
  void stop();  ///< sends its clients away and saves
  void kill();  ///< as a crash would

 private:
  void prepare() const;
  void end(int signal);
  std::filesystem::path folder_;
  pid_t process_ = 0;
  int databases_ = 0;
};

}  // namespace corbel::test
