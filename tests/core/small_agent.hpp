#pragma once

#include "small_machines.hpp"

/// World: what an agent does around decide(): look, think, perform step by step, speak.
namespace evergres::core::small {

inline void World::look_at_server(Node& node) {
  const Postgres& own = node.postgres;
  Server& seen = node.s.server;
  const auto not_receiving_since = seen.not_receiving_since;
  const bool first_look = seen.state == ServerState::unknown && node.s.started_at == at(tick_);
  seen = Server{};
  if (first_look) return;
  seen.state = own.state;
  seen.rebuilding = own.rebuilding;
  if (own.state != ServerState::absent) {
    seen.incarnation = own.incarnation;
    seen.system_id = SystemId{77};
  }
  seen.asked_to_promote = own.asked_to_promote;
  seen.grant = own.grant;
  if (own.runs()) seen.position = own.position();
  seen.receiving = own.receiving;
  if (!own.receiving)
    seen.not_receiving_since = not_receiving_since ? *not_receiving_since : at(tick_);
  seen.upstream = own.upstream;
  seen.gate_open = own.gate_open;
  seen.slots_of.assign(own.slots.begin(), own.slots.end());
  seen.diverged = own.diverged;
  for (const auto& [name, flush] : own.acknowledged) {
    const auto reply = own.replied_at.find(name);
    if (reply == own.replied_at.end() || own.state != ServerState::primary) continue;
    seen.senders.push_back(
        Sender{name, tick_ - reply->second < 3, Lsn{flush}, Millis{100 * (tick_ - reply->second)}});
  }
}

inline void World::look(std::size_t index) {
  Node& node = nodes_[index];
  Situation& s = node.s;
  s.now = at(tick_);
  const auto before = s.record ? s.record->term : Term{};
  read_store(node);
  look_at_server(node);
  s.promise = node.promise;
  for (auto& [name, peer] : s.peers) {
    const Node& other = nodes_[index_of(name)];
    if (!other.agent_alive && linked(index, index_of(name))) peer.refused = true;
    const std::uint64_t card = other.card;
    if (node.store_ok && peer.card_hears != other.card_hears) peer.card_hears = other.card_hears;
    if (node.store_ok && node.cards_seen[name] != card) {
      node.cards_seen[name] = card;
      peer.card_moved = s.now;
    }
    if (!peer.said) continue;
    const std::string voter = application_name(peer.said->seat, s.record ? s.record->term : Term{});
    for (const Sender& sender : s.server.senders) {
      if (sender.application_name == voter && sender.streaming) peer.acknowledged_at = s.now;
    }
  }
  if (s.record && s.record->term != before) s.recent_terms = std::min(s.recent_terms + 1, 10U);
  if (tick_ % 100 == 0) s.recent_terms = s.recent_terms / 2;
  const bool leads = s.record && s.record->phase == Phase::leading && record_names_me(s) &&
                     claim_is_mine(s) && s.server.state == ServerState::primary;
  if (!leads) s.leading_since.reset();
  if (leads && !s.leading_since) s.leading_since = s.now;
  if (somebody_in_charge(s).yes)
    s.nobody_in_charge_since.reset();
  else if (!s.nobody_in_charge_since)
    s.nobody_in_charge_since = s.now;
  if (!node.store_ok) return;
  node.card_hears.clear();
  for (const auto& [name, peer] : s.peers) {
    if (is_heard(s, peer)) node.card_hears.push_back(name);
  }
}

inline void World::think(Node& node) {
  const GrantWish wish = grant_wish(node.s);
  if (wish.revoke) node.postgres.grant.reset();
  if (wish.kind && node.postgres.grant && node.postgres.grant->term == wish.term) {
    const Instant until = wish.counted_from + wish.length;
    Grant& grant = *node.postgres.grant;
    if (*wish.kind == GrantKind::lead &&
        (grant.kind != GrantKind::lead || grant.deadline < until)) {
      grant = Grant{GrantKind::lead, wish.term, until};
    }
    if (mode_ == Durability::async && *wish.kind == GrantKind::promote)
      grant.deadline = std::max(grant.deadline, until);
    node.s.server.grant = node.postgres.grant;
  }
  if (node.running)
    node.s.operation = Operation{node.running->kind, node.running->term, at(node.running->started)};
  else
    node.s.operation.reset();
  const Decision decision = decide(node.s);
  ++rules_seen[decision.rule];
  const std::string line = describe(decision);
  if (line != node.said_last) {
    trace << tick_ << ' ' << node.name.value << ' ' << line << '\n';
    if (kind_of(decision.intent) == ChooseLeader::kind) {
      for (const std::string& fact : decision.facts) trace << "      " << fact << '\n';
    }
    node.said_last = line;
  }
  begin(node, decision.intent);
}

inline void World::begin(Node& node, const Intent& intent) {
  const std::string kind(kind_of(intent));
  if (kind == Wait::kind) return;
  if (node.running && node.running->kind == kind) return;
  if (node.running) node.running.reset();
  if (kind == StayPut::kind) return;
  const int soon = tick_ + below(2);
  const auto word = last_word_of_the_unread(node.s);
  node.running = Running{intent, kind, node.s.record->term, tick_, 0, soon, 0, word};
}

inline void World::send(std::size_t index) {
  const Node& node = nodes_[index];
  const Situation& s = node.s;
  Heartbeat beat;
  beat.node = node.name;
  beat.agent = s.agent;
  if (const auto seat = my_seat(s)) beat.seat = *seat;
  beat.system_id = s.server.system_id;
  beat.revision = s.revision;
  beat.term = s.record ? s.record->term : Term{};
  beat.promise = s.promise;
  beat.store_ok = store_works(s);
  beat.server = s.server.state;
  const bool leads = s.record && s.record->phase == Phase::leading && record_names_me(s) &&
                     s.server.state == ServerState::primary && entitled_to_be_primary(s).yes;
  beat.leads = s.server.state == ServerState::unknown ? Leads::unknown
               : leads                                ? Leads::yes
                                                      : Leads::no;
  beat.sees_somebody_in_charge = somebody_in_charge(s).yes;
  beat.fenced = s.fenced;
  beat.last_word = s.last_word;
  if (s.last_word)
    beat.last_word_age = std::chrono::duration_cast<Millis>(s.now - s.last_word->heard_at);
  beat.position = s.server.position;
  beat.receiving = s.server.receiving;
  beat.upstream = s.server.upstream;
  beat.tags = s.tags;
  for (std::size_t to = 0; to < nodes_.size(); ++to) {
    if (to == index || !linked(index, to) || chance(calm_ ? 0 : 10)) continue;
    post_.push_back(Letter{tick_ + 1 + below(calm_ ? 1 : 4), tick_, to, beat, s.record});
  }
}

inline void World::step() {
  ++tick_;
  if (forcing) withdraw_a_forced_failover();
  deliver();
  std::vector<std::size_t> order(nodes_.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), random_);
  for (const std::size_t index : order) {
    Node& node = nodes_[index];
    if (node.frozen_until >= tick_) continue;
    // After a freeze PostgreSQL may be quicker than its supervisor. With async nothing helps
    // against that (decision 0025): there the clock that ends a grant is trusted.
    if (mode_ == Durability::async || chance(50)) supervise(node);
    node.postgres.tick(tick_);
    replicate(index);
    write_and_answer(node);
    if (!node.agent_alive) continue;
    look(index);
    think(node);
    if (node.running && tick_ >= node.running->next) {
      bool failed = false;
      Running& op = *node.running;
      const bool over = do_step(node, op, failed) || failed;
      op.next = tick_ + 1 + below(calm_ ? 1 : 4);
      if (over) {
        Attempt& attempt = node.s.attempts[op.kind];
        attempt = Attempt{failed ? Ending::failed : Ending::done, op.term, at(tick_),
                          failed ? attempt.failures + 1 : 0, failed ? "it failed" : ""};
        node.running.reset();
      }
      look_at_server(node);
      node.s.promise = node.promise;
    }
    send(index);
  }
}

}  // namespace evergres::core::small
