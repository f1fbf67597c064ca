#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <map>
#include <string>

#include "corbel/dataset/store.hpp"
#include "support/postgres_server.hpp"
#include "support/temporary_folder.hpp"

namespace corbel::test {

/// Runs SQL behind the back of a store that is a file.
inline void tamper_with_file(const std::filesystem::path& file, const std::string& sql) {
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open(file.c_str(), &handle), SQLITE_OK);
  char* message = nullptr;
  ASSERT_EQ(sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, &message), SQLITE_OK) << message;
  sqlite3_close(handle);
}

/// Stores of the backend that is the parameter, "Sqlite" or "Postgres".
class StoreBackends : public ::testing::TestWithParam<std::string> {
 public:
  bool is_postgres() const { return GetParam() == "Postgres"; }
  /// A place for a store, by number; empty when first asked for.
  StoreLocation location(int number = 0) {
    if (!is_postgres()) return folder_ / ("trials" + std::to_string(number) + ".db");
    PostgresServer& server = PostgresServer::shared();
    if (!databases_.contains(number)) databases_[number] = server.new_database();
    return server.url(databases_[number]);
  }
  Store open(int number = 0) { return Store(location(number), Store::Mode::read_write); }
  /// Runs SQL behind the store's back.
  void tamper(const std::string& sql, int number = 0) {
    if (is_postgres()) {
      PostgresServer::shared().sql(databases_.at(number), "SET search_path = corbel; " + sql);
    } else {
      tamper_with_file(location(number).file(), sql);
    }
  }

 protected:
  void SetUp() override {
    if (is_postgres() && !PostgresServer::missing().empty()) GTEST_SKIP() << PostgresServer::missing();
  }

 private:
  TemporaryFolder folder_;
  std::map<int, std::string> databases_;
};

inline std::string backend_name(const ::testing::TestParamInfo<std::string>& info) {
  return info.param;
}

}  // namespace corbel::test
