#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "postgres/server.hpp"

namespace evergres::postgres {

/// Who may connect. `closed` from start or fence until the barrier, `open` while leading (and on
/// standbys that serve reads).
enum class Gate {
  closed,  ///< this machine's agent and the members
  open,    ///< applications of this machine as well
};

/// Applications of other machines that an open gate admits, with a password (scram-sha-256).
struct Admission {
  std::string address;   ///< CIDR
  std::string database;  ///< "all" or one name; "replication": no database, but the WAL
  std::string user;      ///< "all" or one name; for replication a name
  auto operator<=>(const Admission&) const = default;
};

/// Where the endpoints are that stand before a server. With them an open gate admits applications
/// only over the unix socket, whose directory is this user's alone (the endpoint of this machine),
/// and over TLS with a certificate of the cluster from a member's host or one of these; with a
/// password (scram-sha-256) in both cases.
struct Endpoints {
  std::vector<std::string> other_hosts;  ///< addresses or names
  auto operator<=>(const Endpoints&) const = default;
};

/// pg_hba.conf. The first matching line decides: the superuser over TCP is rejected first, then the
/// agent (peer, map `evergres`), the members (scram-sha-256, role evergres_replication, replication
/// and database postgres only), with an open gate the applications over loopback and the unix
/// socket and those of `admissions` (scram-sha-256) or, with `endpoints`, those that come through
/// them, and everybody else is rejected by an explicit line. A host that is neither an address nor
/// a plausible name, and an admission that is more than one range, database and user, or one of
/// everybody to replication, is `config_invalid`.
Result<std::string> render_hba(const Server& server, Gate gate,
                               const std::vector<std::string>& member_hosts,
                               const std::vector<Admission>& admissions = {},
                               const std::optional<Endpoints>& endpoints = {});
/// The rules of this node's endpoint, in the words of pg_hba.conf: applications of this machine and
/// those of `admissions`, with a password; neither the superuser nor roles of Evergres' own.
Result<std::string> render_endpoint_hba(const std::string& superuser,
                                        const std::vector<Admission>& admissions);
/// pg_ident.conf: map `evergres` from `os_user` to the superuser.
std::string render_ident(const Server& server, std::string_view os_user);
/// Name of the operating system user of this process.
Result<std::string> os_user_name();

/// Writes pg_hba.conf and pg_ident.conf into `directory`, atomically (every start writes them
/// anew). Takes effect for new connections after a reload; existing sessions stay.
Outcome write_gate(const Server& server, const std::filesystem::path& directory, Gate gate,
                   const std::vector<std::string>& member_hosts,
                   const std::vector<Admission>& admissions = {},
                   const std::optional<Endpoints>& endpoints = {});

}  // namespace evergres::postgres
