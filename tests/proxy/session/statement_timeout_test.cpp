#include "proxy/session/statement_timeout.hpp"

#include <gtest/gtest.h>

namespace evergres::proxy {
namespace {

using Startup = std::vector<std::pair<std::string, std::string>>;

/// Milliseconds; -1 if there is none.
long timeout_of(const std::vector<std::string>& commands, const Startup& startup = {}) {
  std::string sets;
  for (const std::string& command : commands) sets.append(command).append(1, '\0');
  const auto timeout = statement_timeout_of(sets, startup);
  return timeout ? static_cast<long>(timeout->count()) : -1;
}

TEST(StatementTimeout, IsReadAsPostgresqlReadsIt) {
  EXPECT_EQ(timeout_of({}), -1);
  EXPECT_EQ(timeout_of({"SET work_mem = '5MB'"}), -1);
  EXPECT_EQ(timeout_of({"SET statement_timeout = 5000"}), 5'000);
  EXPECT_EQ(timeout_of({"set SESSION Statement_Timeout to '5s'"}), 5'000);
  EXPECT_EQ(timeout_of({"SET statement_timeout TO ' 1.5 min '"}), 90'000);
  EXPECT_EQ(timeout_of({"SET \"statement_timeout\" = '2 h';"}), 7'200'000);
  EXPECT_EQ(timeout_of({"SET statement_timeout = '1500us'"}), 2);
  EXPECT_EQ(timeout_of({"SET statement_timeout = 0"}), -1) << "none";
  EXPECT_EQ(timeout_of({"SET statement_timeout = '5 apples'"}), -1);
  EXPECT_EQ(timeout_of({"SET statement_timeout = '1e300 d'"}), -1);
}

TEST(StatementTimeout, TheLastCommandCounts) {
  EXPECT_EQ(timeout_of({"SET statement_timeout = '5s'", "SET statement_timeout = '6s'"}), 6'000);
  EXPECT_EQ(timeout_of({"SET statement_timeout = '5s'", "SET statement_timeout = 0"}), -1);
  const Startup startup{{"statement_timeout", "7s"}};
  EXPECT_EQ(timeout_of({}, startup), 7'000);
  EXPECT_EQ(timeout_of({"SET statement_timeout = '5s'"}, startup), 5'000);
  for (const char* back :
       {"RESET statement_timeout", "RESET ALL", "SET statement_timeout TO DEFAULT"}) {
    EXPECT_EQ(timeout_of({"SET statement_timeout = '5s'", back}, startup), 7'000) << back;
  }
  EXPECT_EQ(timeout_of({"SET statement_timeout = '5s'", "RESET work_mem"}, startup), 5'000);
}

TEST(StatementTimeout, OptionsOfTheStartupMessageCount) {
  const auto of = [](const char* options) { return timeout_of({}, {{"options", options}}); };
  EXPECT_EQ(of("-c statement_timeout=5000"), 5'000);
  EXPECT_EQ(of("-cstatement_timeout=5s -c work_mem=7MB"), 5'000);
  EXPECT_EQ(of("--statement-timeout=1\\ min"), 60'000);
  EXPECT_EQ(of("-c statement_timeout=5s -c statement_timeout=6s"), 6'000);
  EXPECT_EQ(of("-c search_path=a,b"), -1);
  EXPECT_EQ(of("-c"), -1);
  EXPECT_EQ(of("\\"), -1);
  EXPECT_EQ(timeout_of({}, {{"statement_timeout", "7s"}, {"options", "-c statement_timeout=5s"}}),
            7'000);
}

}  // namespace
}  // namespace evergres::proxy
