#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/lsn.hpp"

/// What people and monitoring are shown of a running PostgreSQL beyond what decisions look at. No
/// decision may read it: it is in no situation, so that no journal could replay it.
namespace evergres::agent {

/// One walsender.
struct SenderDetails {
  std::string application_name;
  std::string user;
  std::optional<std::string> client_address;  ///< absent: the unix socket
  std::string state;                          ///< "streaming", "catchup", …
  std::string sync_state;                     ///< "async", "potential", "sync", "quorum"
  int sync_priority = 0;
};

struct ServerDetails {
  int version = 0;                         ///< 150014 is 15.14
  std::string started;                     ///< "2026-11-21 06:28:24.123456+00:00"
  std::optional<std::string> replayed_at;  ///< commit time of the last replayed transaction
  bool replay_paused = false;
  std::optional<Lsn> sender_end;  ///< what the sender last said that it has; on standbys
  std::vector<SenderDetails> senders;
  /// Sessions of a primary that wait for the acknowledgement of a commit, and for how long the
  /// oldest of their statements has been running. Absent on a standby.
  std::optional<std::uint64_t> sync_waits;
  double oldest_sync_wait_seconds = 0;
};

}  // namespace evergres::agent
