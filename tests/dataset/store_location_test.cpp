#include "corbel/dataset/store_location.hpp"

#include <gtest/gtest.h>

#include <string>

#include "dataset_testing.hpp"

namespace corbel::test {
namespace {

TEST(StoreLocation, IsAFileOrAUrl) {
  for (const char* file : {"trials.db", "/data/trials.db", ":memory:", "postgresql:", "a/postgresql://x"}) {
    EXPECT_TRUE(StoreLocation(file).is_file()) << file;
    EXPECT_EQ(StoreLocation(file).text(), file);
    EXPECT_EQ(StoreLocation(file).file(), file);
  }
  for (const char* url : {"postgresql://", "postgres://h/d", "postgresql://u@h:5432/d"}) {
    EXPECT_FALSE(StoreLocation(url).is_file()) << url;
    EXPECT_EQ(StoreLocation(url).text(), url);
    EXPECT_EQ(StoreLocation(std::filesystem::path(url)), StoreLocation(url));
  }
}

TEST(StoreLocation, ShowsNoPassword) {
  const auto shown = [](const char* url) { return StoreLocation(url).text(); };
  EXPECT_EQ(shown("postgresql://ada:s3cret@db.example.com:5433/lab"), "postgresql://ada@db.example.com:5433/lab");
  EXPECT_EQ(shown("postgres://ada:@h/d"), "postgres://ada@h/d");
  EXPECT_EQ(shown("postgresql://ada:s3%40cret@a:1,[2001:db8::1]:2/d"), "postgresql://ada@a:1,[2001:db8::1]:2/d");
  EXPECT_EQ(shown("postgresql://h/d?password=s3cret&host=/run/pg&sslpassword=s3cret&user=ada&sslmode=require"),
            "postgresql://h/d?host=/run/pg&user=ada");
  EXPECT_EQ(shown("postgresql://h/d?password=s3cret"), "postgresql://h/d");
  EXPECT_EQ(StoreLocation("postgresql://ada:s3cret@h/d").url(), "postgresql://ada:s3cret@h/d");
  for (const char* url : {"postgresql://ada:x@h/d", "postgresql://ada:@h/d", "postgresql://h/d?a=b&password=x"}) {
    EXPECT_TRUE(StoreLocation(url).has_password()) << url;
  }
  for (const char* url : {"postgresql://ada@h:5432/d", "postgresql://h:5432/d", "postgresql://", "a:b@c"}) {
    EXPECT_FALSE(StoreLocation(url).has_password()) << url;
  }
}

TEST(StoreLocation, RefusesOtherSchemes) {
  for (const char* url : {"Postgresql://ada:s3cret@h/d", "mysql://ada:s3cret@h/d", "http://h/trials.db"}) {
    EXPECT_ERROR(StoreLocation{url}, ErrorCode::invalid_input, "begins with postgresql://");
  }
}

TEST(WithoutPasswords, HidesThoseOfUrlsInAText) {
  EXPECT_EQ(without_passwords("unknown command `postgresql://ada:s3cret@h/d`; see"),
            "unknown command `postgresql://ada:…@h/d`; see");
  EXPECT_EQ(without_passwords("a://u:x@h b://u:y@z@h"), "a://u:…@h b://u:…@h");
  EXPECT_EQ(without_passwords("postgresql://h/d?user=a&password=x&sslmode=y"),
            "postgresql://h/d?user=a&password=…&sslmode=y");
  for (const char* harmless : {"", "://", "postgresql://ada@h:5432/d", "a: b@c", "see http://h/x: y@z"}) {
    EXPECT_EQ(without_passwords(harmless), harmless);
  }
}

TEST(StoreLocation, RefusesUrlsWhosePasswordCannotBeTold) {
  for (const char* url :
       {"postgresql://ada:s3cret@x@h/d", "postgresql://ada:s3cret/x@h/d", "postgresql://ada:s3cret?x@h/d",
        "postgresql://ada:s3cret#x@h/d", "postgresql://ada:s3cret/d", "postgresql://h/d?password=s3cret@x",
        "postgresql://ada@h:s3cret/d", "postgresql://[::1]:s3cret/d", "postgresql://h/d#s3cret"}) {
    EXPECT_ERROR(StoreLocation{url}, ErrorCode::invalid_input, "postgresql://…");
    const Error error = error_of([&] { StoreLocation{url}; });
    EXPECT_EQ((error.what() + error.hint()).find("s3cret"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace corbel::test
