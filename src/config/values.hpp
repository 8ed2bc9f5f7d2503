#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/instant.hpp"

namespace evergres::config {

/// A whole decimal number, optionally with a sign; nothing if anything else stands there.
std::optional<std::int64_t> parse_integer(std::string_view text);

/// "1200ms", "3s", "2min", "1h", "7d", with a whole number; nothing for anything else.
std::optional<Millis> parse_duration(std::string_view text);

inline constexpr std::uint64_t unlimited_size = UINT64_MAX;

/// "1000", "512kB", "1MB", "4GB" in bytes (a kB has 1024), or "unlimited"; nothing for anything
/// else.
std::optional<std::uint64_t> parse_size(std::string_view text);

/// Whether it looks like a host name or a numeric address (IPv4, IPv6 without brackets), at most
/// 253 bytes, without a port.
bool is_host(std::string_view text);

struct HostPort {
  std::string host;  ///< without brackets
  int port = 0;
};
/// "host", "host:port", "[address]", "[address]:port"; nothing for anything else.
std::optional<HostPort> parse_host_port(std::string_view text, int usual_port);
/// "host:port", "[address]:port".
std::string host_port_text(const HostPort& address);

/// Whether it can be the name of a PostgreSQL setting: letters, digits, '_' and one '.' for a
/// class.
bool is_setting_name(std::string_view text);

/// Whether it can be a user of HTTP's basic authentication: 1 to 63 printable ASCII characters
/// without white space and without a colon.
bool is_user(std::string_view text);

}  // namespace evergres::config
