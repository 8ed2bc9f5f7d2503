#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/names.hpp"
#include "base/result.hpp"
#include "net/secret.hpp"

/// The bytes of the peers' channel, without any input or output: the two hellos, the proofs over
/// them, the keys that follow and the sealed frames.
///
///   client → server   hello
///   server → client   hello, proof(server)
///   client → server   proof(client)
///   then both ways    frames: 4 bytes length, payload, 32 bytes MAC
///
/// Whoever calls is a member, with the cluster secret, or a watcher, with the secret that is derived
/// from it (watch_secret). A member's hello is the one of version 1, which names no kind, so that
/// older versions read it; a watcher's is of version 2.
///
/// A proof is HMAC(secret, label of the side + both hellos). The labels differ, so that a proof
/// cannot be reflected; both nonces are inside, so that none can be replayed.
namespace evergres::net {

inline constexpr std::size_t proof_bytes = 32;
inline constexpr std::size_t hello_head_bytes = 6;  ///< magic and length of the body
inline constexpr std::size_t max_hello_body_bytes = 256;
inline constexpr std::size_t frame_head_bytes = 4;

enum class CallerKind {
  member,   ///< an agent of the cluster, which speaks for its node
  watcher,  ///< an endpoint: it is told who leads, and says only what it has heard
};

struct Hello {
  CallerKind kind = CallerKind::member;
  std::string nonce;  ///< 32 random bytes
  std::string cluster;
  NodeName name;
};

/// A hello of ours with a fresh nonce.
Hello make_hello(const std::string& cluster, const NodeName& name,
                 CallerKind kind = CallerKind::member);
std::string encode_hello(const Hello& hello);
/// How many bytes of body follow this head. Error data_invalid if it is not the head of a hello.
Result<std::size_t> hello_body_size(std::string_view head);
/// Parses a body from anybody. Error data_invalid; another protocol version is named as such.
Result<Hello> parse_hello_body(std::string_view body);

enum class Side { client, server };

/// What both hellos give, as bytes on the wire (head and body).
class HandshakeKeys {
 public:
  HandshakeKeys(const Secret& secret, std::string_view client_hello, std::string_view server_hello);
  [[nodiscard]] std::string proof_of(Side side) const;
  /// The key for what `side` sends.
  [[nodiscard]] std::string session_key_of(Side side) const;

 private:
  [[nodiscard]] std::string derive(std::string_view label) const;
  Secret secret_;
  std::string transcript_;
};

/// One direction of a session. Seals and opens frames in their order: each MAC covers the number of
/// the frame, so that a frame can be accepted only once and only in its place.
class FrameKey {
 public:
  explicit FrameKey(std::string key) : key_(std::move(key)) {}
  /// Head, payload and MAC of the next frame.
  std::string seal(std::string_view payload);
  /// Whether `mac` is right for the next frame; counts it if so.
  bool accept(std::string_view payload, std::string_view mac);

  static std::size_t length_in(std::string_view head);

 private:
  [[nodiscard]] Mac mac_of(std::string_view payload) const;
  std::string key_;
  std::uint64_t number_ = 0;
};

}  // namespace evergres::net
