#include <gtest/gtest.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "corbel/dataset/database.hpp"
#include "corbel/dataset/store.hpp"
#include "corbel/dataset/store_check.hpp"
#include "dataset_testing.hpp"
#include "support/postgres_server.hpp"

namespace corbel::test {
namespace {

Trial complete(DesignId design) {
  return {design, TrialState::complete, "", {1, 2}, 1};
}

void store_one(const StoreLocation& location, DesignId design) {
  Store store(location, Store::Mode::read_write);
  store.record(store.group(small_group()), std::vector{complete(design)});
}

/// What is said of a store that cannot be opened, and never with the password.
void expect_refusal(const std::string& url, Store::Mode mode, ErrorCode code, const std::string& part) {
  const Error error = error_of([&] { Store(url, mode); });
  EXPECT_EQ(error.code(), code) << error.what();
  EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  EXPECT_NE(error.hint(), "") << error.what();
  EXPECT_NE(std::string(error.what()).find(StoreLocation(url).text()), std::string::npos) << error.what();
  EXPECT_EQ((error.what() + error.hint()).find("s3cret"), std::string::npos) << error.what() << error.hint();
}

void expect_refusal(const std::string& url, ErrorCode code, const std::string& part) {
  for (const auto mode : {Store::Mode::read_only, Store::Mode::read_write}) expect_refusal(url, mode, code, part);
}

class PostgresStore : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!PostgresServer::missing().empty()) GTEST_SKIP() << PostgresServer::missing();
    database_ = server().new_database();
  }
  static PostgresServer& server() { return PostgresServer::shared(); }
  std::string url() const { return server().url(database_); }
  /// A user with the password `s3cret`, who may do nothing but connect.
  std::string user(const std::string& password = "s3cret") const {
    server().sql(database_, "DROP ROLE IF EXISTS ada_" + database_ + "; CREATE ROLE ada_" + database_ +
                                " LOGIN PASSWORD 's3cret'");
    return server().url(database_, "ada_" + database_, password);
  }
  void grant(const std::string& rights) const { server().sql(database_, "GRANT " + rights + " TO ada_" + database_); }
  std::string database_;
};

TEST(UnreachableServer, IsNamedWithoutPassword) {
  expect_refusal("postgresql://ada:s3cret@127.0.0.1:1/lab", ErrorCode::file_access, "the server cannot be reached");
  expect_refusal("postgresql://ada:s3cret@/lab?host=/nowhere", ErrorCode::file_access, "the server cannot be reached");
  expect_refusal("postgresql://ada:s3cret@nowhere.invalid/lab", ErrorCode::file_access, "cannot be reached");
  expect_refusal("postgresql://ada:s3cret@h/lab?sslmode=odd", ErrorCode::file_access, "invalid sslmode value");
  expect_refusal("postgresql://ada:s3cret@h/lab?nothing=s3cret", ErrorCode::invalid_input, "not a URL of PostgreSQL");
  expect_refusal("postgresql://h/lab?nothing", ErrorCode::invalid_input, "nothing");
}

TEST(UnreachableServer, IsNotWaitedForWithoutEnd) {
  const int listening = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(listening, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listening, 1), 0);
  ASSERT_EQ(getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size), 0);
  expect_refusal(
      "postgresql://ada:s3cret@127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/lab?connect_timeout=1",
      Store::Mode::read_only, ErrorCode::file_access, "no answer within 1 s");
  close(listening);
}

TEST_F(PostgresStore, TellsWhatIsWrongWithAPassword) {
  expect_refusal(user("s3cret2"), ErrorCode::file_access, "does not accept the password of `ada_" + database_ + "`");
  expect_refusal(user(""), ErrorCode::file_access, "asks for the password of `ada_" + database_ + "`");
  server().sql(database_, "ALTER ROLE ada_" + database_ + " NOLOGIN");
  expect_refusal(server().url(database_, "ada_" + database_, "s3cret"), ErrorCode::file_access, "in (");
}

TEST_F(PostgresStore, TakesThePasswordFromTheEnvironment) {
  const std::string url = user("");
  store_one(this->url(), 1);
  grant("USAGE ON SCHEMA corbel");
  grant("SELECT ON ALL TABLES IN SCHEMA corbel");
  setenv("PGPASSWORD", "s3cret", 1);
  EXPECT_NO_THROW(EXPECT_EQ(Store(url, Store::Mode::read_only).finished(1).size(), 1U));
  unsetenv("PGPASSWORD");
}

TEST_F(PostgresStore, NamesTheDatabaseThatIsNotThere) {
  expect_refusal(server().url("nowhere"), ErrorCode::file_access, "has no database `nowhere`");
  EXPECT_NE(error_of([&] { Store(server().url("nowhere"), Store::Mode::read_only); }).hint().find("createdb nowhere"),
            std::string::npos);
  EXPECT_FALSE(Store::if_there(url())) << "a database without store is none";
  EXPECT_ERROR(Store::if_there(server().url("nowhere")), ErrorCode::file_access, "nowhere");
}

TEST_F(PostgresStore, NamesThePermissionThatIsMissing) {
  const std::string ada = user();
  expect_refusal(ada, Store::Mode::read_only, ErrorCode::not_found, "holds no Corbel store yet");
  expect_refusal(ada, Store::Mode::read_write, ErrorCode::file_access, "may not make the schema `corbel`");
  store_one(url(), 1);
  expect_refusal(ada, ErrorCode::file_access, "may not look into the schema");
  grant("USAGE ON SCHEMA corbel");
  expect_refusal(ada, Store::Mode::read_only, ErrorCode::file_access, "lacks a permission");
  grant("SELECT ON ALL TABLES IN SCHEMA corbel");
  EXPECT_EQ(Store(ada, Store::Mode::read_only).finished(1), std::vector<DesignId>{1});
  expect_refusal(ada, Store::Mode::read_write, ErrorCode::file_access, "may not write this store");
  grant("INSERT ON ALL TABLES IN SCHEMA corbel");
  expect_refusal(ada, Store::Mode::read_write, ErrorCode::file_access, "may not write this store");
  grant("INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA corbel");
  store_one(ada, 2);
  Store store(ada, Store::Mode::read_write);
  EXPECT_EQ(store.finished(1), (std::vector<DesignId>{1, 2}));
  EXPECT_EQ(store.group(small_group("s2")), 2);
}

TEST_F(PostgresStore, LeavesASchemaOfAnotherProgramAlone) {
  server().sql(database_, "CREATE SCHEMA corbel; CREATE TABLE corbel.trials(x TEXT)");
  expect_refusal(url(), ErrorCode::corrupt, "is not a Corbel store");
  server().sql(database_, "CREATE TABLE corbel.about(application TEXT, version BIGINT)");
  expect_refusal(url(), ErrorCode::corrupt, "is not a Corbel store");
  EXPECT_EQ(server().sql(database_, "SELECT count(*) FROM pg_tables WHERE schemaname = 'corbel'"), "2\n");
}

TEST_F(PostgresStore, LivesBesideTablesOfTheSameNames) {
  server().sql(database_, "CREATE TABLE trials(x TEXT); CREATE TABLE groups(x TEXT); CREATE SCHEMA corbel");
  store_one(url(), 1);
  EXPECT_EQ(server().sql(database_, "SELECT count(*) FROM public.trials"), "0\n");
  EXPECT_EQ(server().sql(database_, "SELECT count(*) FROM corbel.trials"), "1\n");
}

TEST_F(PostgresStore, KeepsWhatWasAcknowledgedWhenTheServerGoes) {
  Store store(url(), Store::Mode::read_write);
  const auto id = store.group(small_group());
  store.record(id, std::vector{complete(1)});
  {
    Store::Batch batch(store);
    batch.put(id, complete(2));
    server().kill();
    EXPECT_ERROR(batch.put(id, complete(3)), ErrorCode::file_access, "the connection to the server was lost");
    EXPECT_ERROR(batch.commit(), ErrorCode::file_access, StoreLocation(url()).text());
  }
  EXPECT_ERROR(store.finished(id), ErrorCode::file_access, "lost");
  EXPECT_ERROR(Store(url(), Store::Mode::read_only), ErrorCode::file_access, "cannot be reached");
  EXPECT_ERROR(check_store(url(), silent_monitor()), ErrorCode::file_access, "cannot be reached");
  EXPECT_ERROR(store.reconnect(), ErrorCode::file_access, "cannot be reached");
  server().start();
  store.reconnect();
  EXPECT_EQ(store.finished(id), std::vector<DesignId>{1});
  EXPECT_TRUE(store.changed_elsewhere()) << "for all that is known";
  EXPECT_EQ(store.record(id, std::vector{complete(1), complete(2), complete(3)}), 2U);
  EXPECT_FALSE(store.changed_elsewhere());
}

TEST_F(PostgresStore, CanBeTriedAgainAfterASessionWasEnded) {
  Store store(url(), Store::Mode::read_write);
  const auto id = store.group(small_group());
  server().sql(database_,
               "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'corbel' AND "
               "datname = current_database()");
  try {
    store.record(id, std::vector{complete(1)});
    ADD_FAILURE() << "no error";
  } catch (const DatabaseError& error) {
    EXPECT_EQ(error.failure(), DatabaseError::Failure::lost) << error.what();
  }
  EXPECT_EQ(Store(url(), Store::Mode::read_write).record(id, std::vector{complete(1)}), 1U);
}

TEST_F(PostgresStore, IsDurableWhateverTheDatabaseSays) {
  server().sql(database_, "ALTER DATABASE " + database_ + " SET synchronous_commit = off; ALTER DATABASE " + database_ +
                              " SET default_transaction_isolation = serializable");
  const auto database = open_database(url(), true, std::chrono::seconds(1));
  Statement statement(*database,
                      "SELECT current_setting('synchronous_commit'), "
                      "current_setting('transaction_isolation')");
  ASSERT_TRUE(statement.step());
  EXPECT_EQ(statement.text(0), "on");
  EXPECT_EQ(statement.text(1), "read committed");
}

TEST_F(PostgresStore, DoesNotTakeAFailedTransactionForAStoredOne) {
  const auto database = open_database(url(), true, std::chrono::seconds(1));
  Transaction transaction(*database);
  database->execute("INSERT INTO notes(key, value) VALUES('a', 'b')");
  EXPECT_THROW(database->execute("SELECT 1 / 0"), DatabaseError);
  EXPECT_ERROR(transaction.commit(), ErrorCode::file_access, "nothing was stored");
  EXPECT_EQ(database->integer("SELECT count(*) FROM notes"), 0);
}

TEST_F(PostgresStore, TellsADeadlockFromOtherFailures) {
  const auto one = open_database(url(), true, std::chrono::seconds(20));
  one->execute("INSERT INTO notes(key, value) VALUES('a', ''), ('b', '')");
  const auto locked_in_turn = [&](const Database& database, const char* first, const char* second,
                                  const std::function<void()>& between) {
    Transaction transaction(database, Transaction::Kind::shared);
    Statement touch(database, "UPDATE notes SET value = value WHERE key = ?1");
    touch.bind(1, std::string_view(first)).run();
    between();
    touch.bind(1, std::string_view(second)).run();
    transaction.commit();
  };
  int pipes[2];
  ASSERT_EQ(pipe(pipes), 0);
  const pid_t other = fork_child([&] {
    const auto two = open_database(url(), true, std::chrono::seconds(20));
    two->execute("SET deadlock_timeout = '60s'");  // so that the parent is who finds it
    locked_in_turn(*two, "b", "a", [&] {
      if (write(pipes[1], "x", 1) != 1) throw std::runtime_error("pipe");
    });
  });
  try {
    locked_in_turn(*one, "a", "b", [&] {
      char byte = 0;
      ASSERT_EQ(read(pipes[0], &byte, 1), 1);
    });
    ADD_FAILURE() << "no deadlock";
  } catch (const DatabaseError& error) {
    EXPECT_EQ(error.failure(), DatabaseError::Failure::conflict) << error.what();
  }
  EXPECT_EQ(wait_for(other), 0);
  close(pipes[0]);
  close(pipes[1]);
}

TEST_F(PostgresStore, RefusesTextsThatPostgresCannotHold) {
  Store store(url(), Store::Mode::read_write);
  const auto id = store.group(small_group());
  for (const std::string& reason : {std::string("a\0b", 3), std::string("\xff")}) {
    EXPECT_ERROR(store.record(id, std::vector{Trial{1, TrialState::infeasible, reason, {}, 1}}),
                 ErrorCode::invalid_input, "a text cannot be stored");
  }
  EXPECT_EQ(store.record(id, std::vector{complete(1)}), 1U) << "the store goes on";
}

TEST_F(PostgresStore, FindsAKeyThatIsGone) {
  store_one(url(), 1);
  EXPECT_EQ(check_store(url(), silent_monitor()).listed, std::vector<std::string>{});
  server().sql(database_, "ALTER TABLE corbel.trials DROP CONSTRAINT trials_pkey");
  EXPECT_EQ(check_store(url(), silent_monitor()).listed,
            std::vector<std::string>{"PostgreSQL: table trials lacks its primary key"});
}

}  // namespace
}  // namespace corbel::test
