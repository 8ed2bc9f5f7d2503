#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/auth/auth_file.hpp"

namespace evergres::proxy {

/// An IP address. An IPv4 address that is written as IPv6 (::ffff:10.0.0.1) is the IPv4 address.
struct IpAddress {
  bool v6 = false;
  std::array<std::uint8_t, 16> bytes{};  ///< of IPv4 the first four
  auto operator<=>(const IpAddress&) const = default;

  [[nodiscard]] unsigned bits() const { return v6 ? 128 : 32; }
  static std::optional<IpAddress> parse(std::string_view text);
};

enum class HbaKind { local, host, hostssl, hostnossl };
enum class HbaMethod { reject, scram, cert, peer };

/// One line of the rules: like pg_hba.conf, first match decides.
struct HbaRule {
  std::size_t line = 0;
  HbaKind kind = HbaKind::host;
  std::vector<std::string> databases;  ///< names; "" stands for all of them
  bool same_user = false;              ///< the keyword sameuser: a database called like its user
  bool replication = false;            ///< the keyword replication
  std::vector<std::string> users;      ///< names; "" stands for all of them
  std::optional<IpAddress> network;    ///< absent: every address, or `local`
  unsigned prefix = 0;                 ///< bits of `network` that count
  HbaMethod method = HbaMethod::reject;
  bool needs_certificate = false;  ///< clientcert=verify-full: also a certificate of this user
  std::string map;                 ///< map=NAME: how names in certificates become users
  bool by_distinguished_name = false;  ///< clientname=DN: the map is about whole names, not CNs
};

struct HbaFile {
  std::vector<HbaRule> rules;
  /// With a problem the file is not used at all: a line that is left out may be a reject.
  std::vector<FileProblem> problems;
};

/// Reads rules. What pg_hba.conf can say and this cannot is a problem with the reason: groups,
/// regular expressions, host names, samehost, samenet, include, and methods that prove nothing.
HbaFile read_hba(std::string_view text);

/// Who asks to be let in.
struct HbaQuestion {
  std::optional<IpAddress> address;  ///< absent: a unix socket
  bool tls = false;
  std::string_view user;
  std::string_view database;
  bool physical_replication = false;  ///< belongs to no database: only `replication` lets it in
};

/// The rule that decides, nothing if none matches: then the answer is no.
const HbaRule* match(const std::vector<HbaRule>& rules, const HbaQuestion& question);

}  // namespace evergres::proxy
