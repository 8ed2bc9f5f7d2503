#include "postgres/credentials.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>

#include "net/secret.hpp"

namespace evergres::postgres {

namespace {

using Digest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;
constexpr int scram_rounds = 4096;
constexpr std::string_view verifier_head = "SCRAM-SHA-256$4096:";

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Digest hmac(const unsigned char* key, std::size_t key_size, std::string_view message) {
  Digest digest{};
  unsigned int size = 0;
  CHECK(HMAC(EVP_sha256(), key, static_cast<int>(key_size), bytes(message), message.size(),
             digest.data(), &size) != nullptr);
  return digest;
}

std::string base64(const unsigned char* data, std::size_t size) {
  std::string text(4 * ((size + 2) / 3) + 1, '\0');
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), data, static_cast<int>(size));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

/// With 4096 rounds, which are the only ones that we use.
std::string verifier_of(std::string_view password, std::string_view salt) {
  Digest salted{};
  CHECK(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), bytes(salt),
                          static_cast<int>(salt.size()), scram_rounds, EVP_sha256(),
                          static_cast<int>(salted.size()), salted.data()) == 1);
  const Digest client_key = hmac(salted.data(), salted.size(), "Client Key");
  const Digest server_key = hmac(salted.data(), salted.size(), "Server Key");
  Digest stored_key{};
  SHA256(client_key.data(), client_key.size(), stored_key.data());
  return std::string(verifier_head) + base64(bytes(salt), salt.size()) + "$" +
         base64(stored_key.data(), stored_key.size()) + ":" +
         base64(server_key.data(), server_key.size());
}

/// Of base64 with padding, in whole blocks.
std::string decoded(std::string_view text) {
  std::string result(text.size() / 4 * 3, '\0');
  const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(result.data()), bytes(text),
                                     static_cast<int>(text.size()));
  if (length < 0) return {};
  const std::size_t padding = text.size() - (text.find_last_not_of('=') + 1);
  result.resize(static_cast<std::size_t>(length) - std::min<std::size_t>(padding, 2));
  return result;
}

}  // namespace

std::string replication_password(std::string_view cluster_secret) {
  const Digest digest = hmac(bytes(cluster_secret), cluster_secret.size(), "evergres replication");
  std::string text = base64(digest.data(), digest.size());
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  while (text.ends_with('=')) text.pop_back();
  return text;
}

Result<std::string> scram_verifier(std::string_view password) {
  const bool plain = std::all_of(password.begin(), password.end(),
                                 [](char byte) { return byte >= ' ' && byte <= '~'; });
  if (!plain || password.empty()) {
    return Error(ErrorCode::usage, "the password cannot be used",
                 "A password must not be empty and may have only printable ASCII characters.",
                 "Choose another password.");
  }
  std::string salt(16, '\0');
  CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(salt.data()), static_cast<int>(salt.size())) ==
        1);
  return verifier_of(password, salt);
}

bool is_verifier_of(std::string_view verifier, std::string_view password) {
  if (!verifier.starts_with(verifier_head)) return false;
  const std::string_view rest = verifier.substr(verifier_head.size());
  const std::string salt = decoded(rest.substr(0, rest.find('$')));
  return !salt.empty() && net::same_bytes(verifier, verifier_of(password, salt));
}

}  // namespace evergres::postgres
