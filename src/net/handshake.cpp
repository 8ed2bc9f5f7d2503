#include "net/handshake.hpp"

#include <sys/random.h>

#include "base/check.hpp"

namespace evergres::net {
namespace {

constexpr std::string_view magic = "EVG1";
constexpr unsigned char version_of_members = 1;
constexpr unsigned char version_with_kinds = 2;
constexpr unsigned char kind_watcher = 1;
constexpr std::size_t nonce_bytes = 32;

void append_number(std::string& into, std::uint64_t number, std::size_t bytes) {
  for (std::size_t left = bytes; left > 0; --left) {
    into += static_cast<char>((number >> (8 * (left - 1))) & 0xFFU);
  }
}

std::uint64_t number_in(std::string_view bytes) {
  std::uint64_t number = 0;
  for (const char byte : bytes) number = (number << 8U) | static_cast<unsigned char>(byte);
  return number;
}

std::string text_of(const Mac& mac) {
  return std::string(reinterpret_cast<const char*>(mac.data()), mac.size());
}

Error no_hello(std::string detail) {
  return Error(ErrorCode::data_invalid, "the other side does not speak the peers' protocol",
               std::move(detail), "Check that the address is the peer port of an evergres agent.");
}

}  // namespace

Hello make_hello(const std::string& cluster, const NodeName& name, CallerKind kind) {
  Hello hello;
  hello.kind = kind;
  hello.nonce.resize(nonce_bytes);
  CHECK(getrandom(hello.nonce.data(), nonce_bytes, 0) == static_cast<ssize_t>(nonce_bytes));
  hello.cluster = cluster;
  hello.name = name;
  return hello;
}

std::string encode_hello(const Hello& hello) {
  CHECK(hello.nonce.size() == nonce_bytes && hello.cluster.size() <= 100);
  CHECK(is_node_name(hello.name.value));
  std::string body;
  if (hello.kind == CallerKind::member) {
    append_number(body, version_of_members, 1);
  } else {
    append_number(body, version_with_kinds, 1);
    append_number(body, kind_watcher, 1);
  }
  body += hello.nonce;
  append_number(body, hello.cluster.size(), 1);
  body += hello.cluster;
  append_number(body, hello.name.value.size(), 1);
  body += hello.name.value;
  std::string whole(magic);
  append_number(whole, body.size(), 2);
  return whole + body;
}

Result<std::size_t> hello_body_size(std::string_view head) {
  if (head.size() != hello_head_bytes || !head.starts_with(magic)) {
    return no_hello("The first bytes are not those of a hello.");
  }
  const std::size_t size = number_in(head.substr(magic.size()));
  if (size > max_hello_body_bytes) return no_hello("The hello is too long.");
  return size;
}

Result<Hello> parse_hello_body(std::string_view body) {
  if (body.empty()) return no_hello("The hello is empty.");
  const auto version = static_cast<unsigned char>(body.front());
  if (version != version_of_members && version != version_with_kinds) {
    return no_hello("It speaks version " + std::to_string(version) +
                    ", we speak versions 1 and 2.");
  }
  body.remove_prefix(1);
  Hello hello;
  if (version == version_with_kinds) {
    if (body.empty()) return no_hello("The hello is too short.");
    const auto kind = static_cast<unsigned char>(body.front());
    if (kind != kind_watcher) {
      return no_hello("Its kind, " + std::to_string(kind) + ", is not known here.");
    }
    hello.kind = CallerKind::watcher;
    body.remove_prefix(1);
  }
  if (body.size() < nonce_bytes) return no_hello("The hello is too short.");
  hello.nonce = body.substr(0, nonce_bytes);
  body.remove_prefix(nonce_bytes);
  for (std::string* text : {&hello.cluster, &hello.name.value}) {
    const std::size_t size = body.empty() ? 0 : static_cast<unsigned char>(body.front());
    if (body.size() < size + 1) return no_hello("The hello is too short.");
    *text = body.substr(1, size);
    body.remove_prefix(size + 1);
  }
  if (!body.empty() || !is_node_name(hello.name.value)) {
    return no_hello("The hello does not name a node.");
  }
  return hello;
}

HandshakeKeys::HandshakeKeys(const Secret& secret, std::string_view client_hello,
                             std::string_view server_hello)
    : secret_(secret), transcript_(std::string(client_hello) + std::string(server_hello)) {}

std::string HandshakeKeys::derive(std::string_view label) const {
  // The 0 byte ends the label, so that no label with a hello is another label with another hello.
  const std::string text = "evergres peers " + std::string(label) + '\0' + transcript_;
  return text_of(hmac_sha256(secret_.value, text));
}

std::string HandshakeKeys::proof_of(Side side) const {
  return derive(side == Side::client ? "proof client" : "proof server");
}

std::string HandshakeKeys::session_key_of(Side side) const {
  return derive(side == Side::client ? "key client" : "key server");
}

Mac FrameKey::mac_of(std::string_view payload) const {
  std::string text;
  text.reserve(12 + payload.size());
  append_number(text, number_, 8);
  append_number(text, payload.size(), 4);
  text += payload;
  return hmac_sha256(key_, text);
}

std::string FrameKey::seal(std::string_view payload) {
  std::string frame;
  frame.reserve(frame_head_bytes + payload.size() + proof_bytes);
  append_number(frame, payload.size(), frame_head_bytes);
  frame += payload;
  frame += text_of(mac_of(payload));
  ++number_;
  return frame;
}

bool FrameKey::accept(std::string_view payload, std::string_view mac) {
  if (!same_bytes(text_of(mac_of(payload)), mac)) return false;
  ++number_;
  return true;
}

std::size_t FrameKey::length_in(std::string_view head) {
  CHECK(head.size() == frame_head_bytes);
  return number_in(head);
}

}  // namespace evergres::net
