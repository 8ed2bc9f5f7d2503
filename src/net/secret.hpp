#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/strong.hpp"

namespace evergres::net {

/// The cluster secret that all nodes share. Never in arguments, logs, errors or the environment.
using Secret = StrongText<struct SecretTag>;

/// Reads the secret (trailing white space removed). The file must be a regular file of this user or
/// root with mode 0600 or 0400, and hold 16 to 4096 bytes. Errors: not_found, permission,
/// data_invalid; they never quote the content. Blocks for the time of a file read.
Result<Secret> load_secret(const std::filesystem::path& file);

/// Makes a secret of 64 hexadecimal characters in a new file of mode 0600 and fsyncs it. Error
/// already_exists if there is a file: a secret is never replaced silently.
Result<Secret> create_secret(const std::filesystem::path& file);

using Mac = std::array<unsigned char, 32>;

/// HMAC-SHA256 (RFC 2104) of `text` under `key`.
Mac hmac_sha256(std::string_view key, std::string_view text);

/// The password of a role that every node knows from the cluster secret, so that it is never sent
/// or stored: base64url of HMAC-SHA256(secret, purpose).
std::string derived_password(const Secret& secret, std::string_view purpose);

/// Who asks PostgreSQL for the secrets of those who log in at the endpoint, and the purpose of its
/// password. PostgreSQL's side and the endpoint's have to agree.
inline constexpr const char* auth_role = "evergres_auth";
inline constexpr std::string_view auth_purpose = "evergres auth";

/// What a watcher knows instead of the cluster secret, derived from it like
/// derived_password(). Nobody can speak as a member with it, nor find the cluster secret from it.
Secret watch_secret(const Secret& cluster_secret);

/// RFC 4648, with padding.
std::string base64(std::string_view bytes);

/// Whether both texts are equal, in a time that depends on their lengths only.
bool same_bytes(std::string_view left, std::string_view right);

}  // namespace evergres::net
