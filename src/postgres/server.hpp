#pragma once

#include <filesystem>
#include <string>

#include "base/names.hpp"

/// One PostgreSQL server: verbs that block, have a deadline and return facts. Nothing here decides
/// who leads, keeps state in memory or uses more than the calling thread.
namespace evergres::postgres {

/// The role under which members stream, clone and rewind. It is not a superuser.
inline constexpr const char* replication_role = "evergres_replication";

/// Where one server lives. A value; no function here changes the world.
struct Server {
  NodeName node;
  std::filesystem::path data;       ///< the data directory
  std::filesystem::path state_dir;  ///< ours, beside the data directory, mode 0700
  /// Unix_socket_directories; socket paths have at most 107 bytes
  std::filesystem::path run_dir;
  /// Initdb, postgres, pg_rewind, … of the server's major version
  std::filesystem::path bin_dir;
  std::string host;  ///< where members reach it
  int port = 0;
  std::string superuser = "postgres";
  std::string replication_password;  ///< of replication_role, the same on all members
  std::string auth_password;         ///< of net::auth_role, the same on all members

  [[nodiscard]] std::filesystem::path program(const char* name) const { return bin_dir / name; }
  [[nodiscard]] std::filesystem::path wal() const { return data / "pg_wal"; }
  /// PGSERVICEFILE of the postmaster: where walreceivers connect to. See upstream.hpp.
  [[nodiscard]] std::filesystem::path upstream_file() const { return state_dir / "upstream.conf"; }
  /// PGSERVICEFILE of pg_basebackup and pg_rewind while they run.
  [[nodiscard]] std::filesystem::path source_file() const { return state_dir / "source.conf"; }
  [[nodiscard]] std::filesystem::path rebuilding_file() const { return state_dir / "rebuilding"; }
  [[nodiscard]] std::filesystem::path tails() const { return state_dir / "tails"; }
  /// A directory beside the data directory, on the same file system: "data.clone-1f3a".
  [[nodiscard]] std::filesystem::path beside(const std::string& suffix) const {
    std::filesystem::path path = data;
    path += "." + suffix;
    return path;
  }
};

}  // namespace evergres::postgres
