#include "agent/status.hpp"

#include <algorithm>
#include <set>

#include "core/explain.hpp"
#include "core/intent.hpp"
#include "core/view.hpp"

namespace evergres::agent {
namespace {

bool is_voter(const core::Situation& s, const NodeName& node) {
  const core::Policy* policy = core::newest_policy(*s.record);
  if (policy == nullptr) policy = &s.record->policy.current;
  return std::any_of(policy->voters.begin(), policy->voters.end(),
                     [&](const core::Seat& seat) { return seat.node == node; });
}

std::string role_of(const core::Situation& s, const NodeName& node) {
  if (!s.record) return "unknown";
  const bool leads = s.record->phase == core::Phase::leading && s.record->leader->node == node;
  if (leads) return "leader";
  return is_voter(s, node) ? "voter" : "replica";
}

std::string state_word(core::ServerState state, bool receiving, const std::string& doing,
                       bool silent, bool fenced_by_hand) {
  if (silent) return "silent";
  const std::string operation = doing.substr(0, doing.find(':'));
  if (operation == core::Clone::kind) return "cloning";
  if (operation == core::Rewind::kind) return "rewinding";
  if (operation == core::Promote::kind) return "promoting";
  if (state == core::ServerState::primary) return "running";
  if (fenced_by_hand && state == core::ServerState::stopped) return "fenced";
  if (state == core::ServerState::standby) return receiving ? "streaming" : "waiting";
  return std::string(word_of(state));
}

std::optional<core::Position> leader_position(const core::Situation& s) {
  if (!s.record || !s.record->leader) return std::nullopt;
  if (s.record->leader->node == s.me) return s.server.position;
  const auto found = s.peers.find(s.record->leader->node);
  if (found == s.peers.end() || !found->second.said) return std::nullopt;
  return found->second.said->position;
}

void fill_lags(cluster::NodeStatus& node, const std::optional<core::Position>& leader,
               const std::optional<core::Position>& own, const std::optional<Lsn>& replay) {
  if (own) {
    node.timeline = own->timeline.value;
    node.receive_lsn = own->lsn.text();
  }
  if (replay) node.replay_lsn = replay->text();
  if (node.role == "leader" || !leader) return;
  if (own) node.receive_lag_bytes = bytes_between(own->lsn, leader->lsn);
  if (replay) node.replay_lag_bytes = bytes_between(*replay, leader->lsn);
}

void fill_card(const Knowledge& knowledge, cluster::NodeStatus& node) {
  const auto card = knowledge.cards.find(NodeName{node.name});
  if (card == knowledge.cards.end()) return;
  node.host = card->second.postgres_host;
  node.port = card->second.postgres_port;
  node.settings = card->second.settings;
  node.tags = card->second.tags;
}

void fill_hand_fence(const core::Situation& s, cluster::NodeStatus& node) {
  const core::HandFence* fence =
      s.record ? core::hand_fence(*s.record, NodeName{node.name}) : nullptr;
  if (fence == nullptr) return;
  node.fenced_by = "fenced by operator " + fence->who + " at " + wall_text(fence->wall_ms) +
                   (fence->why.empty() ? "" : ": " + fence->why);
}

/// Whom a standby streams from.
void fill_upstream(cluster::NodeStatus& node, bool receiving,
                   const std::optional<core::Upstream>& upstream) {
  if (receiving && upstream) node.follows = upstream->node.value;
}

cluster::NodeStatus own_status(const Knowledge& knowledge) {
  const core::Situation& s = knowledge.situation;
  cluster::NodeStatus node;
  node.name = s.me.value;
  fill_card(knowledge, node);
  fill_hand_fence(s, node);
  fill_upstream(node, s.server.receiving, s.server.upstream);
  node.role = role_of(s, s.me);
  node.doing = doing(knowledge);
  node.state =
      state_word(s.server.state, s.server.receiving, node.doing, false, node.fenced_by.has_value());
  fill_lags(node, leader_position(s), s.server.position, s.server.replay);
  node.lag_seconds = s.server.lag_seconds;
  node.settings = settings_of_node(knowledge.settings);
  node.why_not = core::why_not_lead(s, s.me);
  return node;
}

cluster::NodeStatus peer_status(const Knowledge& knowledge, const NodeName& name) {
  const core::Situation& s = knowledge.situation;
  cluster::NodeStatus node;
  node.name = name.value;
  fill_card(knowledge, node);
  fill_hand_fence(s, node);
  node.role = role_of(s, name);
  node.why_not = core::why_not_lead(s, name);
  const auto found = s.peers.find(name);
  if (found == s.peers.end() || !found->second.said) {
    node.state = "silent";
    return node;
  }
  const core::Peer& peer = found->second;
  const core::Heartbeat& said = *peer.said;
  const bool silent = peer.refused || !core::is_heard(s, peer);
  node.doing = said.doing;
  node.state =
      state_word(said.server, said.receiving, said.doing, silent, node.fenced_by.has_value());
  if (!silent) fill_upstream(node, said.receiving, said.upstream);
  fill_lags(node, leader_position(s), said.position, said.replay);
  node.lag_seconds = said.lag_seconds;
  if (peer.alive_at)
    node.seen_seconds_ago = static_cast<double>((s.now - *peer.alive_at).count()) / 1e9;
  return node;
}

/// As the leader sees them.
std::optional<core::WeakCommits> weak_commits(const Knowledge& knowledge) {
  const core::Situation& s = knowledge.situation;
  if (!s.record || !s.record->leader) return std::nullopt;
  const NodeName& leader = s.record->leader->node;
  if (leader == s.me) {
    const bool leads = s.server.state == core::ServerState::primary;
    return leads ? knowledge.weak_commits : std::nullopt;
  }
  const core::Heartbeat* said = core::fresh_word(s, leader);
  return said != nullptr ? said->weak_commits : std::nullopt;
}

const core::PermanentSlot* declared_slot(const core::Situation& s, const std::string& name) {
  if (!s.wanted.slots) return nullptr;
  const auto found = std::find_if(s.wanted.slots->begin(), s.wanted.slots->end(),
                                  [&](const core::PermanentSlot& one) { return one.name == name; });
  return found == s.wanted.slots->end() ? nullptr : &*found;
}

void add_note(cluster::SlotStatus& slot, const std::string& text) {
  if (text.empty()) return;
  slot.note += (slot.note.empty() ? "" : "; ") + text;
}

/// How a slot is not what is declared under its name; "" if it is.
std::string how_it_differs(const core::Slot& slot, const core::PermanentSlot& wanted) {
  std::string text;
  if (slot.logical != wanted.logical) {
    text = wanted.logical ? "declared as logical, and it is physical"
                          : "declared as physical, and it is logical";
  } else if (slot.logical && slot.database != wanted.database) {
    text = "declared in database " + wanted.database + ", and it is of " + slot.database;
  } else if (slot.logical && slot.plugin.value_or(wanted.plugin) != wanted.plugin) {
    text = "declared with plugin " + wanted.plugin + ", and it has " + *slot.plugin;
  }
  if (!text.empty() && slot.ours) text += ": it is made anew once nobody uses it";
  return text;
}

/// PostgreSQL's query_canceled: its time ended while it waited for transactions.
constexpr std::string_view gave_up_waiting = "SQLSTATE 57014";

/// Declared slots that the leader does not have yet. Why not, only the leader itself knows.
void add_missing_slots(std::vector<cluster::SlotStatus>& told, const core::Situation& s) {
  if (!s.wanted.slots) return;
  const bool leads = s.record->leader->node == s.me;
  const auto tried = s.attempts.find(core::KeepSlots::kind);
  const bool failed = leads && tried != s.attempts.end() && tried->second.failures > 0;
  const std::string why = failed ? tried->second.error : "";
  for (const core::PermanentSlot& wanted : *s.wanted.slots) {
    const bool there = std::any_of(told.begin(), told.end(), [&](const cluster::SlotStatus& one) {
      return one.name == wanted.name;
    });
    if (there) continue;
    cluster::SlotStatus one;
    one.name = wanted.name;
    one.type = wanted.logical ? "logical" : "physical";
    one.declared = true;
    one.note = "not made yet, it is tried again within 30 s";
    if (wanted.logical && (why.empty() || why.find(gave_up_waiting) != std::string::npos))
      add_note(one, "an open transaction holds a logical slot up");
    add_note(one, why);
    told.push_back(std::move(one));
  }
}

/// Those of the leader, with the nodes and the settings that they are for.
std::optional<std::vector<cluster::SlotStatus>> slots_of_leader(const core::Situation& s) {
  const auto* slots = core::leader_slots(s);
  if (slots == nullptr) return std::nullopt;
  std::vector<cluster::SlotStatus> told;
  for (const core::Slot& slot : *slots) {
    cluster::SlotStatus one;
    one.name = slot.name;
    one.type = slot.logical ? "logical" : "physical";
    for (const auto& [node, ignored] : s.peers) {
      if (core::slot_name(node) == slot.name) one.node = node.value;
    }
    if (core::slot_name(s.me) == slot.name) one.node = s.me.value;
    const core::PermanentSlot* wanted = declared_slot(s, slot.name);
    one.declared = wanted != nullptr;
    one.active = slot.active;
    if (slot.restart) one.restart_lsn = slot.restart->text();
    one.retained_bytes = slot.retained_bytes;
    one.wal_status = slot.wal_status;
    one.note = slot.note;
    if (wanted != nullptr) add_note(one, how_it_differs(slot, *wanted));
    if (one.declared && !slot.ours) {
      add_note(one, "made by others: when it is no longer declared, Evergres does not drop it, but "
                    "select pg_drop_replication_slot('" + slot.name + "') does");
    }
    told.push_back(std::move(one));
  }
  add_missing_slots(told, s);
  return told;
}

}  // namespace

cluster::ClusterStatus status_of(const Knowledge& knowledge, const std::string& cluster_name) {
  const core::Situation& s = knowledge.situation;
  cluster::ClusterStatus status;
  status.cluster = cluster_name;
  status.answered_by = s.me.value;
  status.wanted_k = s.wanted.acknowledgements;
  status.guards = knowledge.supervisor.guards;
  if (!s.store_trouble.empty()) status.store_trouble = s.store_trouble;
  const KnownSettings& settings = knowledge.settings;
  status.settings_generation = settings.newest ? settings.newest->generation : 0;
  if (!settings.store_trouble.empty()) status.settings_trouble = settings.store_trouble;
  if (knowledge.yields) status.store_trouble = *knowledge.yields;
  std::set<NodeName> names{s.me};
  for (const auto& [name, card] : knowledge.cards) names.insert(name);
  for (const auto& [name, peer] : s.peers) names.insert(name);
  if (s.record) {
    const core::Record& record = *s.record;
    for (const NodeName& member : record.members) names.insert(member);
    status.system_id = std::to_string(record.system_id.value);
    status.term = record.term.value;
    status.phase = word_of(record.phase);
    if (record.leader) status.leader = record.leader->node.value;
    if (!record.lineage.empty()) status.timeline = core::leader_timeline(record).value;
    const core::Policy* policy = core::newest_policy(record);
    if (policy == nullptr) policy = &record.policy.current;
    status.durability = word_of(policy->mode);
    status.k = policy->k;
    for (const core::Seat& voter : policy->voters) status.voters.push_back(voter.node.value);
    // A joint policy may have a node under two incarnations.
    status.voters.erase(std::unique(status.voters.begin(), status.voters.end()), status.voters.end());
    status.unproven = record.policy.unproven.size();
    if (const auto degraded = core::degraded_text(s); !degraded.empty()) status.degraded = degraded;
    status.paused = record.paused;
    if (record.request) {
      status.request = std::string(word_of(record.request->kind)) +
                       (record.request->to ? " to " + record.request->to->value : "");
    }
  }
  if (const auto weak = weak_commits(knowledge)) {
    status.weak_settings = weak->settings;
    status.weak_sessions = weak->sessions;
  }
  status.slots = slots_of_leader(s);
  for (const NodeName& name : names) {
    status.nodes.push_back(name == s.me ? own_status(knowledge) : peer_status(knowledge, name));
  }
  return status;
}

}  // namespace evergres::agent
