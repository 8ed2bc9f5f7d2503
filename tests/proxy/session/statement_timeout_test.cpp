#include "proxy/session/statement_timeout.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace evergres::proxy {
namespace {

/// Milliseconds; -1 if there is none.
long millis_of(std::optional<Millis> timeout) {
  return timeout ? static_cast<long>(timeout->count()) : -1;
}

long timeout_of(const std::vector<std::string>& commands, std::optional<Millis> usual = {}) {
  std::string sets;
  for (const std::string& command : commands) sets.append(command).append(1, '\0');
  return millis_of(statement_timeout_of(sets, usual));
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

/// What SHOW makes of 1, 1500, 90000, 120000, 7200000 and 172800000.
TEST(StatementTimeout, IsReadAsServersSayIt) {
  EXPECT_EQ(millis_of(read_timeout("0")), -1) << "none";
  EXPECT_EQ(millis_of(read_timeout("1ms")), 1);
  EXPECT_EQ(millis_of(read_timeout("1500ms")), 1'500);
  EXPECT_EQ(millis_of(read_timeout("90s")), 90'000);
  EXPECT_EQ(millis_of(read_timeout("2min")), 120'000);
  EXPECT_EQ(millis_of(read_timeout("2h")), 7'200'000);
  EXPECT_EQ(millis_of(read_timeout("2d")), 172'800'000);
  EXPECT_EQ(millis_of(read_timeout("2147483647ms")), 2'147'483'647);
  EXPECT_EQ(millis_of(read_timeout("2147483648ms")), -1);
  EXPECT_EQ(millis_of(read_timeout("")), -1);
}

/// A fraction is one of whole smaller units.
TEST(StatementTimeout, FractionsAreRoundedInTheSmallerUnit) {
  EXPECT_EQ(millis_of(read_timeout("0.33min")), 20'000) << "19.8 s";
  EXPECT_EQ(millis_of(read_timeout("0.021 d")), 3'600'000) << "0.504 h";
  EXPECT_EQ(millis_of(read_timeout("0.0004s")), -1);
  EXPECT_EQ(millis_of(read_timeout("0.7ms")), 1);
}

TEST(StatementTimeout, AWholeNumberMayBeOctalOrHexadecimal) {
  EXPECT_EQ(millis_of(read_timeout("0x100")), 256);
  EXPECT_EQ(millis_of(read_timeout("0X1fs")), 31'000);
  EXPECT_EQ(millis_of(read_timeout("010")), 8);
  EXPECT_EQ(millis_of(read_timeout("010.6")), 11) << "with a fraction it is decimal";
  EXPECT_EQ(millis_of(read_timeout("+7")), 7);
  EXPECT_EQ(millis_of(read_timeout("08")), -1);
  EXPECT_EQ(millis_of(read_timeout("0x")), -1);
}

/// In the grammar a number of digits is decimal; a string goes to the setting as it is.
TEST(StatementTimeout, ANumberInACommandIsDecimal) {
  EXPECT_EQ(timeout_of({"SET statement_timeout = 0100000"}), 100'000);
  EXPECT_EQ(timeout_of({"SET statement_timeout = '0100000'"}), 32'768);
  EXPECT_EQ(timeout_of({"SET statement_timeout TO 1e5;"}), 100'000);
  EXPECT_EQ(timeout_of({"SET statement_timeout = 1500.4 -- ms"}), 1'500);
  EXPECT_EQ(timeout_of({"SET statement_timeout = 000"}), -1);
  EXPECT_EQ(timeout_of({"SET statement_timeout = +30000"}), 30'000);
  EXPECT_EQ(timeout_of({"SET statement_timeout = 1e+5"}), 100'000);
  EXPECT_EQ(timeout_of({"SET statement_timeout = 100_000"}), 100'000);
  EXPECT_EQ(timeout_of({"SET statement_timeout TO \"1.5 min\""}), 90'000);
  EXPECT_EQ(timeout_of({"SET statement_timeout TO \"0100\""}), 64);
  EXPECT_EQ(timeout_of({"SET statement_timeout ="}, Millis{7'000}), 7'000);
}

TEST(StatementTimeout, TheLastCommandCounts) {
  EXPECT_EQ(timeout_of({"SET statement_timeout = '5s'", "SET statement_timeout = '6s'"}), 6'000);
  EXPECT_EQ(timeout_of({"SET statement_timeout = '5s'", "SET statement_timeout = 0"}), -1);
  const Millis usual{7'000};
  EXPECT_EQ(timeout_of({}, usual), 7'000);
  EXPECT_EQ(timeout_of({"SET statement_timeout = '5s'"}, usual), 5'000);
  EXPECT_EQ(timeout_of({"SET statement_timeout = 0"}, usual), -1);
  for (const char* back :
       {"RESET statement_timeout", "RESET ALL", "SET statement_timeout TO DEFAULT"}) {
    EXPECT_EQ(timeout_of({"SET statement_timeout = '5s'", back}, usual), 7'000) << back;
    EXPECT_EQ(timeout_of({"SET statement_timeout = '5s'", back}), -1) << back;
  }
  EXPECT_EQ(timeout_of({"SET statement_timeout = '5s'", "RESET work_mem"}, usual), 5'000);
}

}  // namespace
}  // namespace evergres::proxy
