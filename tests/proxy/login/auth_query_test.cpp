#include "proxy/login/auth_query.hpp"

#include <gtest/gtest.h>

#include <array>

#include "proxy/login/wire.hpp"
#include "proxy/wire/frontend.hpp"
#include "proxy/wire/writer.hpp"

namespace evergres::proxy {
namespace {

using namespace std::string_literals;
using Values = std::vector<std::optional<std::string_view>>;

const std::string secret = text_of(make_secret("pencil", "0123456789abcdef", 16));

/// The answer of a server, with these rows of pg_authid.
std::string answer(const std::vector<Values>& rows) {
  std::string bytes;
  write_parse_complete(bytes);
  write_bind_complete(bytes);
  write_data_row(bytes, Values{"pg_catalog"});
  write_command_complete(bytes, "SELECT 1");
  write_parse_complete(bytes);
  write_bind_complete(bytes);
  for (const Values& row : rows) write_data_row(bytes, row);
  write_command_complete(bytes, "SELECT " + std::to_string(rows.size()));
  write_ready(bytes, TransactionStatus::idle);
  return bytes;
}

AuthStep fed(const std::string& bytes, std::size_t step = 4096) {
  AuthQuery query("app");
  std::string kept;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    kept += bytes.substr(at, step);
    std::string_view rest = kept;
    AuthStep result = query.feed(rest);
    kept = std::string(rest);
    if (!std::holds_alternative<AuthLacks>(result)) return result;
  }
  return AuthLacks{};
}

std::string why(const std::vector<Values>& rows) {
  const AuthStep step = fed(answer(rows));
  const auto* told = std::get_if<AuthAnswer>(&step);
  return told == nullptr ? "failed" : told->secret ? "has a secret" : told->why;
}

TEST(AuthQuery, BindsTheNameAndNamesEverySchema) {
  AuthQuery query("app'--");
  std::string bytes;
  query.ask(bytes);
  EXPECT_EQ(test::types(bytes), "PBEPBES");
  const auto all = test::messages(bytes);
  const std::string path(read_parse(all[0].body)->sql);
  EXPECT_EQ(path, "SELECT pg_catalog.set_config('search_path', 'pg_catalog', true)");
  const std::string sql(read_parse(all[3].body)->sql);
  EXPECT_EQ(sql.find("app"), std::string::npos);
  EXPECT_NE(all[4].body.find("app'--"), std::string::npos);
  // Outside of pg_catalog there is no operator, function or relation in it.
  for (const std::string_view token : {" = ", " > ", " >= ", " < ", "::", " now(", "FROM pg_a"}) {
    EXPECT_EQ(sql.find(token), std::string::npos) << token;
  }
  EXPECT_EQ(auth_query_settings().at(1).second, "pg_catalog");
}

TEST(AuthQuery, GivesTheSecretHoweverTheBytesAreCut) {
  for (const std::size_t step : {1U, 2U, 7U, 4096U}) {
    const AuthStep result = fed(answer({{"t", "t", secret}}), step);
    ASSERT_TRUE(std::holds_alternative<AuthAnswer>(result));
    EXPECT_EQ(text_of(*std::get<AuthAnswer>(result).secret), secret);
  }
}

TEST(AuthQuery, GivesNoneToWhoMayNotUseIt) {
  EXPECT_EQ(why({}), "the role does not exist");
  EXPECT_EQ(why({{"f", "t", secret}}), "the role has no LOGIN attribute");
  EXPECT_EQ(why({{"t", "f", secret}}), "the password has expired (VALID UNTIL)");
  EXPECT_EQ(why({{"t", "t", std::nullopt}}), "the role has no password");
  EXPECT_EQ(why({{"t", "t", "md5aabbccddeeff00112233445566778899"}}),
            "the role has an MD5 password");
  EXPECT_EQ(why({{"t", "t", "pencil"}}), "the role's secret is not one of SCRAM-SHA-256");
}

TEST(AuthQuery, AnErrorIsNoAbsence) {
  std::string bytes;
  write_parse_complete(bytes);
  write_error(bytes, Severity::error, "42501", Error(ErrorCode::internal, "permission denied"));
  EXPECT_TRUE(std::holds_alternative<AuthLacks>(fed(bytes))) << "ReadyForQuery is missing";
  write_ready(bytes, TransactionStatus::idle);
  const AuthStep denied = fed(bytes);
  EXPECT_EQ(std::get<AuthFailed>(denied).error.message(), "permission denied");
  EXPECT_FALSE(std::get<AuthFailed>(denied).close);
  bytes.clear();
  write_error(bytes, Severity::fatal, "57P01", Error(ErrorCode::internal, "terminating"));
  EXPECT_TRUE(std::get<AuthFailed>(fed(bytes)).close);
}

TEST(AuthQuery, RefusesWhatWasNotAskedFor) {
  std::string early;
  write_ready(early, TransactionStatus::idle);
  std::string skipped;
  write_parse_complete(skipped);
  write_data_row(skipped, Values{"t", "t", secret});
  const std::string copy = "G\0\0\0\7\0\0\0"s;
  const std::string long_row = answer({{"t", "t", std::string(5000, 'x')}});
  for (const std::string& bytes :
       {early, skipped, copy, long_row, answer({{"t", "t", secret}, {"t", "t", secret}}),
        answer({{"t", "t"}}), answer({{std::nullopt, "t", secret}}), "X"s}) {
    const AuthStep step = fed(bytes);
    ASSERT_TRUE(std::holds_alternative<AuthFailed>(step)) << bytes;
    EXPECT_TRUE(std::get<AuthFailed>(step).close);
    EXPECT_EQ(std::get<AuthFailed>(step).sqlstate, "08P01");
  }
}

}  // namespace
}  // namespace evergres::proxy
