#include <gtest/gtest.h>

#include <deque>
#include <set>
#include <utility>

#include "proxy/dice.hpp"
#include "proxy/pool/reset.hpp"
#include "proxy/pool/settings.hpp"
#include "proxy/pool/statements.hpp"
#include "proxy/wire/frontend.hpp"
#include "proxy/wire/walker.hpp"

namespace evergres::proxy {
namespace {

using namespace std::string_literals;
using Put = ClientStatements::Put;

const std::string chance = "0123456789abcdef";

TEST(Statements, ClientsShareWhatIsTheSame) {
  StatementCatalog catalog(1'000'000, chance);
  ClientStatements one(catalog, 10, 10'000);
  ClientStatements two(catalog, 10, 10'000);
  EXPECT_EQ(one.put("a", "select 1", "", ""), Put::stored);
  EXPECT_EQ(two.put("b", "select 1", "", ""), Put::stored);
  EXPECT_EQ(two.put("c", "select 1", "\0\0\0\x17"s, ""), Put::stored);
  EXPECT_EQ(two.put("d", "select 1", "", "other search_path"), Put::stored);
  EXPECT_EQ(one.find("a"), two.find("b"));
  EXPECT_NE(two.find("b"), two.find("c")) << "other types";
  EXPECT_NE(two.find("b"), two.find("d")) << "another bucket";
  EXPECT_EQ(catalog.size(), 3U);
  EXPECT_FALSE(one.find("b"));
}

TEST(Statements, ANameIsClosedBeforeItIsUsedAgainAndTheUnnamedIsReplaced) {
  StatementCatalog catalog(1'000'000, chance);
  ClientStatements client(catalog, 10, 10'000);
  EXPECT_EQ(client.put("a", "select 1", "", ""), Put::stored);
  EXPECT_EQ(client.put("a", "select 2", "", ""), Put::exists);
  EXPECT_EQ(catalog.at(*client.find("a")).sql, "select 1");
  client.close("a");
  client.close("a");
  EXPECT_EQ(client.put("a", "select 2", "", ""), Put::stored);
  EXPECT_EQ(client.put("", "select 3", "", ""), Put::stored);
  EXPECT_EQ(client.put("", "select 4", "", ""), Put::stored);
  EXPECT_EQ(catalog.at(*client.find("")).sql, "select 4");
}

TEST(Statements, AClientIsBoundedInNamesAndBytes) {
  StatementCatalog catalog(1'000'000, chance);
  ClientStatements client(catalog, 2, 20);
  EXPECT_EQ(client.put("a", std::string(15, 'x'), "", ""), Put::stored);
  EXPECT_EQ(client.put("b", std::string(15, 'y'), "", ""), Put::full) << "bytes";
  EXPECT_EQ(client.put("b", "y", "", ""), Put::stored);
  EXPECT_EQ(client.put("c", "z", "", ""), Put::full) << "names";
  client.close("a");
  EXPECT_EQ(client.put("c", std::string(18, 'z'), "", ""), Put::full) << "names count";
  EXPECT_EQ(client.put("c", std::string(17, 'z'), "", ""), Put::stored);
  ClientStatements large(catalog, 2, 100'000);
  const std::string name(ClientStatements::name_most, 'n');
  EXPECT_EQ(large.put(name + "n", "x", "", ""), Put::full) << "no Bind could name it";
  EXPECT_EQ(large.put(name, "x", "", ""), Put::stored);
  EXPECT_EQ(large.size(), 1U);
}

TEST(Statements, WhatNobodyNeedsIsKeptUpToABoundAndNamesAreNeverUsedAgain) {
  StatementCatalog catalog(100, chance);
  std::set<std::string> names;
  for (int i = 0; i < 50; ++i) {
    ClientStatements client(catalog, 10, 10'000);
    client.put("s", "select " + std::to_string(i), "", "");
    EXPECT_TRUE(names.insert(catalog.server_name(*client.find("s"))).second);
    EXPECT_LE(catalog.bytes(), 100U);
  }
  EXPECT_GT(catalog.size(), 1U);
  ClientStatements again(catalog, 10, 10'000);
  again.put("s", "select 49", "", "");
  EXPECT_EQ(catalog.server_name(*again.find("s")), "evergres_" + chance + "_50") << "it was kept";
  ClientStatements large(catalog, 10, 10'000);
  large.put("s", std::string(5'000, 'x'), "", "");
  EXPECT_EQ(catalog.at(*large.find("s")).sql.size(), 5'000U) << "needed, whatever its size";
}

TEST(Statements, TheirNamesOnServersCannotBeGuessedAndAreNotCut) {
  StatementCatalog one(100, chance);
  StatementCatalog two(100, std::string(32, 'x'));
  EXPECT_NE(one.server_name(1), two.server_name(1));
  EXPECT_NE(one.server_name(1).find(chance), std::string::npos);
  EXPECT_LT(two.server_name(UINT64_MAX).size(), 63U);
}

/// As if its Parse had been answered at once.
ServerStatements::Use use_and_parse(ServerStatements& server, StatementId id) {
  const ServerStatements::Use use = server.use(id);
  if (use.parse) server.parsed(id);
  return use;
}

TEST(Statements, AServerHoldsTheLastUsedAndParsesWhatItLacks) {
  ServerStatements server(2);
  EXPECT_TRUE(use_and_parse(server, 1).parse);
  EXPECT_TRUE(use_and_parse(server, 2).parse);
  EXPECT_FALSE(server.use(1).parse);
  const ServerStatements::Use third = server.use(3);
  EXPECT_TRUE(third.parse);
  EXPECT_EQ(third.close, 2U) << "the least recently used";
  EXPECT_FALSE(server.use(1).parse);
  server.parse_failed(3);
  EXPECT_TRUE(server.use(3).parse) << "a Parse that failed left nothing";
  server.clear();
  EXPECT_TRUE(server.use(1).parse) << "DISCARD ALL";
}

TEST(Statements, WhatIsInDoubtIsParsedAnewBehindASync) {
  ServerStatements server(2);
  EXPECT_TRUE(server.use(1).parse);
  EXPECT_FALSE(server.use(1).parse) << "what skips the Parse skips this too";
  server.segment_ends();
  const ServerStatements::Use again = server.use(1);
  EXPECT_TRUE(again.parse) << "the first Parse may fail";
  EXPECT_EQ(again.close, 1U) << "or not";
  server.parse_failed(1);
  server.parsed(1);
  server.segment_ends();
  EXPECT_FALSE(server.use(1).parse) << "the second did not fail";
}

TEST(Statements, ACloseThatTheServerSkippedIsSentAgain) {
  ServerStatements server(2);
  use_and_parse(server, 1);
  use_and_parse(server, 2);
  EXPECT_EQ(server.use(3).close, 1U);
  server.parse_failed(3);
  server.close_skipped(1);
  EXPECT_EQ(server.size(), 2U);
  EXPECT_FALSE(server.use(1).parse) << "it has it still";
}

/// PostgreSQL, and what is on its way to it: Close, Parse, Use, Sync.
struct Pipeline {
  ServerStatements known{5};
  std::set<StatementId> there;
  std::deque<std::pair<char, StatementId>> sent;
  bool skips = false;

  void use(StatementId id) {
    const ServerStatements::Use use = known.use(id);
    if (use.close) sent.emplace_back('C', *use.close);
    if (use.parse) sent.emplace_back('P', id);
    sent.emplace_back('U', id);
  }
  void sync() {
    sent.emplace_back('S', 0);
    known.segment_ends();
  }
  void read(bool fails) {
    const auto [type, id] = sent.front();
    sent.pop_front();
    if (type == 'S') skips = false;
    if (type == 'C' && skips) known.close_skipped(id);
    if (type == 'C' && !skips) {
      there.erase(id);
      known.closed(id);
    }
    if (type == 'U' && !skips) {
      ASSERT_TRUE(there.contains(id)) << "26000";
      skips = fails;
    }
    if (type != 'P') return;
    ASSERT_TRUE(skips || !there.contains(id)) << "42P05";
    skips = skips || fails;
    if (!skips) there.insert(id);
    skips ? known.parse_failed(id) : known.parsed(id);
  }
};

TEST(Statements, TheModelIsWhatTheServerHasWhateverFailsInAPipeline) {
  Dice dice(7);
  Pipeline line;
  int checked = 0;
  for (int i = 0; i < 50'000 && !HasFatalFailure(); ++i) {
    const std::size_t choice = dice.below(10);
    if (choice < 2) line.use(dice.below(12) + 1);
    if (choice == 2) line.sync();
    if (choice > 2 && !line.sent.empty()) line.read(dice.below(12) == 0);
    if (!line.sent.empty()) continue;
    ++checked;
    ASSERT_EQ(line.known.size(), line.there.size());
    ASSERT_LE(line.there.size(), 12U);
  }
  EXPECT_GT(checked, 1'000);
}

Settings settings(std::initializer_list<std::pair<const char*, const char*>> list) {
  Settings result;
  for (const auto& [name, value] : list) EXPECT_TRUE(result.note(name, value));
  return result;
}

TEST(Settings, WhatDiffersIsSetAgainTheEncodingFirst) {
  const Settings client = settings({{"TimeZone", "UTC"},
                                    {"client_encoding", "LATIN1"},
                                    {"application_name", "app"},
                                    {"server_version", "15.1"},
                                    {"in_hot_standby", "off"},
                                    {"search_path", "\"$user\", public"}});
  const Settings server = settings({{"timezone", "Europe/Berlin"},
                                    {"client_encoding", "UTF8"},
                                    {"application_name", "app"},
                                    {"server_version", "15.2"},
                                    {"in_hot_standby", "on"}});
  const Restoration what = restoration(client, server);
  EXPECT_FALSE(what.unfit);
  const std::vector<std::pair<std::string, std::string>> wanted{{"client_encoding", "LATIN1"},
                                                                {"TimeZone", "UTC"}};
  EXPECT_EQ(what.set, wanted) << "not what nobody can set, nor what the server does not report";
}

TEST(Settings, ASessionOfSomebodyElseIsUnfit) {
  const Settings client = settings({{"session_authorization", "app"}});
  EXPECT_TRUE(restoration(client, settings({{"session_authorization", "root"}})).unfit);
  EXPECT_FALSE(restoration(client, settings({{"session_authorization", "app"}})).unfit);
}

TEST(Settings, AReadOnlyFlagOfTheClientBeforeDoesNotReachTheNext) {
  const Settings client = settings({{"default_transaction_read_only", "off"}});
  const Settings leaked = settings({{"default_transaction_read_only", "on"}});
  ASSERT_EQ(restoration(client, leaked).set.size(), 1U);
}

TEST(Settings, AreRestoredInOneImplicitTransaction) {
  Restoration what;
  what.set = {{"search_path", "\"$user\", public"}, {"TimeZone", "UTC"}};
  std::string bytes;
  write_restoration(bytes, what);
  Walker walker(Side::frontend, Phase::session);
  std::string_view input = bytes;
  std::string types;
  while (!input.empty()) {
    const Frame frame = walker.next(input);
    ASSERT_EQ(frame.kind, FrameKind::whole);
    types += frame.type;
    if (frame.type == 'P') {
      EXPECT_EQ(read_parse(frame.payload())->sql, "SELECT pg_catalog.set_config($1, $2, false)");
    }
  }
  EXPECT_EQ(types, "PBEBES");
  std::string nothing;
  write_restoration(nothing, Restoration{});
  EXPECT_EQ(nothing, "");
}

TEST(Settings, AreBounded) {
  Settings many;
  for (std::size_t i = 0; i < Settings::most; ++i) {
    EXPECT_TRUE(many.note("a" + std::to_string(i), "x"));
  }
  EXPECT_FALSE(many.note("one_more", "x"));
  EXPECT_TRUE(many.note("A7", "y")) << "case does not count";
  EXPECT_EQ(*many.find("a7"), "y");
  Settings large;
  EXPECT_FALSE(large.note("a", std::string(Settings::bytes_most, 'x')));
  EXPECT_EQ(large.find("a"), nullptr);
  EXPECT_TRUE(large.note("a", std::string(Settings::bytes_most - 1, 'x')));
  EXPECT_TRUE(large.note("a", "short"));
  EXPECT_TRUE(large.note("b", std::string(1'000, 'x'))) << "what was replaced does not count";
}

TEST(Settings, AClientIsToldWhatChanged) {
  const auto different =
      changes(settings({{"TimeZone", "UTC"}, {"DateStyle", "ISO, MDY"}}),
              settings({{"TimeZone", "UTC"}, {"DateStyle", "SQL, DMY"}, {"x", "1"}}));
  const std::vector<std::pair<std::string, std::string>> wanted{{"DateStyle", "SQL, DMY"},
                                                                {"x", "1"}};
  EXPECT_EQ(different, wanted);
}

std::string text_of(const Reset& reset) {
  std::string text;
  for (const std::string_view statement : reset.statements) text += std::string(statement) + "; ";
  if (reset.forgets_statements) text += "forget";
  return reset.close ? "close" : text;
}

Traces traces(std::initializer_list<bool Traces::*> list) {
  Traces result;
  result.any = true;
  for (const auto trace : list) result.*trace = true;
  return result;
}

TEST(Reset, KnowsWhatChanged) {
  EXPECT_EQ(text_of(decide_reset(traces({}), ResetMode::smart)), "");
  EXPECT_EQ(text_of(decide_reset(traces({&Traces::settings, &Traces::role}), ResetMode::smart)),
            "SET SESSION AUTHORIZATION DEFAULT; RESET ALL; ");
  EXPECT_EQ(text_of(decide_reset(traces({&Traces::channels, &Traces::advisory_locks,
                                         &Traces::temporary, &Traces::cursors}),
                                 ResetMode::smart)),
            "CLOSE ALL; UNLISTEN *; SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD TEMP; ");
  EXPECT_EQ(text_of(decide_reset(traces({&Traces::prepared}), ResetMode::smart)),
            "DEALLOCATE ALL; forget");
  EXPECT_EQ(text_of(decide_reset(traces({&Traces::opaque}), ResetMode::smart)),
            "DISCARD ALL; forget");
  EXPECT_EQ(text_of(decide_reset(traces({}), ResetMode::always)), "DISCARD ALL; forget");
  EXPECT_EQ(text_of(decide_reset(Traces{}, ResetMode::always)), "");
}

TEST(Reset, ForeignRightsNeverReachTheNextClient) {
  for (const ResetMode mode : {ResetMode::always, ResetMode::smart, ResetMode::never}) {
    EXPECT_NE(text_of(decide_reset(traces({&Traces::role}), mode)), "");
    EXPECT_NE(text_of(decide_reset(traces({&Traces::opaque}), mode)), "") << "may hide a role";
    EXPECT_EQ(text_of(decide_reset(traces({&Traces::loaded}), mode)), "close");
  }
}

TEST(Reset, StatementsOfAClientNeverReachTheNext) {
  EXPECT_EQ(text_of(decide_reset(traces({&Traces::prepared}), ResetMode::never)),
            "DEALLOCATE ALL; forget");
  EXPECT_EQ(text_of(decide_reset(traces({&Traces::prepared, &Traces::role}), ResetMode::never)),
            "SET SESSION AUTHORIZATION DEFAULT; DEALLOCATE ALL; forget");
  EXPECT_EQ(text_of(decide_reset(traces({&Traces::settings}), ResetMode::never)), "");
}

TEST(Reset, EachTraceLeadsToSomething) {
  for (const auto trace : {&Traces::settings, &Traces::role, &Traces::temporary, &Traces::cursors,
                           &Traces::channels, &Traces::prepared, &Traces::advisory_locks,
                           &Traces::sequences, &Traces::opaque, &Traces::loaded}) {
    EXPECT_NE(text_of(decide_reset(traces({trace}), ResetMode::smart)), "");
    const Traces both = traces({trace}) | Traces{};
    EXPECT_TRUE(both.*trace && both.any);
  }
}

}  // namespace
}  // namespace evergres::proxy
