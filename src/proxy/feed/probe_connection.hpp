#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/instant.hpp"
#include "base/result.hpp"
#include "proxy/feed/external_servers.hpp"
#include "proxy/feed/external_view.hpp"

struct pg_conn;

namespace evergres::proxy {

/// A connection that asks one external server what it is. One thread; never blocks past a deadline,
/// nor once `wake` (a descriptor) is readable.
class ProbeConnection {
 public:
  /// `resolved`: where the server is. Errors: unreachable, timed_out, cancelled (`wake`).
  static Result<ProbeConnection> open(const ExternalServers& servers, const Address& server,
                                      const Resolved& resolved, const std::string& password,
                                      Instant deadline, int wake);
  /// Errors: unreachable, timed_out, postgres_failed, data_invalid, cancelled; then it is over.
  Result<ProbeAnswer> ask(Instant deadline, int wake);
  /// Until `deadline`, or until the server says something or goes away.
  void rest(Instant deadline, int wake);

 private:
  struct Close {
    void operator()(pg_conn* connection) const;
  };
  explicit ProbeConnection(pg_conn* connection) : connection_(connection) {}
  std::unique_ptr<pg_conn, Close> connection_;
};

}  // namespace evergres::proxy
