#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/instant.hpp"
#include "base/names.hpp"
#include "config/proxy_settings.hpp"

/// Everything a node.yaml can say. Each field's Option line (config/options.hpp) stands beside it
/// in node_settings.cpp: name, default, help, whether it is required.
namespace evergres::config {

struct NodeSettings {
  std::string cluster;  ///< name of the cluster, [a-z0-9-]
  NodeName node;
  std::filesystem::path data_directory;  ///< PostgreSQL's
  std::filesystem::path
      state_directory;  ///< promise, incarnations, journal, logs; beside the data directory
  std::filesystem::path
      run_directory;  ///< sockets; short, because a socket path has at most 107 bytes
  std::filesystem::path
      bin_directory;  ///< of PostgreSQL; empty: the newest installed by the distribution
  std::string store;  ///< "sqlite:/path"
  std::filesystem::path secret_file;  ///< the cluster secret, mode 0600
  std::string postgres_host = "127.0.0.1";
  int postgres_port = 15432;
  std::string peer_host = "127.0.0.1";
  int peer_port = 8009;
  std::string http_host = "127.0.0.1";  ///< where health checks are answered
  int http_port = 8008;
  std::string http_user;                     ///< who may change something over HTTP; empty: nobody
  std::filesystem::path http_password_file;  ///< mode 0600
  std::string http_changes_from = "this-machine";  ///< or "anywhere"
  std::uint32_t synchronous_nodes = 1;             ///< k wanted
  std::string durability;  ///< "quorum", "strict", "async"; "": what the record says stays
  std::uint64_t max_loss = 1U << 20U;  ///< bytes; UINT64_MAX: unlimited
  Millis suspect_after{1200};
  Millis voter_timeout{3000};
  Millis grant_length{5000};
  Millis promote_timeout{300'000};
  Millis drain_timeout{5000};  ///< 0: a planned handover waits for no transaction
  std::map<std::string, std::string> parameters;  ///< postgresql.conf values of the operator
  /// Tags as texts: those of ours checked and in one spelling ("true", a number, a name), without
  /// those that are false; others as the operator wrote them.
  std::map<std::string, std::string> tags;
  std::map<std::string, std::string>
      application;  ///< application role and database made by init: role, database, password_file
  ProxySettings proxy;
};

}  // namespace evergres::config
