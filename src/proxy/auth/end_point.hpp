#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace evergres::proxy {

/// What tls-server-end-point binds (RFC 5929, section 4.1): the hash of the server's certificate,
/// with the hash function of its signature, and SHA-256 in place of MD5 and SHA-1. Nothing for
/// signatures that name no hash function (Ed25519): then PLUS is not offered. `der`: the
/// certificate; nothing if it is none.
std::optional<std::string> end_point_hash(std::string_view der);

}  // namespace evergres::proxy
