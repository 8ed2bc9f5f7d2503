#include "agent/learning.hpp"

#include <algorithm>

#include "cluster/cluster_store.hpp"
#include "core/view.hpp"

namespace evergres::agent {
namespace {

core::Grant as_core(const supervisor::Grant& grant) {
  const auto kind =
      grant.kind == supervisor::GrantKind::lead ? core::GrantKind::lead : core::GrantKind::promote;
  return core::Grant{kind, grant.term, grant.deadline};
}

std::vector<core::Sender> senders_of(const postgres::Observation& seen) {
  std::vector<core::Sender> senders;
  for (const auto& facts : seen.senders) {
    core::Sender sender;
    sender.application_name = facts.application_name;
    sender.streaming = facts.state == "streaming";
    sender.flush = facts.flushed.value_or(Lsn{});
    sender.reply_age = Millis{facts.reply_age_ms.value_or(1'000'000)};
    senders.push_back(std::move(sender));
  }
  return senders;
}

/// Which peers acknowledge now under their voter names; their silence is counted from here.
void note_acknowledgements(Knowledge& k, Instant at) {
  core::Situation& s = k.situation;
  if (!s.record || !core::record_names_me(s)) return;
  const core::Policy* policy = core::newest_policy(*s.record);
  if (policy == nullptr) return;
  for (const core::Seat& voter : policy->voters) {
    const std::string name = core::application_name(voter, policy->term);
    for (const core::Sender& sender : s.server.senders) {
      if (sender.application_name != name || !sender.streaming) continue;
      const Instant replied = at - sender.reply_age;
      auto& last = s.peers[voter.node].acknowledged_at;
      if (!last || *last < replied) last = replied;
    }
  }
}

/// Every recorded policy of this leadership is covered by a failover; the resting names, with which
/// nobody acknowledges, may be left behind by a change that did not finish and is tried again.
bool names_are_recorded(const core::Record& record, const std::string& names) {
  const auto applies = [&](const core::Policy& policy) {
    return policy.term == record.term && record.leader == policy.leader &&
           core::synchronous_standby_names(policy) == names;
  };
  const auto& unproven = record.policy.unproven;
  if (!unproven.empty() && names == core::names_nobody) return true;
  return applies(record.policy.current) || std::any_of(unproven.begin(), unproven.end(), applies);
}

/// The names of an open leader are compared with the record on every look, also after a restart of
/// the agent, unless an operation is just changing them.
void check_names(Knowledge& k, Instant at) {
  core::Situation& s = k.situation;
  const bool changing = s.operation && (s.operation->kind == core::ChangePolicy::kind ||
                                        s.operation->kind == core::ProveBarrier::kind ||
                                        s.operation->kind == core::Promote::kind);
  const bool leads =
      s.record && s.record->phase == core::Phase::leading && core::record_names_me(s);
  const bool comparable =
      leads && s.server.state == core::ServerState::primary && s.server.names && !changing;
  if (!comparable || names_are_recorded(*s.record, *s.server.names)) {
    s.server.names_wrong_since.reset();
  } else if (!s.server.names_wrong_since) {
    s.server.names_wrong_since = at;
  }
}

void take_position(Knowledge& k, const postgres::Observation& seen) {
  core::Server& server = k.situation.server;
  if (!seen.in_recovery) {
    if (seen.flush) {
      server.position = core::Position{seen.timeline, *seen.flush};
      k.position_seen_at = seen.at;
    }
    server.replay = seen.flush;
    return;
  }
  if (seen.receiver && seen.receiver->timeline) k.received_timeline = seen.receiver->timeline;
  const Lsn replay = seen.replay.value_or(Lsn{});
  const Lsn receive = seen.receive.value_or(Lsn{});
  const TimelineId timeline =
      receive > replay && k.received_timeline ? *k.received_timeline : seen.timeline;
  const core::Position position{timeline, std::max(receive, replay)};
  // What a fence read from the files is more than what streaming says after a restart.
  if (!server.position || server.position->timeline != position.timeline ||
      server.position->lsn < position.lsn) {
    server.position = position;
  }
  server.replay = replay;
}

ServerDetails details_of(const postgres::Observation& seen) {
  ServerDetails details;
  details.version = seen.version;
  details.started = seen.started;
  details.replayed_at = seen.replayed_at;
  details.replay_paused = seen.replay_paused;
  if (seen.receiver) details.sender_end = seen.receiver->latest_end;
  for (const auto& sender : seen.senders) {
    details.senders.push_back({sender.application_name, sender.user, sender.client_address,
                               sender.state, sender.sync_state, sender.sync_priority});
  }
  if (!seen.in_recovery) details.sync_waits = seen.sync_waits;
  details.oldest_sync_wait_seconds = seen.oldest_sync_wait_seconds;
  return details;
}

void learn_pending(KnownSettings& known, const std::vector<postgres::PendingSetting>& pending) {
  known.pending_restart.clear();
  for (const auto& one : pending) {
    const std::string then = one.after_restart.empty() ? "(default)" : one.after_restart;
    known.pending_restart.push_back({one.name, one.in_force, then});
  }
}

}  // namespace

void learn_observation(Knowledge& k, const postgres::Observation& seen) {
  core::Situation& s = k.situation;
  core::Server& server = s.server;
  server.state = seen.in_recovery ? core::ServerState::standby : core::ServerState::primary;
  server.cold = false;
  server.unknown_since.reset();
  server.system_id = seen.system_id;
  server.trouble.clear();
  take_position(k, seen);
  const bool receiving = seen.receiver && seen.receiver->status == "streaming";
  if (receiving && !server.receiving) server.receiving_since = seen.at;
  if (!receiving && (server.receiving || !server.not_receiving_since))
    server.not_receiving_since = seen.at;
  if (receiving) {
    server.not_receiving_since.reset();
    server.wal_removed = false;
    server.off_branch.reset();
    server.diverged = false;
  } else {
    server.receiving_since.reset();
  }
  server.receiving = receiving;
  server.senders = senders_of(seen);
  if (seen.slots) learn_slots(k, *seen.slots, seen.at);
  server.names = seen.synchronous_standby_names;
  k.details = details_of(seen);
  if (seen.pending_restart) learn_pending(k.settings, *seen.pending_restart);
  const bool waits =
      seen.in_recovery && seen.receive && seen.replay && *seen.receive > *seen.replay;
  server.lag_seconds = waits ? seen.replay_age_seconds : std::optional<double>(0.0);
  if (!seen.in_recovery) server.lag_seconds.reset();
  note_acknowledgements(k, seen.at);
  check_names(k, seen.at);
}

void learn_silence(Knowledge& k, bool answered_before, bool cold, Instant since,
                   const std::string& trouble) {
  core::Server& server = k.situation.server;
  k.details.reset();
  server.cold = cold;
  server.state = cold              ? core::ServerState::standby
                 : answered_before ? core::ServerState::unknown
                                   : core::ServerState::starting;
  server.trouble = trouble;
  if (server.state != core::ServerState::unknown) {
    server.unknown_since.reset();
  } else if (!server.unknown_since) {
    server.unknown_since = since;
  }
}

void learn_status(Knowledge& k, const supervisor::Status& status) {
  core::Server& server = k.situation.server;
  const bool other_run =
      k.supervisor_known && (k.supervisor.supervisor_run != status.supervisor_run ||
                             k.supervisor.start_id != status.start_id);
  if (other_run) forget_server_run(k);
  k.supervisor = status;
  k.supervisor_known = true;
  server.grant.reset();
  if (status.grant) server.grant = as_core(*status.grant);
  const bool runs =
      status.state == supervisor::State::running || status.state == supervisor::State::starting;
  const bool thought_running = server.state == core::ServerState::standby ||
                               server.state == core::ServerState::primary ||
                               server.state == core::ServerState::starting;
  if (status.state == supervisor::State::stopping && thought_running) {
    server.state = core::ServerState::stopping;
  }
  if (status.state == supervisor::State::stopped &&
      (thought_running || server.state == core::ServerState::stopping)) {
    const auto fenced = k.situation.fenced;
    forget_server_run(k);
    if (fenced && !fenced->can_run) k.situation.fenced = fenced;
    server.state = core::ServerState::stopped;
    server.clean = status.exit && status.exit->clean;
  }
  if (runs && !thought_running && server.state != core::ServerState::unknown) {
    server.state = core::ServerState::starting;
  }
}

/// Positions change all the time; nobody must be woken for them while a leader is open. The age of
/// a last word never wakes anybody: two who told each other at once would not stop. Slots move with
/// each look at a busy primary.
core::Heartbeat what_matters(core::Heartbeat beat, bool positions_matter) {
  beat.revision = Revision{};
  beat.lag_seconds.reset();
  beat.replay.reset();
  beat.doing.clear();
  beat.slots.reset();
  beat.last_word_age.reset();
  beat.position_age.reset();
  if (beat.last_word) beat.last_word->heard_at = Instant{};
  if (!positions_matter) {
    beat.position.reset();
    beat.last_word.reset();
  }
  return beat;
}

bool learn_word(Knowledge& k, const NodeName& from, const Word& word, Instant now) {
  core::Situation& s = k.situation;
  core::Peer& peer = s.peers[from];
  // Beside an open leader a peer that says the same again can wait for the next regular look.
  const bool leader_open = s.record && s.record->phase == core::Phase::leading;
  const bool news = !leader_open || word.record || !peer.said || !core::is_heard(s, peer) ||
                    what_matters(*peer.said, true) != what_matters(word.beat, true);
  // An echo of another run of ours, or of the future, proves nothing.
  const bool plausible = word.echo >= s.started_at && word.echo <= now;
  if (plausible && (!peer.alive_at || *peer.alive_at < word.echo)) peer.alive_at = word.echo;
  peer.said = word.beat;
  peer.refused = false;
  const auto& ours = s.record;
  const bool same_cluster = !ours || !word.record || ours->cluster_id == word.record->cluster_id;
  if (word.record && same_cluster && cluster::check_record(*word.record)) {
    learn_record(k, *word.record, word.revision, now);
  }
  if (peer.alive_at) core::note_last_word(s, word.beat, *peer.alive_at);
  return news;
}

}  // namespace evergres::agent
