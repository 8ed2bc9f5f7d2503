#include <gtest/gtest.h>

#include "proxy/wire/backend.hpp"
#include "proxy/wire/frontend.hpp"
#include "proxy/wire/walker.hpp"
#include "proxy/wire/writer.hpp"

namespace evergres::proxy {
namespace {

using namespace std::string_literals;

/// Writes one message, walks it as the other side would, and hands out its body.
template <typename Write>
std::string body_of(Side side, Phase phase, char type, Write write) {
  std::string bytes;
  write(bytes);
  Walker walker(side, phase);
  std::string_view input = bytes;
  const Frame frame = walker.next(input);
  EXPECT_EQ(frame.kind, FrameKind::whole) << type << ": " << frame.why;
  EXPECT_EQ(frame.type, type);
  EXPECT_TRUE(input.empty());
  return std::string(frame.payload());
}

template <typename Write>
std::string to_server(char type, Write write) {
  return body_of(Side::frontend, Phase::session, type, write);
}

template <typename Write>
std::string to_client(char type, Write write, Phase phase = Phase::session) {
  return body_of(Side::backend, phase, type, write);
}

TEST(Messages, ThoseOfAClientAreReadAsTheyWereWritten) {
  const std::string types = "\0\0\0\x17\0\0\0\x19"s;
  const std::string parse =
      to_server('P', [&](std::string& to) { write_parse(to, "s1", "select $1, $2", types); });
  const auto parsed = read_parse(parse);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->statement, "s1");
  EXPECT_EQ(parsed->sql, "select $1, $2");
  EXPECT_EQ(parsed->types, types);
  EXPECT_EQ(parsed->type_count(), 2U);

  const std::vector<std::optional<std::string_view>> values{"a", std::nullopt};
  const std::string bind =
      to_server('B', [&](std::string& to) { write_bind(to, "p", "s1", values); });
  const auto bound = read_bind(bind);
  ASSERT_TRUE(bound);
  EXPECT_EQ(bound->portal, "p");
  EXPECT_EQ(bound->statement, "s1");
  EXPECT_EQ(bound->rest, "\0\0\0\2\0\0\0\1a\xff\xff\xff\xff\0\0"s);
  const std::string renamed = to_server('B', [&](std::string& to) {
    write_renamed_bind(to, *bound, "evergres_7", static_cast<std::uint32_t>(bind.size()));
  });
  EXPECT_EQ(read_bind(renamed)->statement, "evergres_7");
  EXPECT_EQ(read_bind(renamed)->rest, bound->rest);

  const std::string close =
      to_server('C', [](std::string& to) { write_close(to, Target::portal, "p"); });
  EXPECT_EQ(read_target(close)->target, Target::portal);
  const std::string describe =
      to_server('D', [](std::string& to) { write_describe(to, Target::statement, ""); });
  EXPECT_EQ(read_target(describe)->name, "");
  const std::string execute = to_server('E', [](std::string& to) { write_execute(to, "p", 100); });
  EXPECT_EQ(read_execute(execute)->rows, 100);
  const std::string query = to_server('Q', [](std::string& to) { write_query(to, "select 1"); });
  EXPECT_EQ(read_query(query), "select 1");
  const std::string fail = to_server('f', [](std::string& to) { write_copy_fail(to, "why"); });
  EXPECT_EQ(read_copy_fail(fail), "why");
  to_server('H', write_flush);
  to_server('X', write_terminate);
}

TEST(Messages, ThoseOfALoginAreReadAsTheyWereWritten) {
  const std::string initial = body_of(Side::frontend, Phase::login, 'p', [](std::string& to) {
    write_sasl_initial(to, "SCRAM-SHA-256", "n,,n=,r=x");
  });
  EXPECT_EQ(read_sasl_initial(initial)->mechanism, "SCRAM-SHA-256");
  EXPECT_EQ(read_sasl_initial(initial)->data, "n,,n=,r=x");
  EXPECT_FALSE(read_sasl_initial("SCRAM-SHA-256\0\xff\xff\xff\xff"s)->data);
  EXPECT_FALSE(read_sasl_initial("SCRAM-SHA-256\0\xff\xff\xff\xfe"s));
  EXPECT_FALSE(read_sasl_initial("SCRAM-SHA-256\0\0\0\0\x09short"s));

  const std::string offer = to_client(
      'R',
      [](std::string& to) {
        write_auth_sasl(to, {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"});
      },
      Phase::login);
  const auto auth = read_auth(offer);
  ASSERT_TRUE(auth && auth->is(AuthKind::sasl));
  EXPECT_EQ(*read_mechanisms(auth->data),
            (std::vector<std::string_view>{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"}));
  EXPECT_FALSE(read_mechanisms("SCRAM-SHA-256\0"s));
  EXPECT_FALSE(read_mechanisms("\0"s));
  EXPECT_TRUE(read_auth(to_client('R', write_auth_ok, Phase::login))->is(AuthKind::ok));

  const std::string key = to_client(
      'K', [](std::string& to) { write_backend_key(to, 7, std::string(32, 'k')); }, Phase::login);
  EXPECT_EQ(read_backend_key(key)->key.size(), 32U);
  EXPECT_FALSE(read_negotiate("\0\3\0\0\0\0\0\1_pq_.x\0"s, 0)) << "we asked for none";
  EXPECT_EQ(read_negotiate("\0\3\0\0\0\0\0\1_pq_.x\0"s, 1)->minor, 0U);
  EXPECT_FALSE(read_negotiate("\0\3\0\0\x7f\xff\xff\xff"s, 4));
}

TEST(Messages, ThoseOfAServerAreReadAsTheyWereWritten) {
  EXPECT_EQ(read_ready(to_client(
                'Z', [](std::string& to) { write_ready(to, TransactionStatus::failed); })),
            TransactionStatus::failed);
  EXPECT_FALSE(read_ready("X"));
  const std::string parameter =
      to_client('S', [](std::string& to) { write_parameter(to, "TimeZone", "UTC"); });
  EXPECT_EQ(read_parameter(parameter)->name, "TimeZone");
  EXPECT_EQ(read_parameter(parameter)->value, "UTC");
  EXPECT_FALSE(read_parameter("\0x\0"s));
  const std::string complete =
      to_client('C', [](std::string& to) { write_command_complete(to, "INSERT 0 1"); });
  EXPECT_EQ(read_command_complete(complete), "INSERT 0 1");
  EXPECT_FALSE(read_command_complete("INSERT"));
  const std::vector<std::string_view> columns{"name", "addr"};
  to_client('T', [&](std::string& to) { write_row_description(to, columns); });
  const std::vector<std::optional<std::string_view>> values{"n1", std::nullopt};
  to_client('D', [&](std::string& to) { write_data_row(to, values); });
  const std::string news = "\0\0\0\7news\0text\0"s;
  const auto notification = read_notification(news);
  EXPECT_EQ(notification->channel, "news");
  EXPECT_EQ(read_copy("\1\0\3"s)->columns, 3U);
  EXPECT_FALSE(read_copy("\2\0\3"s));
}

TEST(Messages, AnErrorCarriesTheFourFieldsOfTheHouse) {
  const Error error(ErrorCode::timed_out, "no primary", "Waited 15 s.", "Try again.");
  const std::string body =
      to_client('E', [&](std::string& to) { write_error(to, Severity::fatal, "57P03", error); });
  const FieldsView fields = read_fields(body);
  EXPECT_TRUE(fields.whole && fields.fatal());
  EXPECT_EQ(fields.code, "57P03");
  EXPECT_EQ(fields.message, "no primary");
  EXPECT_EQ(fields.detail, "Waited 15 s.");
  EXPECT_EQ(fields.hint, "Try again.");
}

TEST(Messages, EveryFieldOfAnErrorMayBeAbsent) {
  const std::string empty = "\0"s;
  const FieldsView none = read_fields(empty);
  EXPECT_TRUE(none.whole);
  EXPECT_EQ(none.code, "");
  EXPECT_EQ(none.severity, "");
  EXPECT_FALSE(read_fields("").whole);
  EXPECT_FALSE(read_fields("Cno zero byte").whole);
  EXPECT_EQ(read_fields("C42\0\0"s).code, "") << "an SQLSTATE has five letters";
  EXPECT_EQ(read_fields("SFATAL\0\0"s).severity, "FATAL") << "before 9.6 there is no V";
  EXPECT_EQ(read_fields("SFEHLER\0VERROR\0\0"s).severity, "ERROR");
}

TEST(Messages, ACancelledWaitForStandbysIsKnownInEveryLanguage) {
  EXPECT_TRUE(is_cancelled_sync_wait(
      read_fields("SWARNUNG\0VWARNING\0C01000\0Mstorniere Warten\0RSyncRepWaitForLSN\0\0"s)));
  EXPECT_TRUE(is_cancelled_sync_wait(read_fields(
      "SWARNING\0Mcanceling wait for synchronous replication due to user request\0\0"s)));
  EXPECT_TRUE(is_cancelled_sync_wait(read_fields(
      "SWARNING\0C57P01\0Mcanceling the wait for synchronous replication and terminating "
      "connection\0\0"s)));
  EXPECT_FALSE(is_cancelled_sync_wait(read_fields("SWARNING\0C01000\0Mhello\0RDoCopy\0\0"s)));
  EXPECT_FALSE(is_cancelled_sync_wait(read_fields(
      "SWARNING\0Mcanceling wait for synchronous replication, I say\0Rexec_stmt_raise\0\0"s)));
}

TEST(Messages, TheRefusalOfAStandbyIsKnown) {
  EXPECT_TRUE(is_refusal_of_a_standby(read_fields("VERROR\0C25006\0Mx\0\0"s)));
  EXPECT_TRUE(is_refusal_of_a_standby(
      read_fields("C0A000\0Mcannot set transaction read-write mode during recovery\0\0"s)));
  EXPECT_FALSE(is_refusal_of_a_standby(read_fields("C0A000\0Mcached plan must not change\0\0"s)));
}

TEST(Messages, TagsSayWhatACommandMayHaveLeftBehind) {
  const std::vector<std::pair<std::string_view, CommandKind>> cases{
      {"SELECT 5", CommandKind::read},
      {"INSERT 0 1", CommandKind::write},
      {"COMMIT", CommandKind::commit},
      {"COMMIT PREPARED", CommandKind::prepared},
      {"ROLLBACK", CommandKind::rollback},
      {"ROLLBACK PREPARED", CommandKind::prepared},
      {"PREPARE TRANSACTION", CommandKind::prepared},
      {"PREPARE", CommandKind::prepare},
      {"DEALLOCATE", CommandKind::deallocate},
      {"DEALLOCATE ALL", CommandKind::deallocate_all},
      {"DISCARD ALL", CommandKind::discard_all},
      {"DISCARD TEMP", CommandKind::write},
      {"SET", CommandKind::set},
      {"SET CONSTRAINTS", CommandKind::set},
      {"SETTLE", CommandKind::write},
      {"DO", CommandKind::call},
      {"DOMAIN", CommandKind::write},
      {"", CommandKind::write},
  };
  for (const auto& [tag, kind] : cases) EXPECT_EQ(command_kind(tag), kind) << tag;
}

TEST(Messages, ATextEndsAtItsFirstZeroByte) {
  const Error error(ErrorCode::internal, "half\0SFATAL"s);
  const std::string body =
      to_client('E', [&](std::string& to) { write_error(to, Severity::error, "XX000", error); });
  EXPECT_EQ(read_fields(body).message, "half");
  EXPECT_TRUE(read_fields(body).whole);
}

TEST(Messages, WhatIsMalformedIsNothing) {
  EXPECT_FALSE(read_parse("s\0select"s));
  EXPECT_FALSE(read_parse("s\0select\0\0\2\0\0\0\1"s)) << "claims two types";
  EXPECT_FALSE(read_parse("s\0select\0\0\0x"s)) << "something follows";
  EXPECT_FALSE(read_bind("portal only"));
  EXPECT_FALSE(read_target("Xname\0"s));
  EXPECT_FALSE(read_target("Sname"s));
  EXPECT_FALSE(read_execute("p\0\0\0"s));
  EXPECT_FALSE(read_query("a\0b\0"s)) << "a zero byte inside";
  EXPECT_FALSE(read_backend_key("\0\0\0\1abc"s));
  EXPECT_FALSE(read_auth("\0\0"s));
}

}  // namespace
}  // namespace evergres::proxy
