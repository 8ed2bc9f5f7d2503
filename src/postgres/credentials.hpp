#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace evergres::postgres {

/// The password of replication_role: base64url of HMAC-SHA256(cluster secret, "evergres
/// replication"), so that every member knows it and it is never sent or stored in the store.
std::string replication_password(std::string_view cluster_secret);

/// A SCRAM-SHA-256 verifier as pg_authid keeps it, with a fresh salt and 4096 rounds (RFC 5803), so
/// that the password itself never reaches a statement or a log. Printable ASCII only, because other
/// passwords need SASLprep: those are `usage`.
Result<std::string> scram_verifier(std::string_view password);

/// Whether a verifier that scram_verifier() made, in whatever cluster, is that of this password.
bool is_verifier_of(std::string_view verifier, std::string_view password);

}  // namespace evergres::postgres
