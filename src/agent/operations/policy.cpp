#include "agent/operations/operation.hpp"
#include "core/loss.hpp"
#include "core/transition.hpp"
#include "postgres/probe.hpp"

namespace evergres::agent {
namespace {

std::vector<std::string> all_voter_names(const core::Record& record) {
  std::vector<std::string> names = voter_names(record.policy.current);
  for (const core::Policy& policy : record.policy.unproven) {
    for (std::string& name : voter_names(policy)) names.push_back(std::move(name));
  }
  return names;
}

/// Whether '' may be in force somewhere now: a policy without voters was recorded in this term.
bool may_leave_empty(const core::Record& record) {
  if (record.policy.current.voters.empty()) return true;
  for (const core::Policy& policy : record.policy.unproven) {
    if (policy.voters.empty()) return true;
  }
  return false;
}

/// Others count the lease from the moment that the store noted an async policy. We hear of it
/// later: until then grants were extended on what voters confirm. The margin of the lease pays for
/// no more than this.
Outcome noted_in_time(const core::Policy& policy, Instant asked_at) {
  if (policy.mode != core::Durability::async) return {};
  if (boot_now() - asked_at <= core::lease_margin / 2) return {};
  return Error(ErrorCode::timed_out, "the store took too long to note the async policy", "",
               "It is proposed again.");
}

}  // namespace

// Recorded as unproven, applied, proven, current: in this order (PROTOCOL section 4).
Outcome carry_out(const core::ChangePolicy& intent, Hands& hands) {
  const auto& agent = hands.situation().agent;
  const Instant asked_at = boot_now();
  auto proposed = hands.change_record([&](core::Record record) -> Result<core::Record> {
    if (record.term != intent.term) return Error(ErrorCode::conflict, "another term has begun");
    return core::propose_policy(std::move(record), agent, intent.policy);
  });
  if (!proposed) return proposed.error();
  if (auto in_time = noted_in_time(intent.policy, asked_at); !in_time) return in_time;
  crash_point(hands, "proposed");
  const std::string names = core::synchronous_standby_names(intent.policy);
  postgres::ProofRequest request;
  request.safety = hands.safety(names);
  request.voters = all_voter_names(*proposed);
  request.new_voters = voter_names(intent.policy);
  request.k = intent.policy.k;
  request.leaving_empty = !names.empty() && may_leave_empty(*proposed);
  hands.learn([names](Knowledge& k) {
    k.applied_names = names;
    k.server_changed_at = boot_now();
    k.situation.server.names_wrong_since.reset();
  });
  hands.progress("proving \"" + core::describe(intent.policy) + "\"");
  auto proof = postgres::prove(hands.server(), request,
                               boot_now() + hands.setup.settings.voter_timeout, hands.stop);
  hands.learn([](Knowledge& k) {
    k.server_changed_at = boot_now();
    k.situation.server.names_wrong_since.reset();
  });
  if (!proof) return proof.error();
  crash_point(hands, "applied");
  auto proven = hands.change_record([&](core::Record record) -> Result<core::Record> {
    if (record.term != intent.term) return Error(ErrorCode::conflict, "another term has begun");
    return core::prove_policy(std::move(record), agent, intent.policy);
  });
  if (!proven) return proven.error();
  return {};
}

}  // namespace evergres::agent
