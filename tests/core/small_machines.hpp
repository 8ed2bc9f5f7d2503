#pragma once

#include "small_fates.hpp"
#include "small_operators.hpp"

/// World: machines, PostgreSQL, network and store. What agents do is in small_agent.hpp.
namespace evergres::core::small {

inline World::World(std::uint64_t seed, std::size_t size, Durability durability, bool tagged)
    : random_(seed),
      tagged_(tagged),
      mode_(durability),
      toggles_(durability != Durability::quorum) {
  const bool async = durability == Durability::async;
  wanted_ = Wanted{durability, async ? 1U : 2U, seed % 3 == 0 ? unlimited_loss : seed % 7};
  cut_.assign(size, std::vector<bool>(size, false));
  for (std::size_t i = 0; i < size; ++i) {
    Node node;
    node.name = NodeName{"n" + std::to_string(i + 1)};
    nodes_.push_back(node);
  }
  const Claim claim{"init"};
  Postgres& first = nodes_[0].postgres;
  first.incarnation = Incarnation{"i1"};
  next_incarnation_ = 2;
  first.wal = {next_record_++};
  first.state = ServerState::stopped;
  Record record = claim_bootstrap(ClusterId{"c"}, nodes_[0].name, claim);
  register_.record =
      *finish_bootstrap(record, claim, SystemId{77}, Seat{nodes_[0].name, first.incarnation},
                        async ? Durability::quorum : durability);
  if (tagged_) give_tags();
  for (Node& node : nodes_) start_agent(node);
}

/// The first node stays as it is, so that somebody may always lead in the end.
inline void World::give_tags() {
  for (std::size_t i = 1; i < nodes_.size(); ++i) {
    Tags& tags = nodes_[i].tags;
    tags.nofailover = chance(30);
    tags.failover_priority = tags.nofailover ? 1U : static_cast<std::uint32_t>(1 + below(3));
    tags.nosync = chance(15);
    tags.clonefrom = chance(30);
    if (chance(40)) tags.replicatefrom = nodes_[random_() % nodes_.size()].name;
    if (tags.replicatefrom == nodes_[i].name) tags.replicatefrom.reset();
  }
}

inline bool World::is_out(const Node& node) const {
  return hand_fence(register_.record, node.name) != nullptr;
}

inline std::size_t World::index_of(const NodeName& name) const {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].name == name) return i;
  }
  return 0;
}

inline void World::start_agent(Node& node) {
  node.agent_alive = true;
  node.running.reset();
  Situation fresh;
  fresh.me = node.name;
  fresh.agent = Claim{node.name.value + "-run" + std::to_string(++node.runs)};
  fresh.started_at = at(tick_);
  fresh.tags = node.tags;
  if (toggles_) fresh.wanted = wanted_;
  for (const Node& other : nodes_) {
    if (other.name != node.name) fresh.peers[other.name];
  }
  node.s = fresh;
}

inline void World::stop_agent(Node& node) {
  node.agent_alive = false;
  node.running.reset();
  node.agent_back = tick_ + 1 + below(20);
}

inline void World::trouble() {
  calm_ = false;
  Node& node = nodes_[random_() % nodes_.size()];
  const std::size_t a = random_() % nodes_.size();
  const std::size_t b = random_() % nodes_.size();
  switch (below(24)) {
    case 0: stop_agent(node); break;
    case 1:
    case 2: node.postgres.kill(); break;
    case 3:  // the machine
      stop_agent(node);
      node.postgres.kill();
      if (chance(50)) node.postgres.wal.resize(std::max(node.postgres.flushed, std::size_t{0}));
      node.agent_back = tick_ + below(80);
      break;
    case 4: node.frozen_until = tick_ + below(70); break;
    case 5: cut_[a][b] = true; break;
    case 6:
      for (std::size_t i = 0; i < nodes_.size(); ++i) cut_[a][i] = cut_[i][a] = i != a;
      if (mode_ == Durability::async && chance(50)) nodes_[a].store_ok = false;  // from everything
      break;
    case 7:
    case 8:
    case 9:
      for (auto& row : cut_) row.assign(nodes_.size(), false);
      break;
    case 10: node.store_ok = false; break;
    case 11:
    case 12:
      for (Node& each : nodes_) each.store_ok = true;
      break;
    case 13: {
      const Request wish{"r" + std::to_string(tick_),
                         chance(30) ? RequestKind::restart : RequestKind::switchover,
                         nodes_[a].name, false, 0};
      if (auto asked = ask(register_.record, wish)) {
        register_.record = *asked;
        ++register_.revision;
      }
      break;
    }
    case 14:  // an operator changes the durability while things fail
      if (!toggles_ || (!proofs_fail && !chance(20))) break;
      wanted_.durability = wanted_.durability == mode_ ? Durability::quorum : mode_;
      for (Node& each : nodes_) each.s.wanted = wanted_;
      break;
    case 15:
      if (tagged_) fence_or_unfence(nodes_[a].name);
      break;
    case 16:
    case 17:
      if (forcing) force_a_failover();
      break;
    case 18:
    case 19:
      if (forcing) kill_the_chosen();
      break;
    default: break;
  }
}

inline void World::heal() {
  calm_ = true;
  // What only a node that is out may hold keeps everybody from leading: operators put it back.
  const PolicyBook& book = register_.record.policy;
  for (const Node& node : nodes_) {
    const auto names_it = [&](const Policy& policy) { return counts_node(policy, node.name); };
    const bool needed = names_it(book.current) ||
                        std::any_of(book.unproven.begin(), book.unproven.end(), names_it) ||
                        node.name == nodes_[0].name;
    if (is_out(node) && (needed || chance(50))) fence_or_unfence(node.name);
  }
  for (auto& row : cut_) row.assign(nodes_.size(), false);
  for (Node& node : nodes_) {
    node.store_ok = true;
    node.frozen_until = -1;
    node.agent_back = std::min(node.agent_back, tick_ + 10);
  }
}

/// One tick of the walreceiver of a node, and of the walsender at its other end.
inline void World::replicate(std::size_t index) {
  Node& node = nodes_[index];
  Postgres& own = node.postgres;
  own.receiving = false;
  if (own.state != ServerState::standby || !own.upstream) {
    own.attached = false;
    return;
  }
  const std::size_t from = index_of(own.upstream->node);
  Postgres& other = nodes_[from].postgres;
  const bool reached = linked(index, from) && other.runs() && nodes_[from].frozen_until < tick_;
  if (!reached) {
    own.attached = false;
    return;
  }
  const Seat seat{node.name, own.incarnation};
  const std::string name = own.upstream->voteless ? voteless_name(seat, own.upstream->term)
                                                  : application_name(seat, own.upstream->term);
  auto& reported = other.acknowledged[name];
  if (other.timeline < own.timeline) {
    own.attached = false;
    return;
  }  // "behind recovery timeline"
  if (!own.attached) {
    own.attached = true;
    own.wal.resize(
        own.flushed);  // replay is never ahead of the flush; the receiver writes from there
    reported = std::max(reported, own.wal.size());  // flush := replay, whatever the timeline
    own.diverged = !own.has_prefix_in(other) && own.wal.size() <= other.wal.size();
    if (own.diverged)
      complain(node.name.value + " attached to " + nodes_[from].name.value +
               " with WAL that it lacks");
    if (!own.diverged && other.timeline > own.timeline) {
      own.timeline =
          other.timeline;  // it fetched the history file, and may still be before the fork
      own.history = other.history;
      own.newest = std::max(own.newest, other.newest);
    }
  }
  if (own.diverged || !own.has_prefix_in(other) || own.wal.size() > other.flushed) {
    own.diverged = own.diverged || !own.has_prefix_in(other);
    return;
  }
  if (other.timeline > own.timeline) {
    own.attached = false;
    return;
  }  // the stream ends; anew
  own.receiving = true;
  const auto arrived = std::min<std::size_t>(other.flushed - own.wal.size(), random_() % 4);
  for (std::size_t i = 0; i < arrived; ++i) own.wal.push_back(other.wal[own.wal.size()]);
  if (chance(70)) own.flushed = own.wal.size();
  reported = std::max(reported, own.flushed);
  other.replied_at[name] = tick_;
}

inline void World::write_and_answer(Node& node) {
  Postgres& own = node.postgres;
  if (own.state != ServerState::primary) return;
  if (chance(60)) {
    write(own);
    own.flushed = own.wal.size();
  }
  // The gate is closed until the leadership is open: nobody is there who could be told.
  if (mode_ == Durability::async && !own.gate_open) {
    own.settled = own.flushed;
    return;
  }
  const std::size_t end = own.acknowledged_end();
  for (std::size_t i = own.settled; i < end; ++i) {
    acknowledged_.emplace(own.wal[i], Acknowledged{node.name, tick_, Lsn{i + 1}, own.names.mode});
    if (own.names.mode == Durability::strict) check_strictness(node, own.wal[i]);
    trace << tick_ << "   " << node.name.value << " acknowledges record " << own.wal[i] << " at "
          << i << '\n';
    // A thawed leader may still answer what its standbys had flushed before they were fenced; what
    // the leader of a newer term lacks it must not.
    const auto opener = opened_by_.find(register_.record.term);
    if (opener == opened_by_.end() || opener->second == node.name) continue;
    const std::vector<int>& held = nodes_[index_of(opener->second)].postgres.wal;
    if (std::find(held.begin(), held.end(), own.wal[i]) != held.end()) continue;
    complain(node.name.value + " acknowledges what " + opener->second.value +
             " lacks, which leads term " + std::to_string(register_.record.term.value));
  }
  own.settled = std::max(own.settled, end);
}

/// The supervisor: a primary whose grant ended is stopped; it starts a dead agent again.
inline void World::supervise(Node& node) {
  Postgres& own = node.postgres;
  if (own.grant && own.grant->deadline < at(tick_)) own.grant.reset();
  const bool may_become = own.asked_to_promote && own.state == ServerState::standby;
  if ((own.state == ServerState::primary || may_become) && !own.grant) own.kill();
  if (!node.agent_alive && tick_ >= node.agent_back) start_agent(node);
}

inline void World::read_store(Node& node) {
  if (!node.store_ok) {
    node.s.store_trouble = "the store does not answer";
    return;
  }
  if (!chance(70)) return;
  node.s.store_trouble.clear();
  node.s.store_read_at = at(tick_);
  learn(node, register_.record);
  node.s.revision = Revision{register_.revision};
  ++node.card;
  if (mode_ == Durability::async && tick_ % 8 == 0) renew_lease(node);
}

inline void World::learn(Node& node, const Record& record) {
  if (!node.s.record || node.s.record->renewed != record.renewed) node.s.renewed_since = at(tick_);
  if (impatient) node.s.renewed_since = at(-100);
  // Also if the reply to our claim was lost.
  const bool new_term = node.s.record && node.s.record->term != record.term;
  if (new_term && record.claim == node.s.agent) node.s.claimed_at = at(tick_);
  node.s.record = record;
}

inline void World::renew_lease(Node& node) {
  const auto renewed = renew(register_.record, node.s.agent);
  if (!renewed) return;
  register_.record = *renewed;
  ++register_.revision;
  if (!calm_ && chance(5)) return;  // the reply was lost
  node.s.renewed_at = at(tick_);
  learn(node, register_.record);
  node.s.revision = Revision{register_.revision};
}

inline void World::deliver() {
  std::deque<Letter> later;
  for (Letter& letter : post_) {
    Node& node = nodes_[letter.to];
    if (letter.due > tick_ || node.frozen_until >= tick_) {
      later.push_back(letter);
      continue;
    }
    if (!node.agent_alive) continue;
    Peer& peer = node.s.peers[letter.heartbeat.node];
    if (peer.alive_at && *peer.alive_at > at(letter.sent - 1)) continue;  // an older one
    peer.said = letter.heartbeat;
    peer.alive_at = at(letter.sent - 1);
    peer.refused = false;
    if (letter.record && letter.heartbeat.revision > node.s.revision) {
      learn(node, *letter.record);
      node.s.revision = letter.heartbeat.revision;
    }
    const auto first_word = node.s.last_word;
    note_last_word(node.s, letter.heartbeat, *peer.alive_at);
    if (forgetful && first_word && first_word->leader == node.s.last_word->leader)
      node.s.last_word->position = first_word->position;
  }
  post_ = std::move(later);
}

inline bool World::put(Node& node, const Result<Record>& next) {
  if (!node.store_ok || !next) return false;
  if (register_.revision != node.s.revision.value &&
      !differs_only_in_small_things(register_.record, *node.s.record)) {
    return false;
  }
  Record record = *next;
  if (register_.revision != node.s.revision.value) {
    record.request = register_.record.request;
    record.renewed += register_.record.renewed - node.s.record->renewed;
  }
  check_record(record);
  check_loss(record);
  register_.record = record;
  ++register_.revision;
  if (!calm_ && chance(5)) return false;  // the reply was lost
  learn(node, record);
  node.s.revision = Revision{register_.revision};
  return true;
}

inline void World::check_record(const Record& record) {
  if (auto trouble = inconsistency(record); !trouble.empty()) complain("record: " + trouble);
  if (record.phase != Phase::leading || opened_by_.contains(record.term)) {
    const auto opener = opened_by_.find(record.term);
    if (record.phase == Phase::leading && opener->second != record.leader->node) {
      complain("two leaders opened term " + std::to_string(record.term.value));
    }
    // Decision 0025: what was acknowledged before counts as async once its leader has proven async.
    if (record.phase == Phase::leading && record.policy.current.mode == Durability::async) {
      for (auto& [id, how] : acknowledged_) how.mode = Durability::async;
    }
    return;
  }
  opened_by_[record.term] = record.leader->node;
  ++opened;
  const Postgres& leader = nodes_[index_of(record.leader->node)].postgres;
  const std::set<int> held(leader.wal.begin(), leader.wal.end());
  note_found_again(held);
  check_fates(record, leader);
  if (record.loss && record.loss->term == record.term) note_lost(record, held);
  for (const auto& [id, how] : acknowledged_) {
    if (held.contains(id)) continue;
    return complain(record.leader->node.value + " opened term " +
                    std::to_string(record.term.value) + " without the acknowledged record " +
                    std::to_string(id));
  }
}

/// A leader that was given up may lead again, if those who came after it were given up as well and
/// nobody else can: then what was lost with it is there once more.
inline void World::note_found_again(const std::set<int>& held) {
  for (auto& [term, lost] : lost_) {
    for (const auto& [id, how] : lost) {
      if (held.contains(id)) acknowledged_.emplace(id, how);
    }
    std::erase_if(lost, [&](const auto& entry) { return held.contains(entry.first); });
  }
}

/// What a failover gave up is in what it says about it, and was acknowledged by an async leader
/// alone: the given up one, or one before it whose WAL it had. A word of that leader says how far
/// it was, and after the word it may have gone on.
inline void World::note_lost(const Record& record, const std::set<int>& held) {
  auto& lost = lost_[record.term];
  for (const auto& [id, how] : acknowledged_) {
    if (!held.contains(id)) lost.emplace(id, how);
  }
  const Loss& loss = *record.loss;
  for (const auto& [id, how] : lost) {
    acknowledged_.erase(id);
    const std::string what = "record " + std::to_string(id) + " of " + how.by.value;
    if (how.mode != Durability::async && !forcing)
      complain(what + " was acknowledged by more and is lost");
    const bool told = loss.to && how.end <= *loss.to;
    const bool later =
        loss.to && how.tick > last_word_tick_[record.term] && how.by == loss.leader.node;
    const bool unknown = !loss.to && (forcing || record.max_loss_bytes == unlimited_loss);
    if (!told && !later && !unknown) {
      complain(what + " is lost and not in " + describe(loss));
    }
  }
}

/// Only async policies are given up, and within max_loss unless an operator accepts more.
inline void World::check_loss(const Record& record) {
  const auto& before = register_.record.loss;
  if (!record.loss || (before && before->term == record.loss->term)) return;
  const Loss& loss = *record.loss;
  const bool inherited = loss.since && before && before->leader == loss.leader;
  last_word_tick_[loss.term] =
      inherited ? last_word_tick_[before->term] : tick_ - static_cast<int>(loss.silent_ms / 100);
  inherited_losses += inherited ? 1 : 0;
  if (forcing) {
    ++given_up;
    return;
  }
  if (!some_async(register_.record.policy)) complain("a failover gave up more than async");
  if (!is_tolerable(loss, record)) complain("a failover lost more than max_loss");
  ++given_up;
}

/// What was read from the leader itself leaves nothing out.
inline void World::check_measured(const Loss& loss) {
  ++measured;
  for (const auto& [id, how] : lost_[loss.term]) {
    if (how.end > *loss.to)
      complain("record " + std::to_string(id) + " is lost, but " + describe(loss));
  }
}

/// With strict a commit is never acknowledged on fewer standbys than wanted, whatever fails.
inline void World::check_strictness(const Node& node, int id) {
  std::uint32_t copies = 0;
  for (const Node& other : nodes_) {
    const auto& held = other.postgres;
    const auto end = held.wal.begin() + static_cast<std::ptrdiff_t>(held.flushed);
    const bool holds = std::find(held.wal.begin(), end, id) != end;
    copies += holds && other.name != node.name ? 1U : 0U;
  }
  if (copies < node.s.wanted.acknowledgements) {
    complain(node.name.value + " acknowledged record " + std::to_string(id) + " on " +
             std::to_string(copies) + " standbys although it is strict");
  }
}

/// In the end everybody votes who may; of those that must not lead only as many as are needed.
inline std::string World::who_does_not_vote(const Record& record) const {
  std::size_t willing = 0;
  std::size_t reluctant = 0;
  const Policy& policy = record.policy.current;
  for (const Node& node : nodes_) {
    if (node.name == policy.leader.node) continue;
    const bool may = !is_out(node) && !why_not_vote(node.tags);
    if (!may && counts_node(policy, node.name)) return node.name.value + " votes and must not";
    if (may) (node.tags.nofailover ? reluctant : willing) += 1;
  }
  const std::size_t wanted = toggles_ ? wanted_.acknowledgements : 1;
  const std::size_t voters = willing >= wanted ? willing : std::min(willing + reluctant, wanted);
  return policy.voters.size() == voters ? "" : "not everybody votes who should";
}

inline std::string World::missing() const {
  const Record& record = register_.record;
  if (record.phase != Phase::leading) return "no leader is open";
  const Node& leader = nodes_[index_of(record.leader->node)];
  if (leader.postgres.state != ServerState::primary) return "the leader's server is not primary";
  if (!leader.postgres.gate_open) return "the gate is closed";
  for (const Node& node : nodes_) {
    if (is_out(node)) {
      if (node.postgres.runs()) return node.name.value + " runs although it is fenced by hand";
      continue;
    }
    if (node.name == leader.name || node.postgres.receiving) continue;
    const Postgres& own = node.postgres;
    return node.name.value + " does not stream: " + std::string(word_of(own.state)) + " at " +
           own.position().lsn.text() + " on timeline " + std::to_string(own.timeline.value) +
           (own.diverged ? ", diverged" : "") + "; the leader is at " +
           leader.postgres.position().lsn.text() + " on timeline " +
           std::to_string(leader.postgres.timeline.value);
  }
  if (!record.policy.unproven.empty()) return "a policy is unproven";
  if (toggles_ && record.durability != wanted_.durability) return "the durability is not recorded";
  const bool async = record.durability == Durability::async;
  if (async != (record.policy.current.mode == Durability::async)) return "the mode is another";
  if (auto who = async ? "" : who_does_not_vote(record); !who.empty()) return who;
  if (leader.postgres.settled + 8 < leader.postgres.wal.size()) return "commits hang";
  return {};
}

}  // namespace evergres::core::small
