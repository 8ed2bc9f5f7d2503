#pragma once

#include <optional>
#include <string>
#include <string_view>

/// The texts that both sides of SCRAM exchange: attributes like "r=nonce", divided by commas
/// (RFC 5802, section 7).
namespace evergres::proxy {

inline constexpr std::string_view scram_plain = "SCRAM-SHA-256";
inline constexpr std::string_view scram_plus = "SCRAM-SHA-256-PLUS";
/// The only channel binding of PostgreSQL: the hash of the server's certificate (RFC 5929).
inline constexpr std::string_view plus_header = "p=tls-server-end-point,,";
/// Longer nonces are refused; PostgreSQL's and libpq's have 24 letters.
inline constexpr std::size_t nonce_most = 1024;

/// Takes "<name>=<value>" and the comma behind it from the front of `rest`. Nothing, and `rest` as
/// it was, if something else stands there.
inline std::optional<std::string_view> take_attribute(std::string_view& rest, char name) {
  if (rest.size() < 2 || rest[0] != name || rest[1] != '=') return std::nullopt;
  const std::size_t end = rest.find(',');
  const std::string_view value = rest.substr(2, end == std::string_view::npos ? end : end - 2);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return value;
}

/// Printable ASCII without the comma, not empty and not too long.
inline bool is_nonce(std::string_view text) {
  if (text.empty() || text.size() > nonce_most) return false;
  for (const char c : text) {
    if (c < 0x21 || c > 0x7e || c == ',') return false;
  }
  return true;
}

inline bool is_attribute_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// What is left are attributes that nobody has to understand.
inline bool are_extensions(std::string_view rest) {
  while (!rest.empty()) {
    const char name = rest.front();
    if (!is_attribute_name(name) || name == 'm' || !take_attribute(rest, name)) return false;
  }
  return true;
}

}  // namespace evergres::proxy
