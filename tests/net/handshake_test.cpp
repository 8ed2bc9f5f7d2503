#include "net/handshake.hpp"

#include <gtest/gtest.h>

namespace evergres::net {
namespace {

const Secret secret("0123456789abcdef");

std::string_view body_of(std::string_view hello) {
  return hello.substr(hello_head_bytes);
}

bool accept(FrameKey& key, const std::string& frame) {
  const std::string_view whole = frame;
  const std::size_t size = FrameKey::length_in(whole.substr(0, frame_head_bytes));
  return key.accept(whole.substr(frame_head_bytes, size), whole.substr(frame_head_bytes + size));
}

TEST(Handshake, AHelloSurvivesTheWire) {
  const Hello hello = make_hello("demo", NodeName("n1"));
  const std::string bytes = encode_hello(hello);
  EXPECT_EQ(hello_body_size(bytes.substr(0, hello_head_bytes)).value(), body_of(bytes).size());
  auto back = parse_hello_body(body_of(bytes));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->nonce, hello.nonce);
  EXPECT_EQ(back->cluster, "demo");
  EXPECT_EQ(back->name, NodeName("n1"));
  EXPECT_NE(make_hello("demo", NodeName("n1")).nonce, hello.nonce);
}

TEST(Handshake, EveryCutAndLengthenedHelloIsRefused) {
  const std::string bytes = encode_hello(make_hello("demo", NodeName("n1")));
  const std::string body(body_of(bytes));
  for (std::size_t size = 0; size < body.size(); ++size) {
    EXPECT_FALSE(parse_hello_body(body.substr(0, size))) << size;
  }
  EXPECT_FALSE(parse_hello_body(body + "x"));
  EXPECT_FALSE(hello_body_size("GET / "));
  EXPECT_FALSE(hello_body_size(std::string("EVG1\xff\xff", 6)));
  EXPECT_FALSE(hello_body_size("EVG1"));
}

TEST(Handshake, AMembersHelloIsTheOneThatOlderVersionsRead) {
  Hello hello = make_hello("demo", NodeName("n1"));
  hello.nonce.assign(32, 'n');
  std::string expected("EVG1\0\x29\x01", 7);
  expected += std::string(32, 'n') + "\x04" "demo" "\x02" "n1";
  EXPECT_EQ(encode_hello(hello), expected);
}

TEST(Handshake, AWatchersHelloNamesItsKind) {
  const std::string bytes =
      encode_hello(make_hello("demo", NodeName("proxy-1"), CallerKind::watcher));
  std::string body(body_of(bytes));
  auto back = parse_hello_body(body);
  ASSERT_TRUE(back) << back.error().one_line();
  EXPECT_EQ(back->kind, CallerKind::watcher);
  EXPECT_EQ(back->name, NodeName("proxy-1"));
  for (std::size_t size = 0; size < body.size(); ++size) {
    EXPECT_FALSE(parse_hello_body(body.substr(0, size))) << size;
  }
  for (const char kind : {'\x00', '\x02', '\xff'}) {
    body[1] = kind;
    EXPECT_FALSE(parse_hello_body(body)) << "a kind that this version does not know";
  }
}

TEST(Handshake, AnotherVersionIsNamed) {
  std::string body(body_of(encode_hello(make_hello("demo", NodeName("n1")))));
  body.front() = 9;
  auto parsed = parse_hello_body(body);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().detail(), "It speaks version 9, we speak versions 1 and 2.");
}

TEST(Handshake, ProofsAndKeysDifferBySideSecretAndHello) {
  const HandshakeKeys keys(secret, "client", "server");
  EXPECT_NE(keys.proof_of(Side::client), keys.proof_of(Side::server));
  EXPECT_NE(keys.session_key_of(Side::client), keys.session_key_of(Side::server));
  EXPECT_NE(keys.proof_of(Side::client), keys.session_key_of(Side::client));
  EXPECT_EQ(keys.proof_of(Side::client),
            HandshakeKeys(secret, "client", "server").proof_of(Side::client));
  const Secret other("0123456789abcdeX");
  EXPECT_NE(keys.proof_of(Side::client),
            HandshakeKeys(other, "client", "server").proof_of(Side::client));
  EXPECT_NE(keys.proof_of(Side::client),
            HandshakeKeys(secret, "Client", "server").proof_of(Side::client));
}

TEST(Frames, ComeOnceAndInOrder) {
  FrameKey out("key");
  FrameKey in("key");
  const std::string first = out.seal("one");
  const std::string second = out.seal("two");
  EXPECT_FALSE(accept(in, second)) << "reordered";
  EXPECT_TRUE(accept(in, first));
  EXPECT_FALSE(accept(in, first)) << "replayed";
  EXPECT_TRUE(accept(in, second));
}

TEST(Frames, EveryAlteredByteIsNoticed) {
  FrameKey out("key");
  const std::string frame = out.seal("payload");
  for (std::size_t at = frame_head_bytes; at < frame.size(); ++at) {
    FrameKey in("key");
    std::string altered = frame;
    altered[at] = static_cast<char>(altered[at] ^ 1);
    EXPECT_FALSE(accept(in, altered)) << at;
  }
  FrameKey other("other key");
  EXPECT_FALSE(accept(other, frame));
}

TEST(Frames, MayBeEmpty) {
  FrameKey out("key");
  FrameKey in("key");
  EXPECT_TRUE(accept(in, out.seal("")));
}

}  // namespace
}  // namespace evergres::net
