#include "proxy/login/cancel_keys.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "proxy/wire/reader.hpp"

namespace evergres::proxy {
namespace {

constexpr unsigned slot_bits = 20;
constexpr std::size_t mac_bytes = 16;
constexpr std::uint8_t issued_key = 1;
constexpr std::uint8_t forwarded_key = 2;
/// Kind, hops.
constexpr std::size_t forwarded_head = 2;

void append(std::string& to, std::uint64_t value, unsigned bytes) {
  for (unsigned i = bytes; i > 0; --i) to += static_cast<char>((value >> (8 * (i - 1))) & 0xffU);
}

std::uint64_t u64(Reader& reader) {
  const std::uint64_t high = reader.u32();
  return (high << 32U) | reader.u32();
}

std::int32_t pid_of(std::uint16_t proxy, std::uint32_t slot) {
  return static_cast<std::int32_t>((std::uint32_t{proxy} << slot_bits) | slot);
}

/// What was passed on: how often, and the client's key. Only mac() tells whether it is true.
struct Forwarded {
  std::uint8_t hops = 0;
  std::string_view key;
  std::string_view signed_part;
  std::string_view mac;
};

std::optional<Forwarded> read_forwarded(std::string_view key) {
  // Neither of the two that are issued has this length.
  if (key.size() != forwarded_head + cancel_key_least + mac_bytes &&
      key.size() != forwarded_head + CancelKeys::long_key + mac_bytes) {
    return std::nullopt;
  }
  if (static_cast<std::uint8_t>(key[0]) != forwarded_key) return std::nullopt;
  Forwarded read;
  read.hops = static_cast<std::uint8_t>(key[1]);
  read.signed_part = key.substr(0, key.size() - mac_bytes);
  read.key = read.signed_part.substr(forwarded_head);
  read.mac = key.substr(key.size() - mac_bytes);
  return read;
}

}  // namespace

CancelKeys::CancelKeys(std::uint16_t proxy, std::uint64_t run, Key key)
    : proxy_(proxy), run_(run), key_(key) {
  CHECK(proxy >= 1 && proxy < proxies_most);
}

std::string CancelKeys::mac(std::int32_t pid, std::string_view bytes) const {
  std::string text = "evergres cancel key";
  append(text, static_cast<std::uint32_t>(pid), 4);
  text += bytes;
  return std::string(hmac(key_.view(), text).view().substr(0, mac_bytes));
}

CancelKey CancelKeys::issue(const SessionIdentity& session, ProtocolVersion spoken) const {
  CHECK(session.slot < slots_most);
  CancelKey issued;
  issued.pid = pid_of(proxy_, session.slot);
  if (spoken < ProtocolVersion{3, 2}) {
    issued.key.assign(session.secret.begin(), session.secret.end());
    return issued;
  }
  append(issued.key, issued_key, 2);
  append(issued.key, proxy_, 2);
  append(issued.key, session.slot, 4);
  append(issued.key, run_, 8);
  append(issued.key, session.number, 8);
  issued.key += mac(issued.pid, issued.key);
  CHECK(issued.key.size() == long_key);
  return issued;
}

CancelMeaning CancelKeys::read_long(std::int32_t pid, std::string_view key) const {
  const std::string_view signed_part = key.substr(0, long_key - mac_bytes);
  if (!same_secret(mac(pid, signed_part), key.substr(long_key - mac_bytes))) {
    return NobodysSession{};
  }
  Reader reader(signed_part);
  const std::uint16_t kind = reader.u16();
  const std::uint16_t proxy = reader.u16();
  const std::uint32_t slot = reader.u32();
  const std::uint64_t run = u64(reader);
  OwnSession own;
  own.slot = slot;
  own.number = u64(reader);
  if (kind != issued_key || !reader.done() || slot >= slots_most) return NobodysSession{};
  // Another node's endpoint may have the same number.
  if (proxy != proxy_ || run != run_) return OtherProxy{proxy};
  return own;
}

CancelMeaning CancelKeys::read(const CancelRequest& request) const {
  std::string_view key = request.key;
  bool may_pass_on = true;
  if (const auto forwarded = read_forwarded(key)) {
    if (!same_secret(mac(request.pid, forwarded->signed_part), forwarded->mac)) {
      return NobodysSession{};
    }
    key = forwarded->key;
    may_pass_on = forwarded->hops < hops_most;
  }
  CancelMeaning meaning = NobodysSession{};
  if (key.size() == long_key) {
    meaning = read_long(request.pid, key);
  } else if (key.size() == cancel_key_least && request.pid >= 0) {
    const auto pid = static_cast<std::uint32_t>(request.pid);
    const auto proxy = static_cast<std::uint16_t>(pid >> slot_bits);
    if (proxy == proxy_) {
      OwnSession own;
      own.slot = pid & (slots_most - 1);
      std::copy(key.begin(), key.end(), own.secret.begin());
      meaning = own;
    } else if (proxy != 0) {
      meaning = OtherProxy{proxy};
    }
  }
  if (std::holds_alternative<OtherProxy>(meaning) && !may_pass_on) return NobodysSession{};
  return meaning;
}

bool CancelKeys::names(const OwnSession& meant, const SessionIdentity& session) {
  if (meant.slot != session.slot) return false;
  if (meant.number) return *meant.number == session.number;
  return same_secret({meant.secret.data(), meant.secret.size()},
                     {session.secret.data(), session.secret.size()});
}

std::optional<CancelRequest> CancelKeys::forward(const CancelRequest& request) const {
  // What was passed on once is not passed on again; hops_most would have to be counted up here.
  static_assert(hops_most == 1);
  if (read_forwarded(request.key)) return std::nullopt;
  if (request.key.size() != long_key && request.key.size() != cancel_key_least) {
    return std::nullopt;
  }
  CancelRequest passed;
  passed.pid = request.pid;
  append(passed.key, forwarded_key, 1);
  append(passed.key, hops_most, 1);
  passed.key += request.key;
  passed.key += mac(request.pid, passed.key);
  return passed;
}

}  // namespace evergres::proxy
