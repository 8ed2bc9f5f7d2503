#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "proxy/auth/digest.hpp"
#include "proxy/wire/startup.hpp"

namespace evergres::proxy {

/// What a proxy knows its client sessions by.
struct SessionIdentity {
  std::uint32_t slot = 0;    ///< below slots_most; given to others when the session has ended
  std::uint64_t number = 0;  ///< never given twice by one run of a proxy
  std::array<char, 4> secret{};  ///< random, of this session
};

/// What the client gets as BackendKeyData.
struct CancelKey {
  std::int32_t pid = 0;  ///< never negative
  std::string key;
};

/// A request that may be about a session of ours: look into the slot, then ask names().
struct OwnSession {
  std::uint32_t slot = 0;
  std::optional<std::uint64_t> number;  ///< of a long key, which was checked
  std::array<char, 4> secret{};         ///< of a short one, which was not
};
/// It is about a session of another proxy of this cluster: forward() it there. With our own number
/// it may be about one that is gone, and there may be another proxy with this number.
struct OtherProxy {
  std::uint16_t proxy = 0;
};
/// Not a key of this cluster, or forwarded too often: nothing is done, and
/// nothing is said.
struct NobodysSession {};
using CancelMeaning = std::variant<OwnSession, OtherProxy, NobodysSession>;

/// Makes cancel keys and reads them when they come back, by any proxy of the cluster and without
/// asking the others. Clients of protocol 3.2 get 40 bytes: proxy, run, slot, number and a MAC of
/// 128 bits, so that nobody can make one up. Clients of 3.0 get 4 random bytes, as from PostgreSQL,
/// and the proxy stands in the process id: bit 31 is zero, then 11 bits of proxy and 20 of slot.
/// Constant: any thread.
class CancelKeys {
 public:
  static constexpr std::uint32_t proxies_most = 2048;
  static constexpr std::uint32_t slots_most = 1U << 20U;
  static constexpr std::size_t long_key = 40;
  /// A request comes from a client, or from the proxy that the client reached.
  static constexpr std::uint8_t hops_most = 1;

  /// `proxy`: 1 to 2047, see proxy_number(). `run`: random, new with each start. `key`: random,
  /// of this cluster, secret.
  CancelKeys(std::uint16_t proxy, std::uint64_t run, Key key);

  [[nodiscard]] std::uint16_t proxy() const { return proxy_; }
  [[nodiscard]] CancelKey issue(const SessionIdentity& session, ProtocolVersion spoken) const;

  /// A request as a client or another proxy sent it.
  [[nodiscard]] CancelMeaning read(const CancelRequest& request) const;

  /// Whether the session that is in the slot now is the one that is meant. In constant time.
  [[nodiscard]] static bool names(const OwnSession& meant, const SessionIdentity& session);

  /// The same request for the proxy that read() named: a CancelRequest with a longer key, which
  /// says how often it was passed on and that a proxy of this cluster did. Nothing if it was passed
  /// on already.
  [[nodiscard]] std::optional<CancelRequest> forward(const CancelRequest& request) const;

 private:
  [[nodiscard]] std::string mac(std::int32_t pid, std::string_view bytes) const;
  [[nodiscard]] CancelMeaning read_long(std::int32_t pid, std::string_view key) const;

  std::uint16_t proxy_;
  std::uint64_t run_;
  Key key_;
};

}  // namespace evergres::proxy
