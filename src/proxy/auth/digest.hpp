#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// The primitives of SCRAM-SHA-256 (RFC 5802, RFC 7677), over OpenSSL's. Any thread.
namespace evergres::proxy {

/// A SHA-256 or an HMAC: 32 bytes that are overwritten when they are no longer needed.
class Key {
 public:
  static constexpr std::size_t size = 32;

  Key() = default;
  Key(const Key&) = default;
  Key& operator=(const Key&) = default;
  ~Key();

  /// Nothing unless `bytes` are 32.
  static std::optional<Key> of(std::string_view bytes);

  [[nodiscard]] std::string_view view() const;
  [[nodiscard]] unsigned char* data() { return bytes_.data(); }
  /// In constant time.
  [[nodiscard]] bool same(const Key& other) const;
  friend Key operator^(const Key& a, const Key& b);

 private:
  std::array<unsigned char, size> bytes_{};
};

Key sha256(std::string_view bytes);
Key hmac(std::string_view key, std::string_view bytes);
/// PBKDF2 with HMAC-SHA-256: the one slow step, 4,096 iterations take about 2 ms.
Key salted_password(std::string_view password, std::string_view salt, std::uint32_t iterations);

/// Whether two texts are equal, in a time that tells nothing about where they differ.
bool same_secret(std::string_view a, std::string_view b);
/// Overwrites and empties it.
void wipe(std::string& secret);

std::string base64(std::string_view bytes);
/// Nothing unless it is base64 as one encodes it: padded, without blanks.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace evergres::proxy
