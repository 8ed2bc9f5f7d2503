#include "proxy/login/client_login.hpp"

#include <gtest/gtest.h>

#include "proxy/auth/scram_client.hpp"
#include "proxy/auth/scram_message.hpp"
#include "proxy/login/wire.hpp"
#include "proxy/wire/writer.hpp"

namespace evergres::proxy {
namespace {

using namespace std::string_literals;
using test::messages;
using test::taken;
using test::types;

const std::string our_nonce(36, 'a');
const std::string their_nonce(24, 'b');

ScramSecret pencil() {
  static const ScramSecret secret = make_secret("pencil", "0123456789abcdef", 16);
  return secret;
}

StartupMessage startup(std::string user = "app") {
  StartupMessage made;
  made.user = std::move(user);
  made.database = "shop";
  return made;
}

ClientFacts over_tcp(const char* address = "10.1.2.3") {
  ClientFacts facts;
  facts.address = IpAddress::parse(address);
  return facts;
}

ClientFacts over_tls(std::string common_name = {}) {
  ClientFacts facts = over_tcp();
  facts.tls = true;
  facts.binding = "hash";
  if (!common_name.empty()) {
    facts.certificate = CertificateNames{common_name, "CN=" + common_name + ",O=Shop"};
  }
  return facts;
}

LoginRules rules(std::string_view hosts, std::string_view names = {}) {
  LoginRules made;
  const HbaFile file = read_hba(hosts);
  EXPECT_TRUE(file.problems.empty());
  made.hosts = file.rules;
  made.names = read_ident_map(names).rules;
  return made;
}

struct Talk {
  explicit Talk(const LoginRules& by = {}, ClientFacts facts = over_tcp(),
                StartupMessage message = startup())
      : login(std::move(message), std::move(facts), our_nonce) {
    step = login.begin(by, sent);
  }
  ClientStep& hear(const std::string& bytes) {
    kept += bytes;
    std::string_view rest = kept;
    step = login.feed(rest, sent);
    kept = std::string(rest);
    return step;
  }
  const Refused& refused() const { return std::get<Refused>(step); }
  bool wants_secret() const { return std::holds_alternative<NeedsSecret>(step); }
  bool admitted() const { return std::holds_alternative<Admitted>(step); }

  /// The client's whole part, with this password.
  void answer(std::string_view password, std::string_view mechanism = scram_plain,
              std::optional<std::string> binding = std::nullopt) {
    ScramClient client(ScramPassword{std::string(password)}, mechanism, std::move(binding),
                       their_nonce);
    std::string bytes;
    write_sasl_initial(bytes, mechanism, client.first());
    taken(sent);
    hear(taken(bytes));
    if (std::holds_alternative<Refused>(step)) return;
    const auto final = client.answer(messages(taken(sent)).at(0).body.substr(4));
    ASSERT_TRUE(final);
    write_sasl_response(bytes, final.value());
    hear(taken(bytes));
    if (admitted()) {
      EXPECT_TRUE(client.finish(messages(sent).at(0).body.substr(4)));
    }
  }

  ClientLogin login;
  ClientStep step;
  std::string sent;
  std::string kept;
};

TEST(ClientLogin, LetsInWhoKnowsThePasswordAndLearnsTheKeys) {
  Talk talk;
  EXPECT_EQ(std::get<NeedsSecret>(talk.step).user, "app");
  EXPECT_TRUE(talk.sent.empty());
  talk.step = talk.login.give_secret(pencil(), talk.sent);
  EXPECT_EQ(talk.sent, "R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"s);
  talk.answer("pencil");
  ASSERT_TRUE(talk.admitted());
  const ScramKeys& keys = *std::get<Admitted>(talk.step).keys;
  EXPECT_TRUE(sha256(keys.client_key.view()).same(pencil().stored_key));
  EXPECT_EQ(keys.salt, pencil().salt);
}

TEST(ClientLogin, BindsTheChannelInsideTls) {
  Talk talk({}, over_tls());
  talk.step = talk.login.give_secret(pencil(), talk.sent);
  EXPECT_NE(talk.sent.find("SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0"s), std::string::npos);
  talk.answer("pencil", scram_plus, "hash");
  EXPECT_TRUE(talk.admitted());
  Talk between({}, over_tls());
  between.step = between.login.give_secret(pencil(), between.sent);
  between.answer("pencil", scram_plus, "of another certificate");
  EXPECT_EQ(between.refused().error.message(),
            "SCRAM channel binding check failed for user \"app\"");
}

TEST(ClientLogin, AWrongPasswordAndAStrangerHearTheSameAndSeeTheSameSteps) {
  Talk known;
  known.step = known.login.give_secret(pencil(), known.sent);
  Talk stranger;
  stranger.step = stranger.login.give_secret(std::nullopt, stranger.sent);
  EXPECT_EQ(known.sent, stranger.sent);
  known.answer("crayon");
  stranger.answer("crayon");
  for (const Talk* talk : {&known, &stranger}) {
    EXPECT_EQ(talk->refused().sqlstate, "28P01");
    EXPECT_EQ(talk->refused().error.message(), "password authentication failed for user \"app\"");
    EXPECT_TRUE(talk->refused().guessed);
    EXPECT_TRUE(talk->sent.empty()) << "the answer is the caller's to delay";
  }
  EXPECT_EQ(known.refused().error.for_people(), stranger.refused().error.for_people());
  std::string bytes;
  write_refusal(bytes, known.refused());
  EXPECT_EQ(read_fields(messages(bytes).at(0).body).code, "28P01");
  EXPECT_TRUE(read_fields(messages(bytes).at(0).body).fatal());
}

TEST(ClientLogin, NobodyToAskIsNoWrongPassword) {
  Talk talk;
  talk.step = talk.login.secret_unavailable(
      Error(ErrorCode::unreachable, "no leader", "There is no open leader."));
  EXPECT_EQ(talk.refused().sqlstate, "57P03");
  EXPECT_FALSE(talk.refused().guessed);
  EXPECT_EQ(talk.refused().error.one_line(),
            "the password cannot be checked now (There is no open leader.)");
}

TEST(ClientLogin, TellsOnceWhichVersionIsSpoken) {
  StartupMessage newer = startup();
  newer.asked = {3, 9999};
  newer.spoken = newest_protocol;
  newer.unknown_options = {"_pq_.grease"};
  Talk talk({}, over_tcp(), newer);
  EXPECT_EQ(types(talk.sent), "v");
  talk.step = talk.login.give_secret(pencil(), talk.sent);
  EXPECT_EQ(types(talk.sent), "vR");
}

TEST(ClientLogin, HostRulesDecide) {
  const LoginRules some = rules(
      "hostssl shop app 10.0.0.0/8 scram-sha-256\n"
      "host shop app 10.9.0.0/16 reject\n"
      "local all all peer\n"
      "hostssl replication app all scram-sha-256\n");
  EXPECT_TRUE(Talk(some, over_tls()).wants_secret());
  const Talk clear(some, over_tcp());
  EXPECT_EQ(clear.refused().sqlstate, "28000");
  EXPECT_EQ(clear.refused().error.one_line(),
            "no host rule lets user \"app\" into database \"shop\" (The connection is not "
            "encrypted.)");
  EXPECT_FALSE(clear.refused().guessed);
  EXPECT_EQ(Talk(some, over_tcp("10.9.0.1")).refused().error.message(),
            "a host rule rejects user \"app\" for database \"shop\"");
  EXPECT_EQ(Talk(some, ClientFacts{}).refused().error.message(),
            "peer authentication is not offered here");
  StartupMessage walreceiver = startup();
  walreceiver.replication = Replication::physical;
  EXPECT_TRUE(Talk(some, over_tls(), walreceiver).wants_secret());
  walreceiver.user = "other";
  EXPECT_EQ(Talk(some, over_tls(), walreceiver).refused().error.message(),
            "no host rule lets user \"other\" into replication");
}

TEST(ClientLogin, AFileOfRulesThatCannotBeReadLetsNobodyIn) {
  LoginRules broken;
  broken.hosts = read_hba("host all all all trust\n").rules;
  EXPECT_EQ(Talk(broken).refused().sqlstate, "28000");
}

TEST(ClientLogin, TlsMayBeRequiredOfOtherMachines) {
  LoginRules strict;
  strict.tls_required = true;
  EXPECT_EQ(Talk(strict).refused().error.message(), "TLS is required");
  EXPECT_TRUE(Talk(strict, over_tls()).wants_secret());
  EXPECT_TRUE(Talk(strict, over_tcp("127.0.0.1")).wants_secret());
  EXPECT_TRUE(Talk(strict, over_tcp("::1")).wants_secret());
  EXPECT_TRUE(Talk(strict, over_tcp("::ffff:127.0.0.1")).wants_secret());
  EXPECT_FALSE(Talk(strict, over_tcp("::2")).wants_secret());
  EXPECT_TRUE(Talk(strict, ClientFacts{}).wants_secret());
}

TEST(ClientLogin, ACertificateLetsInWhomItNames) {
  const LoginRules same = rules("hostssl all all all cert\n");
  const Talk app(same, over_tls("app"));
  ASSERT_TRUE(app.admitted());
  EXPECT_FALSE(std::get<Admitted>(app.step).keys);
  const Talk other(same, over_tls("postgres"));
  EXPECT_EQ(other.refused().error.message(),
            "certificate authentication failed for user \"app\"");
  EXPECT_TRUE(other.refused().guessed);
  EXPECT_EQ(Talk(same, over_tls()).refused().error.message(),
            "connection requires a valid client certificate");

  const LoginRules mapped =
      rules("hostssl all all all cert map=tills\n", "tills till-7.example app\n");
  EXPECT_TRUE(Talk(mapped, over_tls("till-7.example")).admitted());
  EXPECT_FALSE(Talk(mapped, over_tls("app")).admitted());
  const LoginRules whole = rules("hostssl all all all cert map=tills clientname=DN\n",
                                 "tills \"CN=till-7,O=Shop\" app\n");
  EXPECT_TRUE(Talk(whole, over_tls("till-7")).admitted());
  EXPECT_FALSE(Talk(whole, over_tls("till-8")).admitted());
  const LoginRules no_map = rules("hostssl all all all cert map=tills\n");
  EXPECT_FALSE(Talk(no_map, over_tls("app")).admitted());
}

TEST(ClientLogin, AnEmptyNameInACertificateIsNobody) {
  ClientFacts facts = over_tls("x");
  facts.certificate->common_name.clear();
  EXPECT_FALSE(Talk(rules("hostssl all all all cert\n"), facts).admitted());
}

TEST(ClientLogin, ACertificateMayBeNeededBesideThePassword) {
  const LoginRules both = rules("hostssl all all all scram-sha-256 clientcert=verify-full\n");
  EXPECT_FALSE(Talk(both, over_tls()).wants_secret());
  EXPECT_FALSE(Talk(both, over_tls("other")).wants_secret());
  EXPECT_TRUE(Talk(both, over_tls("app")).wants_secret());
}

TEST(ClientLogin, RefusesWhatIsNoAnswer) {
  std::string no_data;
  Message(no_data, 'p').text(scram_plain).u32(0xffffffffU);
  std::string md5;
  Message(md5, 'p').text("md5aabbccdd");
  std::string unknown;
  write_sasl_initial(unknown, "OAUTHBEARER", "n,,");
  std::string plus;
  write_sasl_initial(plus, scram_plus, std::string(plus_header) + "n=,r=abc");
  // Refused by its header, before a byte of it has arrived.
  const std::string longer = "p\0\0\x10\x05"s;
  for (const std::string& bytes :
       {no_data, md5, unknown, plus, longer, "Q\0\0\0\5\0"s, "X\0\0\0\4"s, "p\0\0\0\3"s}) {
    Talk talk;
    talk.step = talk.login.give_secret(pencil(), talk.sent);
    taken(talk.sent);
    talk.hear(bytes);
    ASSERT_TRUE(std::holds_alternative<Refused>(talk.step)) << bytes;
    EXPECT_EQ(talk.refused().sqlstate, "08P01") << bytes;
    EXPECT_TRUE(talk.sent.empty());
    talk.kept.clear();
    EXPECT_TRUE(std::holds_alternative<ClientLacks>(talk.hear("p\0\0\0\4"s)));
    EXPECT_EQ(talk.kept.size(), 5U);
  }
  Talk early;
  early.hear("p\0\0\0\4"s);
  EXPECT_EQ(early.refused().error.detail(), "The client answers before it was asked.");
}

TEST(ClientLogin, IsTheSameHoweverTheBytesAreCutAndLeavesTheRest) {
  Talk talk;
  talk.step = talk.login.give_secret(pencil(), talk.sent);
  ScramClient client(ScramPassword{"pencil"}, scram_plain, std::nullopt, their_nonce);
  std::string bytes;
  write_sasl_initial(bytes, scram_plain, client.first());
  taken(talk.sent);
  for (const char c : taken(bytes)) talk.hear(std::string(1, c));
  write_sasl_response(bytes, client.answer(messages(talk.sent).at(0).body.substr(4)).value());
  const std::string last = bytes.substr(bytes.size() - 1);
  bytes.pop_back();
  for (const char c : bytes) {
    ASSERT_TRUE(std::holds_alternative<ClientLacks>(talk.hear(std::string(1, c))));
  }
  talk.hear(last + "Q\0\0");
  EXPECT_TRUE(talk.admitted());
  EXPECT_EQ(talk.kept, "Q\0\0"s.substr(0, talk.kept.size()));
  EXPECT_TRUE(talk.kept.starts_with('Q'));
}

TEST(ClientLogin, TheWelcomeHasWhatAClientWaitsFor) {
  Settings settings;
  settings.note("in_hot_standby", "off");
  settings.note("server_version", "15.1");
  std::string bytes;
  write_welcome(bytes, settings, 17, "\1\2\3\4");
  EXPECT_EQ(types(bytes), "RSSKZ");
  EXPECT_EQ(read_ready(messages(bytes).at(4).body), TransactionStatus::idle);
}

}  // namespace
}  // namespace evergres::proxy
