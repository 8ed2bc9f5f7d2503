#include "proxy/login/server_login.hpp"

#include <gtest/gtest.h>

#include <array>

#include "proxy/auth/scram_message.hpp"
#include "proxy/auth/scram_server.hpp"
#include "proxy/login/shown.hpp"
#include "proxy/login/wire.hpp"
#include "proxy/wire/writer.hpp"

namespace evergres::proxy {
namespace {

using namespace std::string_literals;
using test::messages;
using test::taken;

const std::string our_nonce(36, 'a');
const std::string their_nonce(24, 'b');

ScramSecret pencil() {
  static const ScramSecret secret = make_secret("pencil", "0123456789abcdef", 16);
  return secret;
}

ServerLoginPlan plan(std::variant<std::monostate, ScramPassword, ScramKeys> credential = {}) {
  ServerLoginPlan made;
  made.tls = ServerTls::disable;
  made.user = "app";
  made.database = "shop";
  made.settings = {{"application_name", "till"}};
  made.credential = std::move(credential);
  made.nonce = our_nonce;
  return made;
}

/// One login against what the tests make the server say.
struct Talk {
  explicit Talk(ServerLoginPlan how) : login(std::move(how)) { step = login.start(sent); }

  ServerStep& hear(const std::string& bytes) {
    kept += bytes;
    std::string_view rest = kept;
    step = login.feed(rest, sent);
    kept = std::string(rest);
    return step;
  }
  const ServerRefused& refused() const { return std::get<ServerRefused>(step); }

  /// SCRAM up to the server's last word, which the caller has it say; "" if it does not come to it.
  std::string prove(ScramServer& server, std::string_view mechanism = scram_plain) {
    std::string bytes;
    write_auth_sasl(bytes, {mechanism});
    taken(sent);
    hear(taken(bytes));
    const test::Sent answer = messages(taken(sent)).at(0);
    const auto initial = read_sasl_initial(answer.body);
    const auto first = server.begin(initial->mechanism, *initial->data);
    write_auth_sasl_continue(bytes, first.value());
    hear(taken(bytes));
    if (std::holds_alternative<ServerRefused>(step)) return {};
    const auto proven = server.finish(messages(taken(sent)).at(0).body);
    return proven ? proven.value().message : "";
  }

  ServerLogin login;
  ServerStep step;
  std::string sent;
  std::string kept;
};

std::string welcome() {
  std::string bytes;
  write_auth_ok(bytes);
  write_parameter(bytes, "server_version", "15.1");
  write_parameter(bytes, "in_hot_standby", "off");
  write_backend_key(bytes, 4711, "\1\2\3\4");
  write_ready(bytes, TransactionStatus::idle);
  return bytes;
}

std::string error(std::string_view sqlstate, std::string message, std::string detail = {}) {
  std::string bytes;
  write_error(bytes, Severity::fatal, sqlstate,
              Error(ErrorCode::internal, std::move(message), std::move(detail)));
  return bytes;
}

TEST(ServerLogin, ProvesItselfWithAPasswordAndCollectsWhatItNeeds) {
  Talk talk(plan(ScramPassword{"pencil"}));
  const StartupRead startup = read_startup(talk.sent);
  const auto& message = std::get<StartupMessage>(startup.packet);
  EXPECT_EQ(message.user + "@" + message.database, "app@shop");
  EXPECT_EQ(message.spoken, (ProtocolVersion{3, 0}));
  EXPECT_EQ(message.settings.at(0).second, "till");
  ScramServer server(pencil(), true, std::nullopt, their_nonce);
  std::string last;
  write_auth_sasl_final(last, talk.prove(server));
  talk.hear(last + welcome() + "N");
  const auto& ready = std::get<ServerReady>(talk.step);
  EXPECT_EQ(*ready.parameters.find("in_hot_standby"), "off");
  EXPECT_EQ(ready.pid, 4711);
  EXPECT_EQ(ready.key, "\1\2\3\4");
  EXPECT_EQ(talk.kept, "N") << "what follows belongs to the session";
}

TEST(ServerLogin, IsTheSameHoweverTheBytesAreCut) {
  Talk talk(plan(ScramPassword{"pencil"}));
  ScramServer server(pencil(), true, std::nullopt, their_nonce);
  std::string all;
  write_auth_sasl_final(all, talk.prove(server));
  all += welcome();
  for (const char c : all) {
    ASSERT_TRUE(std::holds_alternative<ServerLacks>(talk.step));
    talk.hear(std::string(1, c));
  }
  EXPECT_TRUE(std::holds_alternative<ServerReady>(talk.step));
}

TEST(ServerLogin, LearnedKeysOpenAServerAndStaleOnesAreTold) {
  ScramServer front(pencil(), true, std::nullopt, their_nonce);
  ScramClient client(ScramPassword{"pencil"}, scram_plain, std::nullopt, our_nonce);
  const auto answer = client.answer(front.begin(scram_plain, client.first()).value());
  const ScramKeys keys = front.finish(answer.value()).value().keys;

  Talk good(plan(keys));
  ScramServer same(pencil(), true, std::nullopt, their_nonce);
  std::string last;
  write_auth_sasl_final(last, good.prove(same));
  EXPECT_TRUE(std::holds_alternative<ServerReady>(good.hear(last + welcome())));

  Talk stale(plan(keys));
  ScramServer other(make_secret("pencil", "fedcba9876543210", 16), true, std::nullopt, their_nonce);
  stale.prove(other);
  EXPECT_EQ(stale.refused().problem, LoginProblem::wrong_credentials);
  EXPECT_EQ(stale.refused().sqlstate, "28P01");
  EXPECT_EQ(stale.refused().error.message(), "the server has another SCRAM secret");
}

TEST(ServerLogin, WithoutACredentialThereIsNothingToShow) {
  Talk talk(plan());
  std::string bytes;
  write_auth_sasl(bytes, {scram_plain});
  talk.hear(bytes);
  EXPECT_EQ(talk.refused().problem, LoginProblem::wrong_credentials);
  EXPECT_EQ(talk.refused().error.message(), "no password is known for the server");
}

TEST(ServerLogin, AServerThatAsksForNothingIsBelievedOnlyWhereThatWasSaid) {
  Talk suspicious(plan(ScramPassword{"pencil"}));
  suspicious.hear(welcome());
  EXPECT_EQ(suspicious.refused().problem, LoginProblem::other);
  EXPECT_EQ(suspicious.refused().error.message(), "the server let us in without a proof");
  ServerLoginPlan local = plan();
  local.without_proof = true;
  Talk trusting(std::move(local));
  EXPECT_TRUE(std::holds_alternative<ServerReady>(trusting.hear(welcome())));
}

TEST(ServerLogin, AnImpostorLearnsNothingAndIsNotBelieved) {
  for (const std::string& last : {"v="s + base64(std::string(32, 'x')), "e=no"s, "v="s}) {
    Talk talk(plan(ScramPassword{"pencil"}));
    ScramServer server(pencil(), true, std::nullopt, their_nonce);
    ASSERT_FALSE(talk.prove(server).empty());
    std::string bytes;
    write_auth_sasl_final(bytes, last);
    talk.hear(bytes + welcome());
    EXPECT_EQ(talk.refused().problem, LoginProblem::other) << last;
  }
  Talk early(plan(ScramPassword{"pencil"}));
  ScramServer server(pencil(), true, std::nullopt, their_nonce);
  early.prove(server);
  early.hear(welcome());
  EXPECT_EQ(early.refused().sqlstate, "08P01") << "it skipped its own proof";
}

TEST(ServerLogin, TlsIsAskedForAsThePolicySays) {
  ServerLoginPlan how = plan();
  how.tls = ServerTls::require;
  Talk refused(how);
  EXPECT_EQ(refused.sent.size(), 8U);
  refused.hear("N");
  EXPECT_EQ(refused.refused().error.message(), "the server has no TLS");

  how.tls = ServerTls::prefer;
  Talk clear(how);
  taken(clear.sent);
  clear.hear("N");
  EXPECT_TRUE(std::holds_alternative<ServerLacks>(clear.step));
  EXPECT_TRUE(std::holds_alternative<StartupMessage>(read_startup(clear.sent).packet));

  Talk encrypted(how);
  EXPECT_FALSE(std::get<ServerBeginTls>(encrypted.hear("S")).direct);
  taken(encrypted.sent);
  encrypted.step = encrypted.login.tls_established("hash", encrypted.sent);
  EXPECT_TRUE(std::holds_alternative<StartupMessage>(read_startup(encrypted.sent).packet));

  how.tls = ServerTls::direct;
  Talk direct(how);
  EXPECT_TRUE(std::get<ServerBeginTls>(direct.step).direct);
  EXPECT_TRUE(direct.sent.empty());
}

TEST(ServerLogin, NothingThatCameInTheClearSurvivesTheHandshake) {
  for (const std::string& injected : {"S"s + welcome(), "Nx"s}) {
    ServerLoginPlan how = plan();
    how.tls = ServerTls::prefer;
    how.without_proof = true;
    Talk talk(std::move(how));
    talk.hear(injected);
    EXPECT_EQ(talk.refused().sqlstate, "08P01");
  }
}

TEST(ServerLogin, AnErrorFromBeforeTlsIsNotRepeated) {
  ServerLoginPlan how = plan();
  how.tls = ServerTls::require;
  Talk talk(std::move(how));
  talk.hear(error("57P03", "visit example.org to unlock"));
  EXPECT_EQ(talk.refused().problem, LoginProblem::retry_later);
  EXPECT_EQ(talk.refused().error.for_people().find("example"), std::string::npos);
}

TEST(ServerLogin, InsideTlsTheChannelIsBound) {
  ServerLoginPlan how = plan(ScramPassword{"pencil"});
  how.tls = ServerTls::direct;
  Talk talk(std::move(how));
  talk.step = talk.login.tls_established("hash of the certificate", talk.sent);
  ScramServer server(pencil(), true, "hash of the certificate", their_nonce);
  EXPECT_FALSE(talk.prove(server, scram_plus).empty());
}

TEST(ServerLogin, RefusalsAreSortedByWhatCanBeDone) {
  const std::vector<std::pair<std::string, LoginProblem>> cases{
      {"57P03", LoginProblem::retry_later},
      {"57P01", LoginProblem::retry_later},
      {"53300", LoginProblem::retry_later},
      {"53200", LoginProblem::retry_later},
      {"28P01", LoginProblem::wrong_credentials},
      {"28000", LoginProblem::wrong_credentials},
      {"3D000", LoginProblem::no_such},
      {"42501", LoginProblem::no_such},
      {"57P04", LoginProblem::no_such},
      {"22023", LoginProblem::other},
      {"0A000", LoginProblem::other}};
  for (const auto& [sqlstate, problem] : cases) {
    Talk talk(plan());
    talk.hear(error(sqlstate, "no", "Because."));
    EXPECT_EQ(talk.refused().problem, problem) << sqlstate;
    EXPECT_EQ(talk.refused().sqlstate, sqlstate);
    EXPECT_EQ(talk.refused().error.one_line(), "no (Because.)");
  }
}

TEST(ServerLogin, AHostileErrorIsShortAndPrintable) {
  Talk talk(plan());
  talk.hear(error("28\x01$$", "\x1b[2J\r\n" + std::string(9000, 'x'), std::string(9000, '\xff')));
  EXPECT_EQ(talk.refused().sqlstate, "08004");
  EXPECT_EQ(talk.refused().error.message().substr(0, 7), "?[2J??x");
  EXPECT_EQ(talk.refused().error.message().size(), 500U);
  EXPECT_EQ(talk.refused().error.detail(), std::string(1000, '?'));
  Talk bare(plan());
  bare.hear("E\0\0\0\5\0"s);
  EXPECT_EQ(bare.refused().error.message(), "the server refused the login");
}

TEST(ServerLogin, SpeaksTheOlderVersionIfTheServerSaysSo) {
  ServerLoginPlan how = plan();
  how.newest = true;
  how.without_proof = true;
  Talk talk(how);
  EXPECT_EQ(std::get<StartupMessage>(read_startup(talk.sent).packet).spoken, newest_protocol);
  talk.hear("v\0\0\0\x0c\0\0\0\0\0\0\0\0"s + welcome());
  EXPECT_EQ(std::get<ServerReady>(talk.step).spoken, (ProtocolVersion{3, 0}));
  Talk forward(plan());
  forward.hear("v\0\0\0\x0c\0\0\0\2\0\0\0\0"s);
  EXPECT_EQ(forward.refused().sqlstate, "08P01");
}

ServerLoginPlan asking() {
  ServerLoginPlan how = plan();
  how.without_proof = true;
  how.asks_timeout = true;
  return how;
}

using Row = std::vector<std::optional<std::string_view>>;

std::string idle() {
  std::string bytes;
  write_ready(bytes, TransactionStatus::idle);
  return bytes;
}

/// The answer to SHOW, with these rows.
std::string answer_of(const std::vector<Row>& rows) {
  std::string bytes;
  write_row_description(bytes, std::array<std::string_view, 1>{"statement_timeout"});
  for (const Row& row : rows) write_data_row(bytes, row);
  write_command_complete(bytes, "SHOW");
  return bytes + idle();
}

std::string failure(std::string_view sqlstate, Severity severity) {
  std::string bytes;
  write_error(bytes, severity, sqlstate, Error(ErrorCode::internal, "no"));
  return bytes;
}

TEST(ServerLogin, AsksTheSessionForItsTimeoutWhereThatWasSaid) {
  Talk talk(asking());
  taken(talk.sent);
  talk.hear(welcome());
  ASSERT_TRUE(std::holds_alternative<ServerLacks>(talk.step));
  EXPECT_EQ(taken(talk.sent), "Q\0\0\0\x1bSHOW statement_timeout\0"s);
  std::string changed;
  write_parameter(changed, "in_hot_standby", "on");
  talk.hear(changed + answer_of({{"90s"}}) + "N");
  const auto& ready = std::get<ServerReady>(talk.step);
  EXPECT_EQ(ready.statement_timeout, "90s");
  EXPECT_EQ(ready.key, "\1\2\3\4");
  EXPECT_EQ(*ready.parameters.find("in_hot_standby"), "on");
  EXPECT_EQ(talk.kept, "N") << "what follows belongs to the session";
  EXPECT_TRUE(talk.sent.empty());
}

TEST(ServerLogin, TheTimeoutIsTheSameHoweverTheBytesAreCut) {
  const std::string answer = answer_of({{"1500ms"}});
  for (std::size_t cut = 0; cut < answer.size(); ++cut) {
    Talk talk(asking());
    talk.hear(welcome() + answer.substr(0, cut));
    ASSERT_TRUE(std::holds_alternative<ServerLacks>(talk.step)) << cut;
    talk.hear(answer.substr(cut));
    EXPECT_EQ(std::get<ServerReady>(talk.step).statement_timeout, "1500ms") << cut;
  }
}

TEST(ServerLogin, AServerThatFailsToSayItsTimeoutIsOfUse) {
  Talk talk(asking());
  talk.hear(welcome() + failure("57014", Severity::error) + idle());
  EXPECT_EQ(std::get<ServerReady>(talk.step).statement_timeout, "");
  Talk last_word(asking());
  last_word.hear(welcome() + failure("57P01", Severity::fatal));
  EXPECT_EQ(last_word.refused().problem, LoginProblem::retry_later);
}

TEST(ServerLogin, ATimeoutThatCannotBeIsRefused) {
  const std::string copies = "H\0\0\0\7\0\0\0"s;
  for (const std::string& bytes :
       {answer_of({{"1", "1"}}), answer_of({{"1s"}, {"1s"}}), answer_of({{""}}),
        answer_of({{std::nullopt}}), answer_of({{std::string(59, '1')}}), idle(), copies}) {
    Talk talk(asking());
    talk.hear(welcome() + bytes);
    ASSERT_TRUE(std::holds_alternative<ServerRefused>(talk.step)) << bytes;
    EXPECT_EQ(talk.refused().sqlstate, "08P01");
  }
}

TEST(ServerLogin, RefusesWhatDoesNotBelongToALogin) {
  std::string md5;
  Message(md5, 'R').u32(5).u32(1);
  std::string open;
  write_auth_ok(open);
  write_ready(open, TransactionStatus::open);
  std::string early;
  write_parameter(early, "a", "b");
  std::string twice;
  write_auth_ok(twice);
  write_auth_ok(twice);
  std::string long_key;
  write_auth_ok(long_key);
  write_backend_key(long_key, 1, std::string(32, 'k'));
  std::string noise;
  for (int i = 0; i < 300; ++i) write_notice(noise, "NOTICE", "00000", std::string(4000, 'n'));
  std::string many;
  write_auth_ok(many);
  for (int i = 0; i < 100; ++i) write_parameter(many, "p" + std::to_string(i), "v");
  for (const std::string& bytes :
       {md5, open, early, twice, long_key, noise, many, "D\0\0\0\6\0\0"s, "HTTP/1.1 400"s}) {
    ServerLoginPlan how = plan(ScramPassword{"pencil"});
    how.without_proof = true;
    Talk talk(std::move(how));
    talk.hear(bytes);
    ASSERT_TRUE(std::holds_alternative<ServerRefused>(talk.step)) << bytes.substr(0, 20);
    EXPECT_EQ(talk.refused().problem, LoginProblem::other);
    EXPECT_TRUE(std::holds_alternative<ServerLacks>(talk.hear(welcome())));
  }
}

TEST(Shown, KeepsLettersAndNothingElse) {
  EXPECT_EQ(shown("Größe 数 \U0001F418", 99), "Größe 数 \U0001F418");
  EXPECT_EQ(shown("a\0b\x7f\xc2\x85\xed\xa0\x80\xc0\xaf"s, 99), "a?b????????");
  EXPECT_EQ(shown("aö", 2), "a");
  EXPECT_EQ(shown("\xf0\x9f\x90", 9), "???");
}

}  // namespace
}  // namespace evergres::proxy
