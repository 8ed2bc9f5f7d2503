#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/auth/auth_file.hpp"

namespace evergres::proxy {

/// One line "MAP NAME-IN-THE-CERTIFICATE USER", as in pg_ident.conf.
struct IdentRule {
  std::size_t line = 0;
  std::string map;
  std::string system_name;
  std::string user;  ///< "" (the keyword all): every user
};

struct IdentFile {
  std::vector<IdentRule> rules;
  /// With a problem the file is not used at all, as with host rules.
  std::vector<FileProblem> problems;
};

/// Reads a map. Regular expressions, groups and includes are problems with the reason.
IdentFile read_ident_map(std::string_view text);

/// Whether whoever showed `system_name` may be `user`. Without a map (map "") only if both names
/// are the same; a map that does not exist lets nobody in. Case counts.
bool may_be(const std::vector<IdentRule>& rules, std::string_view map, std::string_view system_name,
            std::string_view user);

/// Whom a certificate names.
struct CertificateNames {
  std::string common_name;  ///< of the subject: the first CN, as PostgreSQL takes it; may be ""
  std::string distinguished_name;  ///< of the subject, as RFC 2253 writes it
};

/// Nothing if `der` is no certificate, or if its common name has a zero byte in it (who made the
/// certificate may have judged another part of the name). The caller has verified the certificate.
std::optional<CertificateNames> certificate_names(std::string_view der);

}  // namespace evergres::proxy
