#include "proxy/console/console_session.hpp"

#include <gtest/gtest.h>

#include "proxy/console/values.hpp"
#include "proxy/wire/backend.hpp"
#include "proxy/wire/frontend.hpp"
#include "proxy/wire/writer.hpp"

namespace evergres::proxy {
namespace {

using namespace std::string_literals;

/// What came back, one word per message: "T D C=SHOW Z=I", errors with their code.
std::string summary(std::string_view bytes) {
  Walker walker(Side::backend, Phase::session);
  std::string text;
  while (!bytes.empty()) {
    const Frame frame = walker.next(bytes);
    if (frame.kind != FrameKind::whole) return text + " BROKEN";
    text += (text.empty() ? "" : " ") + std::string(1, frame.type);
    if (frame.type == 'C') text += "=" + std::string(*read_command_complete(frame.payload()));
    if (frame.type == 'Z') text += "=" + std::string(frame.payload());
    if (frame.type == 'E') text += "=" + std::string(read_fields(frame.payload()).code);
  }
  return text;
}

/// A client that sends messages and a console that answers at once.
class Client {
 public:
  explicit Client(Role role = Role::admin) : session(role) {
    snapshot.version = "0.4.0";
    snapshot.all.pools.resize(3);
    snapshot.all.pools[0].database = "app";
  }

  std::string send(const std::string& messages) {
    Walker walker(Side::frontend, Phase::session);
    std::string_view input = messages;
    std::string answer;
    while (!input.empty()) {
      const Frame frame = walker.next(input);
      const ConsoleStep step = session.take(frame, answer);
      if (step == ConsoleStep::closes) {
        closed = true;
        break;
      }
      if (step != ConsoleStep::asks) continue;
      EXPECT_TRUE(session.busy());
      asked.push_back(session.asked());
      if (session.asked().verb == Verb::show) {
        session.shown(snapshot, answer);
      } else {
        session.done(answer);
      }
      EXPECT_FALSE(session.busy());
    }
    bytes = answer;
    return summary(answer);
  }

  std::string query(std::string_view sql) {
    std::string message;
    write_query(message, sql);
    return send(message);
  }

  ConsoleSession session;
  Snapshot snapshot;
  std::vector<Command> asked;
  std::string bytes;
  bool closed = false;
};

struct Messages {
  std::string text;
  Messages& parse(std::string_view name, std::string_view sql) {
    write_parse(text, name, sql);
    return *this;
  }
  Messages& bind(std::string_view portal, std::string_view name, std::string_view formats = {}) {
    Message message(text, 'B');
    message.text(portal).text(name).u16(0).u16(0).u16(
        static_cast<std::uint16_t>(formats.size()));
    for (const char c : formats) message.u16(c == 'b' ? 1 : 0);
    return *this;
  }
  Messages& describe(Target target, std::string_view name) {
    write_describe(text, target, name);
    return *this;
  }
  Messages& execute(std::string_view portal, std::int32_t rows = 0) {
    write_execute(text, portal, rows);
    return *this;
  }
  Messages& sync() {
    write_sync(text);
    return *this;
  }
};

/// The types in the first RowDescription, "name:oid/size/format".
std::vector<std::string> described(std::string_view bytes) {
  Walker walker(Side::backend, Phase::session);
  std::vector<std::string> columns;
  while (!bytes.empty() && columns.empty()) {
    const Frame frame = walker.next(bytes);
    if (frame.type != 'T') continue;
    Reader reader(frame.payload());
    for (std::size_t left = reader.u16(); left > 0; --left) {
      std::string column(reader.text());
      reader.take(6);
      column += ":" + std::to_string(reader.u32());
      column += "/" + std::to_string(static_cast<std::int16_t>(reader.u16()));
      reader.take(4);
      column += "/" + std::to_string(reader.u16());
      columns.push_back(column);
    }
    EXPECT_TRUE(reader.done());
  }
  return columns;
}

/// The values of the first DataRow.
std::vector<std::string> first_row(std::string_view bytes) {
  Walker walker(Side::backend, Phase::session);
  std::vector<std::string> values;
  while (!bytes.empty()) {
    const Frame frame = walker.next(bytes);
    if (frame.type != 'D') continue;
    Reader reader(frame.payload());
    for (std::size_t left = reader.u16(); left > 0; --left) {
      const std::int32_t length = reader.i32();
      values.emplace_back(length < 0 ? "NULL"
                                     : std::string(reader.take(static_cast<std::size_t>(length))));
    }
    EXPECT_TRUE(reader.done());
    break;
  }
  return values;
}

TEST(ConsoleSession, AShowIsAskedForAndAnswered) {
  Client client(Role::observer);
  EXPECT_EQ(client.query("SHOW POOLS;"), "T D D D C=SHOW Z=I");
  ASSERT_EQ(client.asked.size(), 1U);
  EXPECT_EQ(client.asked[0].show, Show::pools);
  EXPECT_EQ(first_row(client.bytes).front(), "app");
  EXPECT_EQ(client.query("SHOW DNS_HOSTS"), "T C=SHOW Z=I");
  EXPECT_EQ(client.query("SHOW VERSION"), "T D C=SHOW Z=I");
  EXPECT_EQ(first_row(client.bytes), std::vector{"PgBouncer 1.25.0 (Evergres 0.4.0)"s});
}

TEST(ConsoleSession, ColumnsHavePgBouncersTypes) {
  Client client;
  client.query("SHOW LISTS");
  EXPECT_EQ(described(client.bytes), (std::vector{"list:25/-1/0"s, "items:23/4/0"s}));
  client.query("SHOW DNS_ZONES");
  EXPECT_EQ(described(client.bytes),
            (std::vector{"zonename:25/-1/0"s, "serial:20/8/0"s, "count:23/4/0"s}));
  client.query("SHOW TOTALS");
  EXPECT_EQ(described(client.bytes), (std::vector{"name:25/-1/0"s, "value:1700/-1/0"s}));
  client.query("SHOW FDS");
  EXPECT_EQ(described(client.bytes).back(), "scram_server_key:17/-1/0");
}

TEST(ConsoleSession, AdminsChangeThings) {
  Client client;
  EXPECT_EQ(client.query("PAUSE app"), "C=PAUSE Z=I");
  EXPECT_EQ(client.query("KILL_CLIENT 12"), "C=KILL_CLIENT Z=I");
  EXPECT_EQ(client.query("shutdown wait_for_clients"), "C=SHUTDOWN Z=I");
  ASSERT_EQ(client.asked.size(), 3U);
  EXPECT_EQ(client.asked[0].database, "app");
  EXPECT_EQ(client.asked[1].client, 12U);
  EXPECT_EQ(client.asked[2].shutdown, Shutdown::wait_for_clients);
}

TEST(ConsoleSession, ObserversAndTheUnnamedChangeNothing) {
  for (const Role role : {Role::observer, Role::none}) {
    Client client(role);
    for (const char* text :
         {"PAUSE", "RESUME app", "DISABLE app", "ENABLE app", "RECONNECT", "KILL app",
          "KILL_CLIENT 12", "RELOAD", "WAIT_CLOSE", "SHUTDOWN", "SET x = 1"}) {
      EXPECT_EQ(client.query(text), "E=42501 Z=I") << text;
    }
    Messages through_a_portal;
    through_a_portal.parse("", "KILL").bind("", "").execute("").sync();
    EXPECT_EQ(client.send(through_a_portal.text), "1 2 E=42501 Z=I");
    EXPECT_TRUE(client.asked.empty());
  }
}

TEST(ConsoleSession, RolesAreThoseOfTheConfigurationAndNobodysByDefault) {
  Configuration configuration;
  EXPECT_EQ(role_of("postgres", configuration), Role::none);
  EXPECT_EQ(role_of("", configuration), Role::none);
  configuration.admins = {"dba"};
  configuration.observers = {"metrics", "dba"};
  EXPECT_EQ(role_of("dba", configuration), Role::admin);
  EXPECT_EQ(role_of("metrics", configuration), Role::observer);
  EXPECT_EQ(role_of("DBA", configuration), Role::none);
  EXPECT_EQ(console_refused("eve").sqlstate, "42501");
  EXPECT_FALSE(console_refused("eve").error.hint().empty());
}

TEST(ConsoleSession, WhatCouldNotBeDoneIsToldAndTheSessionGoesOn) {
  Client client;
  std::string message;
  write_query(message, "RESUME app");
  Walker walker(Side::frontend, Phase::session);
  std::string_view input = message;
  std::string answer;
  ASSERT_EQ(client.session.take(walker.next(input), answer), ConsoleStep::asks);
  EXPECT_TRUE(answer.empty());
  client.session.refused(
      {"55000", Error(ErrorCode::refused, "app is not paused", "", "SHOW DATABASES says which.")},
      answer);
  EXPECT_EQ(summary(answer), "E=55000 Z=I");
  EXPECT_EQ(client.query("SHOW STATE"), "T D D D C=SHOW Z=I");
}

TEST(ConsoleSession, WhatDriversSayIsAnswered) {
  Client client(Role::observer);
  EXPECT_EQ(client.query("SET extra_float_digits = 3"), "N C=SET Z=I");
  EXPECT_EQ(client.query(";"), "I Z=I");
  EXPECT_EQ(client.query("-- ping"), "I Z=I");
  EXPECT_EQ(client.query("SELECT 1"), "T D C=SELECT 1 Z=I");
  EXPECT_EQ(described(client.bytes), std::vector{"?column?:23/4/0"s});
  EXPECT_EQ(client.query("BEGIN"), "C=BEGIN Z=T");
  EXPECT_EQ(client.query("SHOW POOL"), "E=42601 Z=T");
  EXPECT_EQ(client.query("COMMIT"), "C=COMMIT Z=I");
  EXPECT_EQ(client.query("SHOW HELP"), "N C=SHOW Z=I");
  EXPECT_EQ(client.query("PAUSE; RESUME"), "E=42601 Z=I");
  EXPECT_TRUE(client.asked.empty());
}

TEST(ConsoleSession, TheExtendedProtocolIsSpoken) {
  Client client;
  Messages jdbc;
  jdbc.parse("", "SHOW POOLS").bind("", "").describe(Target::portal, "").execute("").sync();
  EXPECT_EQ(client.send(jdbc.text), "1 2 T D D D C=SHOW Z=I");
  Messages pgx;
  pgx.parse("s1", "show lists").describe(Target::statement, "s1").sync();
  EXPECT_EQ(client.send(pgx.text), "1 t T Z=I");
  Messages again;
  again.bind("", "s1", "b").describe(Target::portal, "").execute("").sync();
  EXPECT_EQ(client.send(again.text).substr(0, 8), "2 T D D ");
  EXPECT_EQ(described(client.bytes), (std::vector{"list:25/-1/1"s, "items:23/4/1"s}));
  EXPECT_EQ(first_row(client.bytes), (std::vector{"databases"s, "\0\0\0\0"s}));
  Messages change;
  change.parse("", "PAUSE").describe(Target::statement, "").bind("", "").execute("", 1).sync();
  EXPECT_EQ(client.send(change.text), "1 t n 2 C=PAUSE Z=I");
  Messages nothing;
  nothing.parse("", "").bind("", "").execute("").sync();
  EXPECT_EQ(client.send(nothing.text), "1 2 I Z=I");
}

TEST(ConsoleSession, RowsComeInPortionsWhereThatIsAskedFor) {
  Client client;
  Messages messages;
  messages.parse("", "SHOW POOLS").bind("p", "").execute("p", 2).execute("p", 2).execute("p");
  EXPECT_EQ(client.send(messages.sync().text), "1 2 D D s D C=SHOW C=SHOW Z=I");
  EXPECT_EQ(client.asked.size(), 1U);
}

TEST(ConsoleSession, NoPortalChangesThingsTwice) {
  Client client;
  Messages messages;
  messages.parse("", "KILL app").bind("", "").execute("").execute("").sync();
  EXPECT_EQ(client.send(messages.text), "1 2 C=KILL E=55000 Z=I");
  EXPECT_EQ(client.asked.size(), 1U);
}

TEST(ConsoleSession, AfterAnErrorEverythingIsSkippedToTheNextSync) {
  Client client;
  Messages messages;
  messages.parse("", "SHUTDOWN later").bind("", "").execute("");
  write_query(messages.text, "SHUTDOWN");
  EXPECT_EQ(client.send(messages.sync().text), "E=42601 Z=I");
  EXPECT_TRUE(client.asked.empty());
  for (const auto& [bad, code] :
       {std::pair{Messages().bind("", "gone"), "26000"},
        {Messages().execute("gone"), "34000"},
        {Messages().describe(Target::portal, "gone"), "34000"},
        {Messages().describe(Target::statement, "gone"), "26000"},
        {Messages().parse("a", "KILL").parse("a", "KILL"), "42P05"},
        {Messages().parse("", "KILL").bind("p", "").bind("p", ""), "42P03"},
        {Messages().parse("", "SHOW LISTS").bind("", "", "bbb"), "08P01"}}) {
    Messages with_sync = bad;
    const std::string told = client.send(with_sync.sync().text);
    EXPECT_TRUE(told.ends_with("E=" + std::string(code) + " Z=I")) << told;
  }
}

TEST(ConsoleSession, WhatItKeepsIsBounded) {
  Client client;
  Messages messages;
  for (int i = 0; i <= 100; ++i) messages.parse("s" + std::to_string(i), "SHOW POOLS");
  EXPECT_TRUE(client.send(messages.sync().text).ends_with("1 E=54000 Z=I"));
  Messages name;
  name.parse(std::string(200, 'n'), "SHOW POOLS").sync();
  EXPECT_EQ(Client().send(name.text), "E=54000 Z=I");
  Messages portals;
  portals.parse("", "SHOW POOLS");
  for (int i = 0; i <= 100; ++i) portals.bind("p" + std::to_string(i), "");
  EXPECT_TRUE(Client().send(portals.sync().text).ends_with("2 E=54000 Z=I"));
}

TEST(ConsoleSession, MessagesThatDoNotComeWholeAreRefused) {
  Client client;
  EXPECT_EQ(client.query("KILL \"" + std::string(3U << 20U, 'a') + "\""), "E=54000 Z=I");
  EXPECT_EQ(client.query("SHOW POOLS"), "T D D D C=SHOW Z=I");
}

TEST(ConsoleSession, EndsWhereTheClientEndsOrBreaksTheProtocol) {
  Client client;
  std::string bye;
  write_terminate(bye);
  EXPECT_EQ(client.send(bye), "");
  EXPECT_TRUE(client.closed);
  Client broken;
  std::string no_end;
  Message(no_end, 'Q').bytes("KILL");
  EXPECT_EQ(broken.send(no_end), "E=08P01");
  EXPECT_TRUE(broken.closed);
}

TEST(ConsoleValues, NumbersAreSentAsTheTypesSendThem) {
  EXPECT_EQ(binary_value(ColumnType::int4, "258"), "\0\0\1\2"s);
  EXPECT_EQ(binary_value(ColumnType::int8, "258"), "\0\0\0\0\0\0\1\2"s);
  EXPECT_EQ(binary_value(ColumnType::text, "258"), "258");
  EXPECT_EQ(binary_value(ColumnType::numeric, "0"), "\0\0\0\0\0\0\0\0"s);
  // numeric_send() of PostgreSQL 15.
  EXPECT_EQ(binary_value(ColumnType::numeric, "12345678"), "\0\2\0\1\0\0\0\0\x04\xd2\x16\x2e"s);
  EXPECT_EQ(binary_value(ColumnType::numeric, "20000"), "\0\1\0\1\0\0\0\0\0\2"s);
}

}  // namespace
}  // namespace evergres::proxy
