#pragma once

#include <ctime>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "net/secret.hpp"

/// Certificates of a cluster. The key of its authority is derived from the cluster secret, so that
/// every node is the authority and nothing but the secret is ever copied between machines. What
/// that protects and what not: docs/decisions/0038.
namespace evergres::net {

/// Below <state_directory>/tls, PEM. Keys have mode 0600.
struct CertificateFiles {
  std::filesystem::path authority;   ///< ca.crt: what clients are given to verify servers
  std::filesystem::path server;      ///< server.crt: of PostgreSQL and of the endpoint
  std::filesystem::path server_key;  ///< server.key
  std::filesystem::path client;      ///< client.crt: CN evergres_proxy, for PostgreSQL to verify
  std::filesystem::path client_key;  ///< client.key
};
CertificateFiles certificate_files(const std::filesystem::path& state_directory);

struct CertificateRequest {
  std::string cluster;
  std::string node;
  std::vector<std::string> names;  ///< host names and addresses of the server, besides localhost
};

/// Writes all certificates anew, valid for a year from the day before `now`. Keys that are there
/// and the authority's certificate stay, so that each change is one rename: who reads a certificate
/// and its key at any moment gets a pair. Blocks on the disk. Errors: those of files.
Outcome issue_certificates(const Secret& secret, const CertificateRequest& request,
                           const std::filesystem::path& state_directory, std::time_t now);

/// Whether a file is missing, or they were issued more than 60 days before `now`, or after it.
/// Looks at the files' times only, so that it may be asked often.
bool certificates_are_due(const std::filesystem::path& state_directory, std::time_t now);

/// When the first certificate of a PEM file ends; nothing if there is none that can be read.
std::optional<std::time_t> end_of_certificate(const std::filesystem::path& file);

}  // namespace evergres::net
