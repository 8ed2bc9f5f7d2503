#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/position.hpp"
#include "core/record.hpp"

namespace evergres::core {

/// What a node answers once it is fenced for a term: it has promised that term durably, it can no
/// longer receive WAL of an older one, and only then read its position. The former leader gives the
/// same answer after all processes of its server are gone.
struct Fenced {
  Term term;
  Seat seat;
  SystemId system_id;
  Claim agent;                       ///< the run of the agent that answers
  std::optional<Position> position;  ///< absent: see why_no_position
  std::string why_no_position;
  std::vector<Fork> history;   ///< of the timeline it stands on
  TimelineId newest_timeline;  ///< the highest id it has ever seen
  bool can_run = false;        ///< its PostgreSQL runs as a standby and could be promoted
  /// The timelines of its history that began on this server. Absent: it is not known (yet).
  std::optional<std::vector<TimelineId>> begun;
  auto operator<=>(const Fenced&) const = default;
};
constexpr auto fields(const Fenced*) {
  return std::tuple{
      Field{"term", &Fenced::term},           Field{"seat", &Fenced::seat},
      Field{"system_id", &Fenced::system_id}, Field{"agent", &Fenced::agent},
      Field{"position", &Fenced::position},   Field{"why_no_position", &Fenced::why_no_position},
      Field{"history", &Fenced::history},     Field{"newest_timeline", &Fenced::newest_timeline},
      Field{"can_run", &Fenced::can_run},     Field{"begun", &Fenced::begun}};
}

/// The timelines at the end of its history that began on it although the record gave them to nobody
/// or to another node, newest first: it was promoted behind our back. What a leader of the record
/// went on from is none.
std::vector<TimelineId> unasked_timelines(const Fenced& answer,
                                          const std::vector<Lineage>& lineage);

/// Whether the WAL that was answered for is not of the recorded lineage, although the ids of its
/// timelines may be: some are unasked, or begin where the recorded ones do not.
bool is_foreign(const Fenced& answer, const std::vector<Lineage>& lineage);

/// A server that had the history of a timeline, and was promoted before it got there, names that
/// one as an ancestor (xlog.c takes recoveryTargetTLI for the parent), and has nothing of it. Where
/// the record gave it to nobody it is left out: what another has of it has nothing to do with this
/// WAL.
void leave_out_the_unreached(Fenced& answer, const std::vector<Lineage>& lineage);

/// The answer of a server that was promoted unasked as far as it had come before, which is all that
/// it can have acknowledged. It cannot lead with that.
Fenced before_unasked(const Fenced& answer, const std::vector<Lineage>& lineage);

/// How many voters must be fenced when the leader is not: |S| - k + 1. More than |S| (for a policy
/// without voters) means that nothing but the leader will do.
std::size_t voters_to_fence(const Policy& policy);

/// Whether the seats `fenced` make it impossible that anything is still acknowledged under
/// `policy`, and contain everything that ever was: the leader's own seat is among them, or enough
/// voters are.
bool covers(const Policy& policy, const std::vector<Seat>& fenced);

/// Whether `fenced` covers the current and every unproven policy.
bool covers_all(const PolicyBook& book, const std::vector<Seat>& fenced);

/// Whether the policies may be in force side by side. A walsender that releases commits waits for
/// as many as its own copy of the names says, but counts each walsender that is named by the copy
/// which that one has (syncrep.c, SyncRepGetCandidateStandbys). So while copies differ, k voters of
/// any of the policies may release a commit, and whoever covers all of them must still find it.
/// They do if one policy has the voters of all others and asks for no more, or if all ask for one.
bool may_mix(const std::vector<const Policy*>& policies);

/// The policy to go to next on the way to `wanted`: that itself, if it may mix with all of the
/// book; or else the joint one, with all their voters and the smallest k, which may, and behind
/// which `wanted` may. In a joint one a node may vote under two incarnations.
Policy next_step(const PolicyBook& book, const Policy& wanted);

/// The seats that count: same system identifier, same term, and a known position.
std::vector<Seat> counting_seats(const std::vector<Fenced>& answers, Term term, SystemId system);

/// One sentence per policy that is not covered: which policy, who is fenced, how many are missing.
/// Empty if all are covered.
std::vector<std::string> what_is_missing(const PolicyBook& book, const std::vector<Seat>& fenced);

/// Whether `acknowledging` (the seats that flushed a commit, the leader aside) suffice for a
/// commit.
bool acknowledges(const Policy& policy, const std::vector<Seat>& acknowledging);

/// "n1 with any 1 of n2, n3", for people.
std::string describe(const Policy& policy);

}  // namespace evergres::core
