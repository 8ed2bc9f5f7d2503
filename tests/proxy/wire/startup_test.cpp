#include "proxy/wire/startup.hpp"

#include <gtest/gtest.h>

#include "proxy/wire/opening.hpp"
#include "proxy/wire/writer.hpp"

namespace evergres::proxy {
namespace {

using namespace std::string_literals;

std::string packet(std::uint32_t what, std::string_view rest) {
  std::string bytes;
  Message(bytes, 0).u32(what).bytes(rest);
  return bytes;
}

constexpr std::uint32_t version(std::uint32_t major, std::uint32_t minor) {
  return major << 16U | minor;
}

std::string ssl_request() {
  std::string bytes;
  write_ssl_request(bytes);
  return bytes;
}

std::string gss_request() {
  return packet(version(1234, 5680), "");
}

StartupMessage message_of(const std::string& bytes) {
  StartupRead read = read_startup(bytes);
  EXPECT_TRUE(std::holds_alternative<StartupMessage>(read.packet));
  EXPECT_EQ(read.consumed, bytes.size());
  return std::get<StartupMessage>(read.packet);
}

TEST(Startup, ReadsWhatLibpqSends) {
  const StartupMessage message =
      message_of(packet(version(3, 0),
                        "user\0app\0database\0shop\0application_name\0psql\0options\0-c x=1\0"
                        "client_encoding\0UTF8\0\0"s));
  EXPECT_EQ(message.user, "app");
  EXPECT_EQ(message.database, "shop");
  EXPECT_EQ(message.replication, Replication::none);
  const std::vector<std::pair<std::string, std::string>> settings{
      {"application_name", "psql"}, {"options", "-c x=1"}, {"client_encoding", "UTF8"}};
  EXPECT_EQ(message.settings, settings);
  EXPECT_FALSE(message.must_negotiate());
}

TEST(Startup, TheDatabaseIsCalledLikeTheUserIfNobodySaysOtherwise) {
  EXPECT_EQ(message_of(packet(version(3, 0), "user\0app\0\0"s)).database, "app");
}

TEST(Startup, NegotiatesNewerVersionsAndOptionsThatNobodyKnows) {
  const StartupMessage newer =
      message_of(packet(version(3, 9999), "user\0app\0_pq_.grease\0x\0\0"s));
  EXPECT_EQ(newer.spoken, newest_protocol);
  EXPECT_TRUE(newer.must_negotiate());
  EXPECT_TRUE(newer.settings.empty());
  std::string told;
  write_negotiate(told, newer);
  EXPECT_EQ(told, "v\0\0\0\x18\0\3\0\2\0\0\0\1_pq_.grease\0"s);
  EXPECT_FALSE(message_of(packet(version(3, 2), "user\0app\0\0"s)).must_negotiate());
  EXPECT_EQ(message_of(packet(version(3, 1), "user\0app\0\0"s)).spoken, (ProtocolVersion{3, 1}));
}

TEST(Startup, KnowsTheKindsOfReplication) {
  const auto kind = [](const std::string& value) {
    return message_of(packet(version(3, 0), "user\0r\0replication\0"s + value + "\0\0"s))
        .replication;
  };
  EXPECT_EQ(kind("database"), Replication::logical);
  EXPECT_EQ(kind("true"), Replication::physical);
  EXPECT_EQ(kind("ON"), Replication::physical);
  EXPECT_EQ(kind("0"), Replication::none);
}

TEST(Startup, TakesCancelKeysOfBothProtocols) {
  for (const std::size_t size : {4U, 32U, 256U}) {
    std::string bytes;
    write_cancel(bytes, 4711, std::string(size, 'k'));
    const StartupRead read = read_startup(bytes);
    const auto& cancel = std::get<CancelRequest>(read.packet);
    EXPECT_EQ(cancel.pid, 4711);
    EXPECT_EQ(cancel.key.size(), size);
  }
}

struct Refusal {
  std::string bytes;
  std::string sqlstate;
  std::string words;  ///< message and detail
};

TEST(Startup, RefusesWithASentence) {
  const std::vector<Refusal> cases{
      {"GET / HTTP/1.1\r\n\r\n", "08P01",
       "invalid startup packet (It does not begin with a length of at most 10,000 bytes.)"},
      {"\0\0\0\7"s, "08P01", "invalid startup packet (Its length is 7; 8 to 10,000 are possible.)"},
      {"\0\0\x27\x11"s, "08P01",
       "invalid startup packet (Its length is 10001; 8 to 10,000 are possible.)"},
      {packet(version(2, 0), "user"), "0A000",
       "unsupported frontend protocol 2.0 (This endpoint speaks 3.0 to 3.2.)"},
      {packet(version(3, 0), "user\0app\0"s), "08P01",
       "invalid startup packet (Its list of parameters does not end.)"},
      {packet(version(3, 0), "user\0app"s), "08P01",
       "invalid startup packet (A parameter has no value.)"},
      {packet(version(3, 0), "user\0app\0\0more"s), "08P01",
       "invalid startup packet (Something follows its list of parameters.)"},
      {packet(version(3, 0), "\0"s), "28000",
       "no PostgreSQL user name specified in startup packet"},
      {packet(version(3, 0), "user\0\0\0"s), "28000",
       "no PostgreSQL user name specified in startup packet"},
      {packet(version(3, 0), "user\0app\0user\0postgres\0\0"s), "08P01",
       "invalid startup packet (It names the user twice.)"},
      {packet(version(3, 0), "user\0app\0replication\0maybe\0\0"s), "22023",
       "invalid value for parameter \"replication\" (Valid values are: \"false\", 0, \"true\", 1, "
       "\"database\".)"},
      {packet(version(3, 0), "user\0app\0database\0"s + std::string(64, 'd') + "\0\0"s), "42622",
       "database name is too long (It has 64 bytes; PostgreSQL has room for 63.)"},
      {packet(version(1234, 5678), "\0\0\0\1abc"s), "08P01",
       "invalid startup packet (The key of a cancel request has 4 to 256 bytes.)"},
      {packet(version(1234, 5678), "\0\0\0\1"s + std::string(257, 'k')), "08P01",
       "invalid startup packet (The key of a cancel request has 4 to 256 bytes.)"},
      {packet(version(1234, 5679), "x"), "08P01",
       "invalid startup packet (A request for encryption has 8 bytes.)"},
  };
  for (const Refusal& refusal : cases) {
    const StartupRead read = read_startup(refusal.bytes);
    const auto* refused = std::get_if<StartupRefused>(&read.packet);
    ASSERT_NE(refused, nullptr) << refusal.words;
    EXPECT_EQ(refused->sqlstate, refusal.sqlstate) << refusal.words;
    EXPECT_EQ(refused->error.one_line(), refusal.words);
  }
}

TEST(Startup, WaitsForAPacketThatIsPossible) {
  const std::string bytes = packet(version(3, 0), "user\0app\0\0"s);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const StartupRead read = read_startup(std::string_view(bytes).substr(0, size));
    EXPECT_TRUE(std::holds_alternative<StartupLacks>(read.packet)) << size;
  }
}

TEST(Opening, AnswersGssThenTlsThenTheMessage) {
  Opening opening(true);
  std::string bytes = gss_request();
  std::string_view arrived = bytes;
  EXPECT_EQ(std::get<OpeningAnswer>(opening.next(arrived)).byte, 'N');
  bytes = ssl_request();
  arrived = bytes;
  EXPECT_FALSE(std::get<OpeningHandshake>(opening.next(arrived)).direct);
  EXPECT_FALSE(opening.inside_tls());
  opening.tls_established();
  bytes = packet(version(3, 0), "user\0app\0\0"s);
  arrived = bytes;
  EXPECT_EQ(std::get<StartupMessage>(opening.next(arrived)).user, "app");
  EXPECT_TRUE(opening.inside_tls());
}

TEST(Opening, WithoutACertificateSaysNoAndGoesOnInTheClear) {
  Opening opening(false);
  std::string bytes = ssl_request();
  std::string_view arrived = bytes;
  EXPECT_EQ(std::get<OpeningAnswer>(opening.next(arrived)).byte, 'N');
  bytes = packet(version(3, 0), "user\0app\0\0"s);
  arrived = bytes;
  EXPECT_TRUE(std::holds_alternative<StartupMessage>(opening.next(arrived)));
}

TEST(Opening, NothingThatCameInTheClearSurvivesTheHandshake) {
  for (const bool tls : {true, false}) {
    for (const std::string& request : {ssl_request(), gss_request()}) {
      Opening opening(tls);
      const std::string bytes = request + packet(version(3, 0), "user\0postgres\0\0"s);
      std::string_view arrived = bytes;
      const OpeningStep step = opening.next(arrived);
      const auto* refused = std::get_if<StartupRefused>(&step);
      ASSERT_NE(refused, nullptr);
      EXPECT_TRUE(refused->error.message().starts_with("received unencrypted data after"));
    }
  }
}

TEST(Opening, EachRequestAtMostOnceAndNoTlsInsideTls) {
  Opening twice(false);
  std::string bytes = ssl_request();
  std::string_view arrived = bytes;
  EXPECT_TRUE(std::holds_alternative<OpeningAnswer>(twice.next(arrived)));
  arrived = bytes;
  EXPECT_EQ(std::get<StartupRefused>(twice.next(arrived)).error.message(),
            "TLS was requested twice");
  Opening gss(true);
  bytes = gss_request();
  arrived = bytes;
  EXPECT_TRUE(std::holds_alternative<OpeningAnswer>(gss.next(arrived)));
  arrived = bytes;
  EXPECT_EQ(std::get<StartupRefused>(gss.next(arrived)).error.message(),
            "GSSAPI encryption was requested twice");
  Opening direct(true);
  bytes = "\x16\x03\x01";
  arrived = bytes;
  EXPECT_TRUE(std::get<OpeningHandshake>(direct.next(arrived)).direct);
  EXPECT_EQ(arrived.size(), 3U);
  direct.tls_established();
  EXPECT_EQ(std::get<StartupRefused>(direct.next(arrived)).error.message(),
            "unexpected TLS handshake");
  arrived = {};
  bytes = ssl_request();
  arrived = bytes;
  EXPECT_EQ(std::get<StartupRefused>(direct.next(arrived)).error.message(),
            "TLS was requested twice");
}

TEST(Opening, ADirectHandshakeWithoutACertificateIsRefused) {
  Opening opening(false);
  const std::string bytes = "\x16\x03\x01";
  std::string_view arrived = bytes;
  EXPECT_EQ(std::get<StartupRefused>(opening.next(arrived)).error.message(), "TLS is not offered");
}

}  // namespace
}  // namespace evergres::proxy
