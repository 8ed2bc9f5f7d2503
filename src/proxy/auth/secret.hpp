#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "proxy/auth/digest.hpp"

namespace evergres::proxy {

/// What PostgreSQL stores of a password (pg_authid.rolpassword): enough to check somebody who knows
/// it, not enough to log in with.
struct ScramSecret {
  std::uint32_t iterations = 4096;
  std::string salt;  ///< bytes
  Key stored_key;
  Key server_key;
};

/// PostgreSQL's default (scram_iterations).
inline constexpr std::uint32_t usual_iterations = 4096;

/// "SCRAM-SHA-256$4096:<salt>$<stored key>:<server key>", the last three in base64. Nothing unless
/// the whole text is one.
std::optional<ScramSecret> read_secret(std::string_view text);
std::string text_of(const ScramSecret& secret);

/// `password` is what prepare_password() made of it. Slow on purpose.
ScramSecret make_secret(std::string_view password, std::string salt,
                        std::uint32_t iterations = usual_iterations);

/// For a user who does not exist: it looks like a secret, is the same each time, and nobody knows
/// its password (PostgreSQL's mock authentication). `mock_key`: random, of this cluster, secret.
ScramSecret mock_secret(std::string_view user, const Key& mock_key,
                        std::uint32_t iterations = usual_iterations);

/// The password as SCRAM uses it. PostgreSQL normalises it with SASLprep (RFC 4013) where that is
/// possible and takes its bytes where it is not (common/saslprep.c). Here a password passes whose
/// bytes SASLprep is known to leave alone: ASCII, bytes that are not UTF-8, and the letters listed
/// in secret.cpp. Others are refused rather than guessed; their SCRAM secret works everywhere.
Result<std::string> prepare_password(std::string_view password);

}  // namespace evergres::proxy
