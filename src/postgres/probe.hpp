#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/instant.hpp"
#include "base/lsn.hpp"
#include "base/result.hpp"
#include "postgres/server.hpp"
#include "postgres/session.hpp"
#include "postgres/settings.hpp"

namespace evergres::postgres {

struct ProofRequest {
  SafetySettings safety;            ///< the policy to prove; written and reloaded first
  std::vector<std::string> voters;  ///< application names of the old and the new voters
  std::vector<std::string> new_voters;  ///< those of the policy to prove
  std::size_t k = 0;                    ///< how many of them must have flushed the probe
  bool leaving_empty = false;       ///< the names in force before may have been ''
  /// How long a voter's walsender may lag before it is terminated
  Millis sender_patience{500};
};

struct Proof {
  Lsn lsn;  ///< everything up to here is acknowledged under the policy
  Nanos took{};
  std::vector<std::string> cut;  ///< application names whose walsender was terminated
};

/// The barrier and the proof of PROTOCOL section 4, on a primary:
/// (b) leaving '': the impossible names first, until a probe is seen waiting, because the
///     checkpointer publishes "somebody is wanted" late when it is busy;
/// (a) the names in force on a new connection, and a probe with a WAL record acknowledged on one;
/// (c) every walsender of `voters` has flushed the probe or was terminated and is gone, because
///     walsenders release with their own copy of the configuration; and `k` of `new_voters` have
///     flushed it, because one that asks for fewer may have released it before it went.
/// With the impossible names nothing is acknowledged: the probe is only written, and (c) follows.
/// Without enough voters it is `timed_out` and the policy stays unproven; the probe's backend is
/// terminated then.
/// `at_hand`: a session that was opened after the reload that brought the names of `request` and
/// showed them; it is looked at again, and serves for (a) if it still shows them.
Result<Proof> prove(const Server& server, const ProofRequest& request, Instant deadline,
                    const std::stop_token& stop = {}, std::optional<Session> at_hand = {});

}  // namespace evergres::postgres
