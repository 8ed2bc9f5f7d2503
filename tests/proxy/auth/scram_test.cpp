#include <gtest/gtest.h>

#include "proxy/auth/scram_client.hpp"
#include "proxy/auth/scram_message.hpp"
#include "proxy/auth/scram_server.hpp"

namespace evergres::proxy {
namespace {

using namespace std::string_literals;

const std::string server_nonce = "c2VydmVyIG5vbmNlIDE4IGJ5";
const std::string client_nonce = "Y2xpZW50IG5vbmNlIDE4IGJ5";

ScramSecret pencil() {
  static const ScramSecret secret = make_secret("pencil", "0123456789abcdef");
  return secret;
}

struct Exchange {
  std::optional<Error> refused_by_server;
  std::optional<Error> refused_by_client;
  std::optional<ScramKeys> learned;
};

/// A whole login. The bindings are what each side believes the certificate to be.
Exchange login(ScramClient::Credential credential, ScramServer& server,
               std::string_view mechanism = scram_plain,
               std::optional<std::string> binding = std::nullopt) {
  Exchange exchange;
  ScramClient client(std::move(credential), mechanism, std::move(binding), client_nonce);
  const auto told = server.begin(mechanism, client.first());
  if (!told) {
    exchange.refused_by_server = told.error();
    return exchange;
  }
  const auto answer = client.answer(told.value());
  if (!answer) {
    exchange.refused_by_client = answer.error();
    return exchange;
  }
  const auto proven = server.finish(answer.value());
  if (!proven) {
    exchange.refused_by_server = proven.error();
    return exchange;
  }
  exchange.learned = proven.value().keys;
  const Outcome finished = client.finish(proven.value().message);
  if (!finished) exchange.refused_by_client = finished.error();
  return exchange;
}

TEST(Scram, IsThatOfRfc7677) {
  const auto salt = from_base64("W22ZaJ0SNY7soEsUEjb6gQ==");
  ASSERT_TRUE(salt);
  ScramServer server(make_secret("pencil", *salt), true, std::nullopt,
                     "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
  const auto first = server.begin("SCRAM-SHA-256", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  ASSERT_TRUE(first);
  EXPECT_EQ(first.value(),
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
  const auto proven = server.finish(
      "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
      "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
  ASSERT_TRUE(proven);
  EXPECT_EQ(proven.value().message, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

TEST(Scram, KeysLearnedAtLoginOpenTheServerAndAreNotThePassword) {
  ScramServer front(pencil(), true, std::nullopt, server_nonce);
  const Exchange first = login(ScramPassword{"pencil"}, front);
  ASSERT_TRUE(first.learned);
  EXPECT_FALSE(first.refused_by_client);
  ScramServer behind(pencil(), true, std::nullopt, "YW5vdGhlciBub25jZSAxOCBi");
  const Exchange second = login(*first.learned, behind);
  EXPECT_TRUE(second.learned);
  EXPECT_FALSE(second.refused_by_client || second.refused_by_server);
  EXPECT_EQ(text_of(pencil()).find("pencil"), std::string::npos);
}

TEST(Scram, LearnedKeysAreOfNoUseForAnotherSecret) {
  ScramServer front(pencil(), true, std::nullopt, server_nonce);
  const Exchange first = login(ScramPassword{"pencil"}, front);
  ASSERT_TRUE(first.learned);
  ScramServer salted(make_secret("pencil", "another salt 16b"), true, std::nullopt, server_nonce);
  const Exchange second = login(*first.learned, salted);
  ASSERT_TRUE(second.refused_by_client);
  EXPECT_EQ(second.refused_by_client->code(), ErrorCode::authentication);
  EXPECT_EQ(second.refused_by_client->message(), "the server has another SCRAM secret");
  ScramServer rotated(make_secret("crayon", "0123456789abcdef"), true, std::nullopt, server_nonce);
  const Exchange third = login(*first.learned, rotated);
  ASSERT_TRUE(third.refused_by_server);
  EXPECT_EQ(third.refused_by_server->code(), ErrorCode::authentication);
}

TEST(Scram, AWrongPasswordAndAnUnknownUserHearTheSame) {
  const Key mock_key = sha256("of this cluster");
  ScramServer known(pencil(), true, std::nullopt, server_nonce);
  ScramServer unknown(mock_secret("nobody", mock_key), false, std::nullopt, server_nonce);
  const Exchange wrong = login(ScramPassword{"crayon"}, known);
  const Exchange stranger = login(ScramPassword{"crayon"}, unknown);
  ASSERT_TRUE(wrong.refused_by_server && stranger.refused_by_server);
  EXPECT_EQ(wrong.refused_by_server->for_people(), stranger.refused_by_server->for_people());
  EXPECT_EQ(wrong.refused_by_server->code(), ErrorCode::authentication);
}

TEST(Scram, TheRightPasswordOfSomebodyWhoMayNotLogInIsRefused) {
  ScramServer server(pencil(), false, std::nullopt, server_nonce);
  EXPECT_TRUE(login(ScramPassword{"pencil"}, server).refused_by_server);
}

TEST(Scram, AnUnknownUserAlwaysSeesTheSameSalt) {
  const Key key = sha256("of this cluster");
  EXPECT_EQ(text_of(mock_secret("nobody", key)), text_of(mock_secret("nobody", key)));
  EXPECT_NE(mock_secret("nobody", key).salt, mock_secret("nobody2", key).salt);
  EXPECT_NE(mock_secret("nobody", key).salt, mock_secret("nobody", sha256("another")).salt);
  EXPECT_EQ(mock_secret("nobody", key).salt.size(), 16U);
}

TEST(Scram, PlusBindsTheCertificate) {
  ScramServer server(pencil(), true, "our certificate", server_nonce);
  EXPECT_TRUE(login(ScramPassword{"pencil"}, server, scram_plus, "our certificate").learned);
  ScramServer victim(pencil(), true, "our certificate", server_nonce);
  const Exchange between =
      login(ScramPassword{"pencil"}, victim, scram_plus, "somebody else's certificate");
  ASSERT_TRUE(between.refused_by_server);
  EXPECT_EQ(between.refused_by_server->message(), "SCRAM channel binding check failed");
}

TEST(Scram, HidingPlusFromAClientIsNoticed) {
  ScramServer server(pencil(), true, "our certificate", server_nonce);
  const Exchange exchange = login(ScramPassword{"pencil"}, server, scram_plain, "our certificate");
  ASSERT_TRUE(exchange.refused_by_server);
  EXPECT_EQ(exchange.refused_by_server->message(), "SCRAM channel binding negotiation error");
}

TEST(Scram, AMessageOutOfTurnIsRefused) {
  ScramServer server(pencil(), true, std::nullopt, server_nonce);
  ScramClient client(ScramPassword{"pencil"}, scram_plain, std::nullopt, client_nonce);
  const auto early = server.finish("c=biws,r=" + client_nonce + ",p=AAAA");
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code(), ErrorCode::data_invalid);
  const Outcome unasked = client.finish("v=AAAA");
  ASSERT_FALSE(unasked);
  EXPECT_EQ(unasked.error().code(), ErrorCode::data_invalid);
  const auto told = server.begin(scram_plain, client.first());
  ASSERT_TRUE(told);
  EXPECT_FALSE(server.begin(scram_plain, client.first())) << "a second SASLInitialResponse";
  const auto answer = client.answer(told.value());
  ASSERT_TRUE(answer);
  EXPECT_FALSE(client.answer(told.value())) << "a second AuthenticationSASLContinue";
  const auto proven = server.finish(answer.value());
  ASSERT_TRUE(proven);
  EXPECT_TRUE(client.finish(proven.value().message)) << "what came in between changed nothing";
}

TEST(Scram, WithoutTlsAClientThatCouldBindIsLetIn) {
  ScramServer server(pencil(), true, std::nullopt, server_nonce);
  EXPECT_TRUE(server.begin(scram_plain, "y,,n=,r=" + client_nonce));
}

TEST(Scram, FirstMessagesOfStrangersAreRefusedWithASentence) {
  const std::string good = "n=,r=" + client_nonce;
  const std::vector<std::tuple<std::string, std::string, bool, std::string>> cases{
      {"MD5", "n,," + good, true, "The client selected a mechanism that was not offered."},
      {"SCRAM-SHA-256-PLUS", "p=tls-server-end-point,," + good, false,
       "Channel binding was not offered."},
      {"SCRAM-SHA-256", "p=tls-server-end-point,," + good, true,
       "The client binds the channel without SCRAM-SHA-256-PLUS."},
      {"SCRAM-SHA-256-PLUS", "p=tls-unique,," + good, true,
       "The only channel binding is tls-server-end-point."},
      {"SCRAM-SHA-256-PLUS", "n,," + good, true, "SCRAM-SHA-256-PLUS binds the channel."},
      {"SCRAM-SHA-256-PLUS", "y,," + good, true, "SCRAM-SHA-256-PLUS binds the channel."},
      {"SCRAM-SHA-256", "x,," + good, false, "It does not begin with a channel binding flag."},
      {"SCRAM-SHA-256", "", false, "It does not begin with a channel binding flag."},
      {"SCRAM-SHA-256", "n,a=root," + good, false, "Authorisation identities are not supported."},
      {"SCRAM-SHA-256", "n", false, "It does not begin with a channel binding flag."},
      {"SCRAM-SHA-256", "n,,m=x," + good, false,
       "The client requires an extension that is not supported."},
      {"SCRAM-SHA-256", "n,,r=x,n=", false, "It has no user name attribute."},
      {"SCRAM-SHA-256", "n,,n=,r=", false, "It has no printable nonce."},
      {"SCRAM-SHA-256", "n,,n=,r=a b", false, "It has no printable nonce."},
      {"SCRAM-SHA-256", "n,,n=,r=" + std::string(1025, 'x'), false, "It has no printable nonce."},
      {"SCRAM-SHA-256", "n,," + good + ",m=x", false,
       "Something that is no attribute follows the nonce."},
      {"SCRAM-SHA-256", "n,," + good + "\0"s, false, "It has a zero byte."},
  };
  for (const auto& [mechanism, message, tls, why] : cases) {
    ScramServer server(pencil(), true, tls ? std::optional("hash"s) : std::nullopt, server_nonce);
    const auto told = server.begin(mechanism, message);
    ASSERT_FALSE(told) << message;
    EXPECT_EQ(told.error().detail(), why) << message;
    EXPECT_EQ(told.error().code(), ErrorCode::data_invalid);
  }
}

TEST(Scram, FinalMessagesOfStrangersAreRefusedWithASentence) {
  const std::string nonce = "r=" + client_nonce + server_nonce;
  const std::string proof = ",p=" + base64(std::string(32, 'p'));
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "It has no channel binding attribute."},
      {"c=eSws," + nonce + proof, "Its channel binding is not that of the first message."},
      {"c=biws,r=" + client_nonce + proof, "Its nonce is not the agreed one."},
      {"c=biws," + nonce, "It does not end with a proof."},
      {"c=biws," + nonce + ",p=short", "Its proof is not 32 bytes in base64."},
      {"c=biws," + nonce + ",p=" + base64(std::string(33, 'p')),
       "Its proof is not 32 bytes in base64."},
      {"c=biws," + nonce + proof + ",x=1", "It does not end with a proof."},
      {"c=biws," + nonce + ",m=1" + proof, "Something that is no attribute follows the nonce."},
      {"c=biws," + nonce + "," + proof, "Something that is no attribute follows the nonce."},
  };
  for (const auto& [message, why] : cases) {
    ScramServer server(pencil(), true, std::nullopt, server_nonce);
    ASSERT_TRUE(server.begin(scram_plain, "n,,n=,r=" + client_nonce));
    const auto proven = server.finish(message);
    ASSERT_FALSE(proven) << message;
    EXPECT_EQ(proven.error().detail(), why) << message;
  }
}

TEST(Scram, AHostileServerIsRefused) {
  const std::string nonce = "r=" + client_nonce;
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "Its nonce does not continue ours."},
      {nonce + ",s=c2FsdA==,i=4096", "Its nonce does not continue ours."},
      {"r=other,s=c2FsdA==,i=4096", "Its nonce does not continue ours."},
      {nonce + std::string(5'000, 'x') + ",s=c2FsdA==,i=4096", "Its nonce does not continue ours."},
      {nonce + "x,s=?,i=4096", "Its salt is not base64."},
      {nonce + "x,i=4096", "Its salt is not base64."},
      {nonce + "x,s=c2FsdA==", "It has no number of iterations."},
      {nonce + "x,s=c2FsdA==,i=0", "Its number of iterations is not 1 to 1000000."},
      {nonce + "x,s=c2FsdA==,i=2000000000", "Its number of iterations is not 1 to 1000000."},
      {nonce + "x,s=c2FsdA==,i=4096x", "Its number of iterations is not 1 to 1000000."},
      {nonce + "x,s=c2FsdA==,i=1,", ""},
      {nonce + "x,s=c2FsdA==,i=1,m=x", "Something that is no attribute follows."},
  };
  for (const auto& [message, why] : cases) {
    ScramClient client(ScramPassword{"pencil"}, scram_plain, std::nullopt, client_nonce);
    const auto answer = client.answer(message);
    ASSERT_EQ(answer.ok(), why.empty()) << message;
    if (!answer) {
      EXPECT_EQ(answer.error().detail(), why) << message;
    }
  }
}

TEST(Scram, AServerThatDoesNotKnowTheSecretIsNotBelieved) {
  for (const auto& [final_message, why] : std::vector<std::pair<std::string, std::string>>{
           {"v=" + base64(std::string(32, 'v')),
            "the server could not prove that it knows the secret"},
           {"v=", "the server could not prove that it knows the secret"},
           {"e=other-error", "the server refused the login"},
           {"", "malformed SCRAM message of the server"}}) {
    ScramClient client(ScramPassword{"pencil"}, scram_plain, std::nullopt, client_nonce);
    ASSERT_TRUE(client.answer("r=" + client_nonce + "x,s=c2FsdA==,i=1"));
    const Outcome finished = client.finish(final_message);
    ASSERT_FALSE(finished);
    EXPECT_EQ(finished.error().message(), why);
  }
}

TEST(Scram, OnlyScramAnswersAServer) {
  const auto chosen = [](AuthKind kind, const std::string& data, bool binding) {
    return mechanism_for(AuthView{static_cast<std::uint32_t>(kind), data}, binding);
  };
  const std::string both = "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"s;
  EXPECT_EQ(chosen(AuthKind::sasl, both, true).value(), scram_plus);
  EXPECT_EQ(chosen(AuthKind::sasl, both, false).value(), scram_plain);
  EXPECT_EQ(chosen(AuthKind::sasl, "OAUTHBEARER\0\0"s, true).error().message(),
            "the server offers no mechanism that we know");
  EXPECT_EQ(chosen(AuthKind::md5, "salt", true).error().message(),
            "MD5 passwords are not supported");
  EXPECT_EQ(chosen(AuthKind::cleartext, "", true).error().message(),
            "the server asks for a password in the clear");
  EXPECT_EQ(chosen(static_cast<AuthKind>(7), "", true).error().message(),
            "the server asks for authentication method 7");
}

}  // namespace
}  // namespace evergres::proxy
