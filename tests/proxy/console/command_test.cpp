#include "proxy/console/command.hpp"

#include <gtest/gtest.h>

namespace evergres::proxy {
namespace {

Command parsed(std::string_view text) {
  const auto result = parse_command(text);
  if (const auto* refusal = std::get_if<Refusal>(&result); refusal != nullptr) {
    ADD_FAILURE() << text << ": " << refusal->error.for_people();
    return {};
  }
  return std::get<Command>(result);
}

/// "42601 message | hint"
std::string refused(std::string_view text) {
  const auto result = parse_command(text);
  const auto* refusal = std::get_if<Refusal>(&result);
  if (refusal == nullptr) return "accepted";
  return std::string(refusal->sqlstate) + " " + refusal->error.message() + " | " +
         refusal->error.hint();
}

TEST(ConsoleCommand, EveryShowIsUnderstoodInAnyCase) {
  for (const auto& entry : words(static_cast<const Show*>(nullptr))) {
    std::string capitals(entry.word);
    for (char& c : capitals) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    for (const std::string& text :
         {"show " + std::string(entry.word), "SHOW\t" + capitals + " ;\n",
          "/* now */ Show " + capitals + ";; -- please", "select " + std::string(entry.word)}) {
      const Command command = parsed(text);
      EXPECT_EQ(command.verb, Verb::show) << text;
      EXPECT_EQ(command.show, entry.value) << text;
      EXPECT_FALSE(command.changes());
    }
  }
}

TEST(ConsoleCommand, DatabasesAreNamedAsTheyAreWritten) {
  for (const auto& [word, verb] : {std::pair{"pause", Verb::pause},
                                   {"resume", Verb::resume},
                                   {"reconnect", Verb::reconnect},
                                   {"kill", Verb::kill},
                                   {"wait_close", Verb::wait_close}}) {
    EXPECT_EQ(parsed(word).verb, verb);
    EXPECT_EQ(parsed(word).database, std::nullopt);
    EXPECT_TRUE(parsed(word).changes());
    EXPECT_EQ(parsed(std::string(word) + " App").database, "App");
  }
  EXPECT_EQ(parsed("DISABLE app;").verb, Verb::disable);
  EXPECT_EQ(parsed("ENABLE \"my \"\"app\"\"\"").database, "my \"app\"");
  EXPECT_EQ(parsed("pause my-app.v2").database, "my-app.v2");
  EXPECT_EQ(parsed("pause 2nd").database, "2nd");
  EXPECT_EQ(refused("DISABLE"),
            "42601 DISABLE needs the name of a database | SHOW DATABASES lists them; write DISABLE "
            "name.");
  EXPECT_EQ(refused("PAUSE a b").substr(0, 42), "42601 PAUSE takes the name of one database");
  EXPECT_EQ(refused("PAUSE \"\"").substr(0, 42), "42601 PAUSE takes the name of one database");
  EXPECT_EQ(refused("KILL pgbouncer"),
            "0A000 KILL does not work on the console itself | SHOW DATABASES lists the databases.");
}

TEST(ConsoleCommand, TheOthersHaveTheirArguments) {
  EXPECT_EQ(parsed("KILL_CLIENT 1234").client, 1234U);
  EXPECT_EQ(parsed("kill_client '7';").client, 7U);
  for (const char* text : {"KILL_CLIENT", "KILL_CLIENT x", "KILL_CLIENT 1 2", "KILL_CLIENT 1x",
                           "KILL_CLIENT -1", "KILL_CLIENT 18446744073709551616"}) {
    EXPECT_EQ(refused(text).substr(0, 47), "42601 KILL_CLIENT needs the number of a client ")
        << text;
  }
  EXPECT_EQ(parsed("SHUTDOWN").shutdown, Shutdown::at_once);
  EXPECT_EQ(parsed("shutdown wait_for_servers").shutdown, Shutdown::wait_for_servers);
  EXPECT_EQ(parsed("SHUTDOWN WAIT_FOR_CLIENTS").shutdown, Shutdown::wait_for_clients);
  EXPECT_NE(refused("SHUTDOWN now"), "accepted");
  EXPECT_EQ(parsed("RELOAD").verb, Verb::reload);
  EXPECT_NE(refused("RELOAD app"), "accepted");
  EXPECT_NE(refused("SHOW POOLS WHERE x"), "accepted");
}

TEST(ConsoleCommand, SetHasANameAndAValue) {
  const Command plain = parsed("SET Default_Pool_Size = 20");
  EXPECT_EQ(plain.verb, Verb::set);
  EXPECT_EQ(plain.key, "default_pool_size");
  EXPECT_EQ(plain.value, "20");
  EXPECT_TRUE(plain.changes());
  EXPECT_EQ(parsed("set query_timeout='1''s'").value, "1's");
  EXPECT_EQ(parsed("set query_timeout to 15s;").value, "15s");
  EXPECT_EQ(parsed("set x = a, b").value, "a, b");
  EXPECT_NE(refused("SET"), "accepted");
  EXPECT_NE(refused("SET x"), "accepted");
  EXPECT_NE(refused("SET x ="), "accepted");
  EXPECT_NE(refused("SET x 1 2"), "accepted");
}

TEST(ConsoleCommand, DriversSayWhatTheyAlwaysSay) {
  for (const char* text :
       {"SET extra_float_digits = 3", "SET application_name = 'PostgreSQL JDBC Driver'",
        "SET DATESTYLE TO 'ISO'", "set client_encoding to 'UTF8'", "SET NAMES 'utf8'",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SET TIME ZONE 'UTC'",
        "SET LOCAL statement_timeout = 0", "RESET ALL", "DISCARD ALL", "DEALLOCATE ALL",
        "UNLISTEN *"}) {
    EXPECT_EQ(parsed(text).verb, Verb::ignored) << text;
    EXPECT_FALSE(parsed(text).changes()) << text;
  }
  EXPECT_EQ(parsed("SELECT 1").value, "1");
  EXPECT_EQ(parsed("select version()").key, "version");
  EXPECT_EQ(parsed("select pg_catalog.version()").key, "version");
  EXPECT_EQ(parsed("SHOW client_encoding").value, "UTF8");
  EXPECT_EQ(parsed("SHOW TRANSACTION ISOLATION LEVEL").value, "read committed");
  EXPECT_EQ(parsed("BEGIN READ ONLY").verb, Verb::begin);
  EXPECT_EQ(parsed("START TRANSACTION ISOLATION LEVEL SERIALIZABLE").verb, Verb::begin);
  EXPECT_EQ(parsed("COMMIT").verb, Verb::commit);
  EXPECT_EQ(parsed("ABORT").verb, Verb::rollback);
  for (const char* text : {"", ";", " ; ;", "-- ping", "/* sqlalchemy */"}) {
    EXPECT_EQ(parsed(text).verb, Verb::nothing) << text;
  }
}

TEST(ConsoleCommand, TypingErrorsAreAnsweredWithWhatWasMeant) {
  EXPECT_EQ(refused("SHOW POOL"),
            "42601 the console has nothing to show under \"POOL\" | Did you mean SHOW POOLS?");
  EXPECT_EQ(refused("show severs"),
            "42601 the console has nothing to show under \"severs\" | Did you mean SHOW SERVERS?");
  EXPECT_EQ(refused("RESUM app"),
            "42601 the console has no command \"RESUM\" | Did you mean RESUME?");
  EXPECT_EQ(refused("SHOW quux"),
            "42601 the console has nothing to show under \"quux\" | SHOW HELP lists what there "
            "is.");
  EXPECT_EQ(refused("SHOW"),
            "42601 SHOW needs to know what to show | For example SHOW POOLS; SHOW HELP lists what "
            "there is.");
  EXPECT_EQ(refused("UPDATE accounts SET x = 1"),
            "42601 the console has no command \"UPDATE\" | SHOW HELP lists the commands of this "
            "console. For SQL connect to another database.");
  EXPECT_EQ(refused("select * from pools"),
            "42601 the console executes no SQL | Connect to another database for SQL; SHOW HELP "
            "lists the commands of the console.");
}

TEST(ConsoleCommand, OneStatementAtATime) {
  for (const char* text : {"PAUSE; RESUME", "SELECT 1; KILL", "BEGIN; SHUTDOWN; COMMIT",
                           "SHOW POOLS;/* */;SHOW POOLS"}) {
    EXPECT_EQ(refused(text),
              "42601 the console takes one statement at a time | Send them one by one.")
        << text;
  }
  EXPECT_EQ(parsed("PAUSE \"a;b\"").database, "a;b");
}

TEST(ConsoleCommand, WhatIsNotOfferedSaysWhy) {
  EXPECT_EQ(refused("SUSPEND"),
            "0A000 SUSPEND is not offered | PAUSE stops traffic; SHUTDOWN WAIT_FOR_CLIENTS ends "
            "the process gently.");
  EXPECT_EQ(refused("KILL \"app").substr(0, 5), "42601");
  EXPECT_EQ(refused("SHOW /* pools").substr(0, 5), "42601");
  EXPECT_EQ(refused(std::string(9000, ' ') + "SHOW POOLS").substr(0, 5), "54000");
  std::string many = "KILL";
  for (int i = 0; i < 100; ++i) many += " a";
  EXPECT_EQ(refused(many).substr(0, 5), "42601");
  // A message is not cut inside a letter.
  const std::string strange = refused("\xc3\xa9" + std::string(37, 'a') + "\xc3\xa9\xc3\xa9");
  EXPECT_NE(strange.find("aaa...\""), std::string::npos) << strange;
  EXPECT_EQ(strange.find("\xc3..."), std::string::npos) << strange;
}

}  // namespace
}  // namespace evergres::proxy
