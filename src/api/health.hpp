#pragma once

#include "agent/services.hpp"
#include "api/query.hpp"
#include "base/result.hpp"

/// The questions that load balancers and probes ask, with Patroni's meanings
/// (patroni.readthedocs.io, "Patroni REST API", Health check endpoints). Where a yes would be a
/// guess the answer is no.
namespace evergres::api {

enum class Check {
  primary,
  leader,
  standby_leader,
  replica,
  read_only,
  sync,
  read_only_sync,
  quorum,
  read_only_quorum,
  async,
  health,
  liveness,
  readiness,
};

/// This node is the open leader, applications may connect, and the grant of its supervisor has not
/// run out at `view.now`. Whatever of it is not known makes it false.
bool is_open_leader(const agent::View& view);

/// PostgreSQL runs as a standby and answers SQL.
bool is_running_standby(const agent::View& view);
/// PostgreSQL runs, in whatever role, and answers SQL.
bool is_running(const agent::View& view);

/// A voter whose word counts for commits.
bool is_quorum_standby(const agent::View& view);
/// A voter that every commit waits for, because as many acknowledgements are wanted as there are
/// voters.
bool is_sync_standby(const agent::View& view);

/// Whether to answer 200. Error usage for values that cannot be understood.
Result<bool> passes(Check check, const Query& query, const agent::View& view);

}  // namespace evergres::api
