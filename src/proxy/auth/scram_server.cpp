#include "proxy/auth/scram_server.hpp"

#include "proxy/auth/scram_message.hpp"

namespace evergres::proxy {
namespace {

Error malformed(std::string detail) {
  return Error(ErrorCode::data_invalid, "malformed SCRAM message", std::move(detail));
}

Error wrong() {
  return Error(ErrorCode::authentication, "password authentication failed");
}

}  // namespace

ScramServer::ScramServer(ScramSecret secret, bool real, std::optional<std::string> binding,
                         std::string nonce)
    : secret_(std::move(secret)),
      real_(real),
      binding_(std::move(binding)),
      nonce_(std::move(nonce)) {
  CHECK(is_nonce(nonce_) && nonce_.size() >= 24);
}

/// The header says whether the channel is bound: p, not (n), or "I could, but you do not seem to"
/// (y), which is a lie of somebody in between when we offered it.
Outcome ScramServer::judge_flag(std::string_view mechanism, std::string_view rest) const {
  const bool plus = mechanism == scram_plus;
  if (!plus && mechanism != scram_plain) {
    return malformed("The client selected a mechanism that was not offered.");
  }
  if (plus && !binding_) return malformed("Channel binding was not offered.");
  if (rest.starts_with("p=")) {
    if (!plus) return malformed("The client binds the channel without SCRAM-SHA-256-PLUS.");
    if (!rest.starts_with("p=tls-server-end-point,")) {
      return malformed("The only channel binding is tls-server-end-point.");
    }
  } else if (rest.starts_with("y,")) {
    if (plus) return malformed("SCRAM-SHA-256-PLUS binds the channel.");
    if (binding_) {
      return Error(ErrorCode::data_invalid, "SCRAM channel binding negotiation error",
                   "The client supports channel binding and thinks that the server does not; the "
                   "server does, and offered it.",
                   "Look for somebody between client and server.");
    }
  } else if (rest.starts_with("n,")) {
    if (plus) return malformed("SCRAM-SHA-256-PLUS binds the channel.");
  } else {
    return malformed("It does not begin with a channel binding flag.");
  }
  return {};
}

Outcome ScramServer::take_header(std::string_view mechanism, std::string_view& rest) {
  const std::string_view whole = rest;
  if (Outcome flag = judge_flag(mechanism, rest); !flag) return flag;
  rest.remove_prefix(rest.find(',') + 1);
  if (!rest.starts_with(',')) {
    return malformed("Authorisation identities are not supported.");
  }
  rest.remove_prefix(1);
  header_ = whole.substr(0, whole.size() - rest.size());
  return {};
}

Result<std::string> ScramServer::begin(std::string_view mechanism, std::string_view message) {
  if (!server_first_.empty()) return malformed("The exchange has begun already.");
  if (message.find('\0') != std::string_view::npos) return malformed("It has a zero byte.");
  std::string_view rest = message;
  if (Outcome bound = take_header(mechanism, rest); !bound) return bound.error();
  client_first_ = rest;
  if (rest.starts_with("m=")) {
    return malformed("The client requires an extension that is not supported.");
  }
  // The name in here is ignored, as by PostgreSQL: the one in the startup message counts.
  if (!take_attribute(rest, 'n')) return malformed("It has no user name attribute.");
  const auto nonce = take_attribute(rest, 'r');
  if (!nonce || !is_nonce(*nonce)) return malformed("It has no printable nonce.");
  if (!are_extensions(rest)) return malformed("Something that is no attribute follows the nonce.");
  nonce_ = std::string(*nonce) + nonce_;
  server_first_ =
      "r=" + nonce_ + ",s=" + base64(secret_.salt) + ",i=" + std::to_string(secret_.iterations);
  return server_first_;
}

Result<ScramServer::Proven> ScramServer::finish(std::string_view message) {
  if (server_first_.empty()) return malformed("It ends an exchange that has not begun.");
  if (message.find('\0') != std::string_view::npos) return malformed("It has a zero byte.");
  std::string_view rest = message;
  const auto channel = take_attribute(rest, 'c');
  if (!channel) return malformed("It has no channel binding attribute.");
  const bool plus = header_ == plus_header;
  if (*channel != base64(header_ + (plus ? *binding_ : std::string()))) {
    if (!plus) return malformed("Its channel binding is not that of the first message.");
    return Error(ErrorCode::authentication, "SCRAM channel binding check failed",
                 "The client's TLS does not end here: it has seen another certificate.",
                 "Look for somebody between client and server.");
  }
  const auto nonce = take_attribute(rest, 'r');
  if (!nonce || !same_secret(*nonce, nonce_)) return malformed("Its nonce is not the agreed one.");
  while (!rest.empty() && rest.front() != 'p') {
    const char name = rest.front();
    if (name == 'm' || !is_attribute_name(name) || !take_attribute(rest, name)) {
      return malformed("Something that is no attribute follows the nonce.");
    }
  }
  const std::string_view without_proof = message.substr(0, message.size() - rest.size() - 1);
  const auto proof_text = take_attribute(rest, 'p');
  if (!proof_text || !rest.empty()) return malformed("It does not end with a proof.");
  const auto bytes = from_base64(*proof_text);
  const auto proof = bytes ? Key::of(*bytes) : std::nullopt;
  if (!proof) return malformed("Its proof is not 32 bytes in base64.");

  const std::string all = client_first_ + "," + server_first_ + "," + std::string(without_proof);
  Proven proven;
  proven.keys.iterations = secret_.iterations;
  proven.keys.salt = secret_.salt;
  proven.keys.client_key = *proof ^ hmac(secret_.stored_key.view(), all);
  proven.keys.server_key = secret_.server_key;
  const bool knows = sha256(proven.keys.client_key.view()).same(secret_.stored_key);
  if (!knows || !real_) return wrong();
  proven.message = "v=" + base64(hmac(secret_.server_key.view(), all).view());
  return proven;
}

}  // namespace evergres::proxy
