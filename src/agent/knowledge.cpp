#include "agent/knowledge.hpp"

#include <algorithm>
#include <set>

#include "core/view.hpp"

namespace evergres::agent {
namespace {

core::Leads leads(const core::Situation& s) {
  if (!s.record) return core::Leads::unknown;
  if (!core::record_names_me(s) || s.record->phase != core::Phase::leading) {
    return s.server.state == core::ServerState::unknown ? core::Leads::unknown : core::Leads::no;
  }
  switch (s.server.state) {
    case core::ServerState::unknown: return core::Leads::unknown;
    case core::ServerState::primary:
      return core::entitled_to_be_primary(s).yes ? core::Leads::yes : core::Leads::no;
    // An orderly stop sends what was acknowledged: who elects before its end cuts that off. It is
    // bounded by the grant.
    case core::ServerState::stopping:
      return s.server.grant ? core::Leads::unknown : core::Leads::no;
    default: return core::Leads::no;
  }
}

void note_term(Knowledge& knowledge, const core::Record& record, Instant now) {
  TermTimes& times = knowledge.times;
  if (times.term != record.term) {
    const auto nobody_since = knowledge.situation.nobody_in_charge_since;
    times = TermTimes{};
    times.term = record.term;
    times.began = nobody_since;
    times.note("notice to term", now);
  }
  if (record.phase == core::Phase::electing && record.leader) times.note("choice", now);
}

}  // namespace

void TermTimes::note(std::string_view name, Instant ended) {
  const auto same = [&](const Step& step) { return step.name == name; };
  if (std::none_of(steps.begin(), steps.end(), same)) steps.push_back({std::string(name), ended});
}

std::vector<std::string> TermTimes::phases() const {
  std::vector<std::string> texts;
  std::optional<Instant> from = began;
  for (const Step& step : steps) {
    if (from && step.ended >= *from) {
      const auto span = std::chrono::duration_cast<Millis>(step.ended - *from);
      texts.push_back(step.name + " " + std::to_string(span.count()) + " ms");
    }
    from = step.ended;
  }
  return texts;
}

std::vector<std::string> member_hosts(const Knowledge& knowledge) {
  std::set<std::string> hosts{knowledge.own_host};
  for (const auto& [name, card] : knowledge.cards) hosts.insert(card.postgres_host);
  return {hosts.begin(), hosts.end()};
}

void learn_record(Knowledge& knowledge, const core::Record& record, Revision revision,
                  Instant now) {
  core::Situation& s = knowledge.situation;
  if (s.record && revision <= s.revision) return;
  const bool new_term = s.record && s.record->term != record.term;
  if (new_term) {
    s.recent_terms += 1;
    knowledge.tally.terms += 1;
    s.claimed_at.reset();
    if (record.claim == s.agent) s.claimed_at = now;  // also if the reply to our claim was lost
    s.leading_since.reset();
  }
  if (!s.record || s.record->renewed != record.renewed) s.renewed_since = now;
  s.record = record;
  s.revision = revision;
  s.record_missing = false;
  note_term(knowledge, record, now);
}

void learn_stored_record(Knowledge& knowledge, const core::Record& record, Revision revision,
                         Instant now) {
  learn_record(knowledge, record, revision, now);
  core::Situation& s = knowledge.situation;
  // A store that shows another history under this number is a matter of its own.
  const bool is_same = revision == s.revision && record.cluster_id == s.record->cluster_id &&
                       record.term == s.record->term;
  if (is_same && record != *s.record) s.record = record;
}

void learn_upstream(Knowledge& knowledge, std::optional<core::Upstream> upstream) {
  knowledge.upstream_name.reset();
  knowledge.situation.server.upstream = std::move(upstream);
}

void learn_slot(Knowledge& knowledge, const NodeName& node, bool exists) {
  auto& nodes = knowledge.situation.server.slots_of;
  std::erase(nodes, node);
  if (exists) nodes.push_back(node);
  knowledge.slots_changed_at = boot_now();
}

void learn_slots(Knowledge& knowledge, const std::vector<std::string>& names, Instant at) {
  if (at < knowledge.slots_changed_at) return;
  std::set<NodeName> known;
  for (const auto& [name, peer] : knowledge.situation.peers) known.insert(name);
  for (const auto& [name, card] : knowledge.cards) known.insert(name);
  auto& nodes = knowledge.situation.server.slots_of;
  nodes.clear();
  for (const NodeName& node : known) {
    const bool exists = std::find(names.begin(), names.end(), core::slot_name(node)) != names.end();
    if (exists) nodes.push_back(node);
  }
}

void learn_all_slots(Knowledge& knowledge, std::vector<core::Slot> slots, Instant at) {
  if (at < knowledge.all_slots_changed_at) return;
  knowledge.situation.server.slots = std::move(slots);
}

void forget_server_run(Knowledge& knowledge) {
  core::Server& server = knowledge.situation.server;
  knowledge.situation.fenced.reset();
  knowledge.received_timeline.reset();
  knowledge.details.reset();
  server.position.reset();
  server.replay.reset();
  server.names.reset();
  server.names_wrong_since.reset();
  server.drift.clear();
  knowledge.settings.pending_restart.clear();
  knowledge.settings.altered.clear();
  knowledge.settings.edited.clear();
  server.senders.clear();
  server.slots_of.clear();
  server.slots.reset();
  server.receiving = false;
  server.receiving_since.reset();
  server.not_receiving_since.reset();
  server.lag_seconds.reset();
  server.wal_removed = false;
  server.off_branch.reset();
  server.diverged = false;
  server.gate_open = false;
  server.cold = false;
  server.unknown_since.reset();
  server.asked_to_promote = false;
}

const core::Situation& look(Knowledge& knowledge, Instant now) {
  core::Situation& s = knowledge.situation;
  s.now = now;
  const bool in_charge = core::somebody_in_charge(s).yes;
  if (in_charge) {
    s.nobody_in_charge_since.reset();
  } else if (!s.nobody_in_charge_since) {
    s.nobody_in_charge_since = now;
  }
  s.wanted = wanted_of(knowledge.settings);
  s.server.settings_due = settings_due(knowledge.settings);
  s.server.gate_outdated = knowledge.gate_hosts && *knowledge.gate_hosts != member_hosts(knowledge);
  const bool open_leader =
      s.record && s.record->phase == core::Phase::leading && core::record_names_me(s);
  if (!open_leader) {
    s.leading_since.reset();
  } else if (!s.leading_since) {
    s.leading_since = now;
  }
  return s;
}

std::optional<std::string> expected_names(const core::Situation& s) {
  if (s.server.state == core::ServerState::standby && !s.server.asked_to_promote)
    return core::names_nobody;
  const bool leads = s.record && s.record->phase == core::Phase::leading &&
                     core::record_names_me(s) && s.server.state == core::ServerState::primary;
  if (!leads || !s.record->policy.unproven.empty()) return std::nullopt;
  return core::synchronous_standby_names(s.record->policy.current);
}

core::Decision yield_decision(const Knowledge& knowledge) {
  core::Decision decision;
  decision.rule = "yield_to_the_older_agent_of_this_name";
  decision.why = knowledge.yields.value_or("");
  decision.intent = core::StayPut{};
  switch (knowledge.situation.server.state) {
    case core::ServerState::standby:
    case core::ServerState::primary:
    case core::ServerState::starting:
    case core::ServerState::unknown: decision.intent = core::StopServer{}; break;
    default: break;
  }
  return decision;
}

void note_refusal(Knowledge& knowledge, Refusal refusal) {
  knowledge.refusals.push_back(std::move(refusal));
  if (knowledge.refusals.size() > most_refusals) knowledge.refusals.pop_front();
}

std::string doing(const Knowledge& knowledge) {
  const core::Situation& s = knowledge.situation;
  if (s.operation)
    return s.operation->kind + (knowledge.progress.empty() ? "" : ": " + knowledge.progress);
  const bool cold = s.server.cold && s.server.state == core::ServerState::standby;
  return cold ? "serves no readers: started without hot standby, because its limits are below the "
                "primary's"
              : "";
}

namespace {

/// A message has an end: what decisions look at comes first.
std::optional<std::vector<core::Slot>> slots_to_tell(const core::Situation& s) {
  constexpr std::size_t most = 128;
  auto slots = s.server.slots;
  if (!slots || slots->size() <= most) return slots;
  const auto matters = [&](const core::Slot& slot) {
    const auto names_it = [&](const core::PermanentSlot& one) { return one.name == slot.name; };
    const auto& wanted = s.wanted.slots;
    const bool declared = wanted && std::any_of(wanted->begin(), wanted->end(), names_it);
    return declared || slot.logical || slot.ours || slot.name.starts_with("evg_");
  };
  std::stable_partition(slots->begin(), slots->end(), matters);
  slots->resize(most);
  return slots;
}

}  // namespace

core::Heartbeat heartbeat_of(const Knowledge& knowledge) {
  return heartbeat_of(knowledge, knowledge.situation.now);
}

core::Heartbeat heartbeat_of(const Knowledge& knowledge, Instant now) {
  const core::Situation& s = knowledge.situation;
  core::Heartbeat beat;
  beat.node = s.me;
  beat.agent = s.agent;
  beat.seat = core::Seat{s.me, s.server.incarnation.value_or(Incarnation{})};
  beat.system_id = s.server.system_id;
  beat.revision = s.revision;
  beat.term = s.record ? s.record->term : Term{0};
  beat.promise = s.promise;
  beat.store_ok = core::store_works(s);
  beat.server = s.server.state;
  beat.leads = leads(s);
  beat.sees_somebody_in_charge = core::somebody_in_charge(s).yes;
  // A fence of an older term is not an answer any more; a promise without its fence is none yet.
  if (s.fenced && s.fenced->term == s.promise.term) beat.fenced = s.fenced;
  beat.last_word = s.last_word;
  if (s.last_word) beat.last_word_age = std::chrono::ceil<Millis>(now - s.last_word->heard_at);
  beat.position = s.server.position;
  beat.replay = s.server.replay;
  // Until its sentinel is gone nobody counts what a rewind made.
  beat.receiving = s.server.receiving && !s.server.rebuilding;
  beat.upstream = s.server.upstream;
  beat.lag_seconds = s.server.lag_seconds;
  beat.doing = doing(knowledge);
  beat.trouble = s.server.trouble;
  beat.tags = s.tags;
  if (s.server.state == core::ServerState::primary) {
    if (knowledge.position_seen_at)
      beat.position_age = std::chrono::ceil<Millis>(now - *knowledge.position_seen_at);
    beat.weak_commits = knowledge.weak_commits;
    beat.slots = slots_to_tell(s);
  }
  return beat;
}

}  // namespace evergres::agent
