#include "proxy/auth/scram_client.hpp"

#include <algorithm>
#include <charconv>

#include "proxy/auth/scram_message.hpp"

namespace evergres::proxy {
namespace {

Error malformed(std::string detail) {
  return Error(ErrorCode::data_invalid, "malformed SCRAM message of the server", std::move(detail));
}

std::string bare(const std::string& nonce) {
  return "n=,r=" + nonce;
}

}  // namespace

Error md5_refused(std::string_view whose) {
  return Error(
      ErrorCode::authentication, "MD5 passwords are not supported",
      std::string(whose) + " has an MD5 password. Whoever reads its hash can log in with it.",
      "Set password_encryption = 'scram-sha-256' and set the password again.");
}

Result<std::string> mechanism_for(const AuthView& request, bool binding) {
  if (request.is(AuthKind::md5)) return md5_refused("The role on the server");
  if (request.is(AuthKind::cleartext)) {
    return Error(ErrorCode::authentication, "the server asks for a password in the clear",
                 "Evergres keeps no passwords, and would not send one.",
                 "Use the method scram-sha-256 in the server's pg_hba.conf.");
  }
  if (!request.is(AuthKind::sasl)) {
    return Error(ErrorCode::authentication,
                 "the server asks for authentication method " + std::to_string(request.kind),
                 "Evergres logs in with SCRAM-SHA-256.",
                 "Use the method scram-sha-256 in the server's pg_hba.conf.");
  }
  const auto names = read_mechanisms(request.data);
  if (!names) return malformed("Its list of mechanisms cannot be read.");
  const auto offered = [&](std::string_view name) {
    return std::find(names->begin(), names->end(), name) != names->end();
  };
  if (binding && offered(scram_plus)) return std::string(scram_plus);
  if (offered(scram_plain)) return std::string(scram_plain);
  return Error(ErrorCode::authentication, "the server offers no mechanism that we know",
               "Evergres logs in with SCRAM-SHA-256, and SCRAM-SHA-256-PLUS inside TLS.");
}

ScramClient::ScramClient(Credential credential, std::string_view mechanism,
                         std::optional<std::string> binding, std::string nonce,
                         std::uint32_t iterations_most)
    : credential_(std::move(credential)),
      nonce_(std::move(nonce)),
      iterations_most_(iterations_most) {
  CHECK(is_nonce(nonce_) && nonce_.size() >= 24);
  CHECK(mechanism == scram_plain || (mechanism == scram_plus && binding));
  // "y": we could bind the channel, and the server did not offer it. It notices if it did.
  if (mechanism == scram_plus) {
    header_ = plus_header;
    channel_ = header_ + *binding;
  } else {
    header_ = binding ? "y,," : "n,,";
    channel_ = header_;
  }
}

ScramClient::~ScramClient() {
  if (auto* password = std::get_if<ScramPassword>(&credential_)) wipe(password->prepared);
}

std::string ScramClient::first() const {
  return header_ + bare(nonce_);
}

Result<ScramKeys> ScramClient::keys_for(std::string_view salt, std::uint32_t iterations) const {
  if (const auto* keys = std::get_if<ScramKeys>(&credential_)) {
    if (keys->salt == salt && keys->iterations == iterations) return *keys;
    return Error(ErrorCode::authentication, "the server has another SCRAM secret",
                 "The keys that were learned at login belong to another salt or number of "
                 "iterations: the password was set anew since, or differs between the servers.",
                 "Log in again; if the secret comes from a file, bring the file up to date.");
  }
  const std::string& password = std::get<ScramPassword>(credential_).prepared;
  const Key salted = salted_password(password, salt, iterations);
  ScramKeys keys;
  keys.client_key = hmac(salted.view(), "Client Key");
  keys.server_key = hmac(salted.view(), "Server Key");
  return keys;
}

Result<std::string> ScramClient::answer(std::string_view server_first) {
  if (!expected_.empty()) return malformed("It continues an exchange that has its answer.");
  if (server_first.find('\0') != std::string_view::npos) return malformed("It has a zero byte.");
  std::string_view rest = server_first;
  const auto nonce = take_attribute(rest, 'r');
  if (!nonce || !is_nonce(*nonce) || !nonce->starts_with(nonce_) ||
      nonce->size() == nonce_.size()) {
    return malformed("Its nonce does not continue ours.");
  }
  const auto salt_text = take_attribute(rest, 's');
  const auto salt = salt_text ? from_base64(*salt_text) : std::nullopt;
  if (!salt || salt->empty()) return malformed("Its salt is not base64.");
  const auto count = take_attribute(rest, 'i');
  std::uint32_t iterations = 0;
  if (!count) return malformed("It has no number of iterations.");
  const char* end = count->data() + count->size();
  const auto [stop, problem] = std::from_chars(count->data(), end, iterations);
  if (problem != std::errc{} || stop != end || iterations < 1 || iterations > iterations_most_) {
    return malformed("Its number of iterations is not 1 to " + std::to_string(iterations_most_) +
                     ".");
  }
  if (!are_extensions(rest)) return malformed("Something that is no attribute follows.");
  Result<ScramKeys> keys = keys_for(*salt, iterations);
  if (!keys) return keys.error();
  const std::string without_proof = "c=" + base64(channel_) + ",r=" + std::string(*nonce);
  const std::string all = bare(nonce_) + "," + std::string(server_first) + "," + without_proof;
  const Key stored_key = sha256(keys->client_key.view());
  const Key proof = keys->client_key ^ hmac(stored_key.view(), all);
  expected_ = base64(hmac(keys->server_key.view(), all).view());
  return without_proof + ",p=" + base64(proof.view());
}

Outcome ScramClient::finish(std::string_view server_final) {
  if (expected_.empty()) return malformed("It ends an exchange that has not begun.");
  std::string_view rest = server_final;
  if (take_attribute(rest, 'e')) {
    return Error(ErrorCode::authentication, "the server refused the login");
  }
  const auto signature = take_attribute(rest, 'v');
  if (!signature || !are_extensions(rest)) return malformed("It has no signature.");
  if (!same_secret(*signature, expected_)) {
    return Error(ErrorCode::authentication, "the server could not prove that it knows the secret",
                 "Who answers there is not the PostgreSQL server that the keys belong to.",
                 "Look at the address, and at who listens there.");
  }
  return {};
}

}  // namespace evergres::proxy
