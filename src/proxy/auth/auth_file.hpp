#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/auth/secret.hpp"

namespace evergres::proxy {

/// What is wrong with one line of a file, as "FILE:LINE: sentence" for people. No secret is in it.
struct FileProblem {
  std::size_t line = 0;  ///< from 1
  std::string what;      ///< without a full stop
  std::string hint;      ///< may be empty

  [[nodiscard]] std::string text(std::string_view file) const;
};

/// PgBouncer's auth_file: who may log in, one `"user" "secret"` per line. A quote inside is written
/// twice; what follows the second field is ignored; empty lines and lines that begin with ; or #
/// are comments. The secret is a SCRAM secret as in pg_authid.rolpassword. A password in the clear
/// is turned into one; an MD5 hash is refused.
struct AuthFile {
  std::map<std::string, ScramSecret, std::less<>> users;
  /// Those that stand there in the clear, prepared: their secret has a salt of ours, so that what a
  /// login leaves opens no server. Secrets: never shown.
  std::map<std::string, std::string, std::less<>> passwords;
  /// A user in a line with a problem cannot log in, also if another line would let them.
  std::vector<FileProblem> problems;
};

/// `salt_key`: random, of this cluster, secret; salts are derived from it, so that reading the same
/// file again gives the same secrets. Slow if passwords are in the clear (2 ms each): not on a
/// thread that serves clients.
AuthFile read_auth_file(std::string_view text, const Key& salt_key);

}  // namespace evergres::proxy
