#include "proxy/auth/digest.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

#include "base/check.hpp"

namespace evergres::proxy {
namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const unsigned char* bytes_of(std::string_view text) {
  // An empty view may have no address, which OpenSSL does not take.
  static constexpr unsigned char none = 0;
  return text.empty() ? &none : reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

Key::~Key() {
  OPENSSL_cleanse(bytes_.data(), bytes_.size());
}

std::optional<Key> Key::of(std::string_view bytes) {
  if (bytes.size() != size) return std::nullopt;
  Key key;
  std::copy(bytes.begin(), bytes.end(), key.bytes_.begin());
  return key;
}

std::string_view Key::view() const {
  return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
}

bool Key::same(const Key& other) const {
  return CRYPTO_memcmp(bytes_.data(), other.bytes_.data(), size) == 0;
}

Key operator^(const Key& a, const Key& b) {
  Key both;
  for (std::size_t i = 0; i < Key::size; ++i) {
    both.bytes_[i] = static_cast<unsigned char>(a.bytes_[i] ^ b.bytes_[i]);
  }
  return both;
}

Key sha256(std::string_view bytes) {
  Key digest;
  unsigned int length = 0;
  CHECK(EVP_Digest(bytes_of(bytes), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr) ==
        1);
  CHECK(length == Key::size);
  return digest;
}

Key hmac(std::string_view key, std::string_view bytes) {
  Key digest;
  unsigned int length = 0;
  CHECK(HMAC(EVP_sha256(), bytes_of(key), static_cast<int>(key.size()), bytes_of(bytes),
             bytes.size(), digest.data(), &length) != nullptr);
  CHECK(length == Key::size);
  return digest;
}

Key salted_password(std::string_view password, std::string_view salt, std::uint32_t iterations) {
  CHECK(iterations >= 1 && iterations <= 0x7fffffffU);
  Key salted;
  CHECK(PKCS5_PBKDF2_HMAC(reinterpret_cast<const char*>(bytes_of(password)),
                          static_cast<int>(password.size()), bytes_of(salt),
                          static_cast<int>(salt.size()), static_cast<int>(iterations), EVP_sha256(),
                          Key::size, salted.data()) == 1);
  return salted;
}

bool same_secret(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(bytes_of(a), bytes_of(b), a.size()) == 0;
}

void wipe(std::string& secret) {
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

std::string base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::string_view group = bytes.substr(at, 3);
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      bits = (bits << 8U) | (i < group.size() ? static_cast<unsigned char>(group[i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      text += i <= group.size() ? alphabet[(bits >> (18 - 6 * i)) & 63U] : '=';
    }
  }
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::string bytes;
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool padded = i >= text.size() - padding;
    const std::size_t digit = padded ? 0 : alphabet.find(text[i]);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = ((bits & 0xffffffU) << 6U) | static_cast<std::uint32_t>(digit);
    if (i % 4 != 3) continue;
    for (int shift = 16; shift >= 0; shift -= 8) bytes += static_cast<char>((bits >> shift) & 255U);
    bits = 0;
  }
  if (padding > 0) {
    // Bits that belong to no byte are zero, so that one value has one spelling.
    for (std::size_t i = 0; i < padding; ++i) {
      if (bytes.back() != '\0') return std::nullopt;
      bytes.pop_back();
    }
    if (base64(bytes) != text) return std::nullopt;
  }
  return bytes;
}

}  // namespace evergres::proxy
