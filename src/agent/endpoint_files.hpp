#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "agent/operations/operation.hpp"
#include "net/certificates.hpp"
#include "postgres/hba.hpp"

/// What this node's files say to its endpoint and to PostgreSQL's TLS.
namespace evergres::agent {

/// Issues this node's certificates, for the names that its node.yaml says.
Outcome issue_certificates(const config::NodeSettings& settings);

/// Issues them if they are due, and then has PostgreSQL and the endpoint read them; nobody who is
/// connected notices. Looks at most once an hour, on the clock of the wall: certificates say dates.
class CertificateKeeper {
 public:
  explicit CertificateKeeper(const config::NodeSettings& settings) : settings_(settings) {}
  Outcome look();

 private:
  const config::NodeSettings& settings_;
  Instant looked_at_;
};

/// Nothing while a file is missing: PostgreSQL would not start.
std::optional<net::CertificateFiles> usable_certificates(
    const std::filesystem::path& state_directory);

/// Writes the endpoint's rules (state_directory/proxy_hba.conf) if they say something else; true if
/// so. Without an endpoint, or where an operator named a file, nothing is written.
Result<bool> write_endpoint_rules(const config::NodeSettings& settings,
                                  const std::vector<postgres::Admission>& admissions);

/// The same, and the endpoint is told to read them. What fails is only said: the gate of PostgreSQL
/// does not wait for it.
void tell_endpoint(Hands& hands, const std::vector<postgres::Admission>& admissions);

}  // namespace evergres::agent
