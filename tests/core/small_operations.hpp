#pragma once

#include "small_agent.hpp"

/// How intents are performed, a step at a time; between two steps everything may happen. Each
/// returns true when it is over and sets `failed` when it did not work.
namespace evergres::core::small {

class Hand {
 public:
  Hand(World& world, Node& at_node, Running& running, bool& has_failed)
      : w(world),
        node(at_node),
        pg(at_node.postgres),
        s(at_node.s),
        op(running),
        failed(has_failed) {}

  bool operator()(const StayPut&) { return true; }
  bool operator()(const Wait&) { return true; }
  bool operator()(const StartServer&) {
    if (op.step++ == 0) {
      if (pg.state != ServerState::stopped) return fail();
      s.fenced.reset();
      pg.start(w.tick_, 1 + w.below(5));
    }
    return pg.state != ServerState::starting;
  }
  bool operator()(const StopServer&) {
    pg.kill();
    return true;
  }
  bool operator()(const RestartServer& i) {
    if (pg.state == ServerState::standby) {
      pg.kill();
      s.fenced.reset();
      pg.start(w.tick_, 2);
    }
    return put(clear_request(*s.record, i.request_id));
  }
  bool operator()(const Fence& i) {
    switch (op.step++) {
      case 0:
        if (i.term < node.promise.term) return fail();
        node.promise = Promise{i.term, i.claim};
        s.fenced.reset();
        return false;
      case 1:
        pg.upstream.reset();
        pg.attached = pg.receiving = pg.diverged = false;
        if (pg.state != ServerState::primary && !pg.asked_to_promote) return false;
        pg.kill();
        pg.start(w.tick_, 2);
        return fail();
      default:
        if (pg.state != ServerState::standby && pg.state != ServerState::stopped) return fail();
        if (pg.upstream || pg.asked_to_promote) return fail();
        answer(i.term);
        return true;
    }
  }
  bool operator()(const ClaimTerm& i) {
    if (s.record->term != i.after) return fail();
    if (!put(claim_term(*s.record, node.name, s.agent, i.why))) return true;
    s.claimed_at = at(w.tick_);
    return true;
  }
  bool operator()(const Vacate& i) {
    return here(i.term) && put(vacate(*s.record, s.agent, i.why));
  }
  bool operator()(const ChooseLeader& i) {
    Choice choice{i.leader, i.agent, i.position, i.policy, i.timeline, i.learned, i.facts, i.loss};
    if (choice.loss) choice.loss->silent_ms = silence_since(op.word, at(w.tick_));
    return here(i.term) && put(choose_leader(*s.record, s.agent, choice, i.replace_book));
  }
  bool operator()(const Promote& i) {
    if (op.step == 0) {
      if (!here(i.term) || pg.state != ServerState::standby || !claim_is_mine(s)) return fail();
      pg.names = i.policy;
      pg.nobody = false;
      if (w.mode_ == Durability::async) pg.gate_open = false;  // its readers go
      const int lasts = w.mode_ == Durability::async ? 50 : 300;
      pg.grant = Grant{GrantKind::promote, i.term, at(w.tick_ + lasts)};
    } else if (op.step == 1) {
      if (!here(i.term) || !pg.grant || pg.state != ServerState::standby) return fail();
      pg.asked_to_promote = true;
      pg.promotes_at = w.tick_ + w.below(w.calm_ ? 3 : 25);
      pg.promotes_to = i.timeline;
      const auto [place, fresh] = w.promoted_to_.emplace(i.timeline, node.name);
      if (!fresh && place->second != node.name) w.complain("a timeline was used twice");
    } else if (pg.state == ServerState::primary) {
      return true;
    } else if (op.step > 8) {
      return fail();
    }
    ++op.step;
    return false;
  }
  bool operator()(const ProveBarrier& i) {
    if (!prove(i.term, i.policy)) return false;
    if (failed) return true;
    const Fork& fork = pg.history.back();
    return put(open_leadership(*s.record, s.agent, i.policy, fork, fork.at.value)) && lead(i.term);
  }
  bool operator()(const ChangePolicy& i) {
    if (!prove(i.term, i.policy)) return false;
    if (!failed && w.proofs_fail && !w.calm_ && w.chance(70)) return fail();
    return failed || put(prove_policy(*s.record, s.agent, i.policy));
  }
  bool operator()(const ResumeLeadership& i) {
    const auto seat = my_seat(s);
    return here(i.term) && put(resume_leadership(*s.record, *seat, s.agent));
  }
  bool operator()(const OpenGate&) {
    pg.gate_open = true;
    return true;
  }
  bool operator()(const MendSettings&) { return true; }
  bool operator()(const ApplySettings&) { return true; }
  bool operator()(const KeepSlots&) { return true; }
  bool operator()(const ReleaseSlots& i) {
    for (const NodeName& node_gone : i.nodes) pg.slots.erase(node_gone);
    return true;
  }
  bool operator()(const MakeSlots& i) {
    for (const NodeName& gone : i.drop) pg.slots.erase(gone);
    pg.slots.insert(i.nodes.begin(), i.nodes.end());
    return true;
  }
  bool operator()(const AllowRewinds& i) {
    return here(i.term) && put(set_rewind_ready(*s.record, s.agent));
  }
  bool operator()(const RecordDurability& i) {
    return here(i.term) &&
           put(set_durability(*s.record, s.agent, i.durability, i.max_loss_bytes, i.lease));
  }
  bool operator()(const RecordLoss& i) {
    if (!here(i.term) || !put(record_loss(*s.record, s.agent, i.loss))) return false;
    w.check_measured(i.loss);
    return true;
  }
  bool operator()(const AddMember& i) { return put(add_member(*s.record, s.agent, i.node)); }
  bool operator()(const BeginHandover& i) {
    const auto seat = my_seat(s);
    if (!here(i.after) || !put(begin_handover(*s.record, *seat, s.agent, i.heir, i.why)))
      return true;
    s.claimed_at = at(w.tick_);
    return true;
  }
  bool operator()(const StopForHandover& i) {
    if (op.step++ == 0) {
      node.promise = Promise{i.term, i.claim};
      if (w.chance(70)) {  // an orderly stop sends everything to the heir
        for (Node& other : w.nodes_) {
          Postgres& heir = other.postgres;
          if (other.name != i.heir || !heir.receiving || !heir.has_prefix_in(pg)) continue;
          if (!heir.upstream || heir.upstream->node != node.name) continue;
          heir.wal = pg.wal;
          heir.flushed = heir.wal.size();
        }
      }
      pg.kill();
      return false;
    }
    if (pg.state != ServerState::stopped) return fail();
    answer(i.term);
    return true;
  }
  bool operator()(const Follow& i) {
    if (!here(i.term) || node.promise.term != i.term || pg.state != ServerState::standby)
      return fail();
    pg.upstream = Upstream{i.upstream.node, i.term};
    if (i.voteless) pg.upstream->voteless = true;
    pg.attached = pg.diverged = false;
    return true;
  }
  bool operator()(const Rewind& i) { return rebuild(i.leader, true); }
  bool operator()(const Clone& i) { return rebuild(i.leader, false); }
  bool operator()(const ClearRequest& i) { return put(clear_request(*s.record, i.request_id)); }

 private:
  bool fail() {
    failed = true;
    return true;
  }
  bool here(Term term) {
    if (s.record->term != term) failed = true;
    return true;
  }
  bool put(const Result<Record>& next) {
    if (failed || !w.put(node, next)) return fail(), false;
    return true;
  }
  bool lead(Term term) {
    pg.grant = Grant{GrantKind::lead, term, at(w.tick_ + 50)};
    return true;
  }
  void answer(Term term) {
    Fenced fenced;
    fenced.term = term;
    fenced.seat = Seat{node.name, pg.incarnation};
    fenced.system_id = SystemId{77};
    fenced.agent = s.agent;
    fenced.position = pg.position();
    fenced.history = pg.history;
    fenced.newest_timeline = pg.newest;
    fenced.can_run = pg.state == ServerState::standby;
    s.fenced = fenced;
  }
  /// Propose, apply, write a probe, and see it flushed by every walsender of an old or new voter.
  bool prove(Term term, const Policy& policy) {
    if (!here(term) || failed || pg.state != ServerState::primary) return fail();
    switch (op.step) {
      case 0:
        if (!put(propose_policy(*s.record, s.agent, policy))) return true;
        break;
      case 1:
        pg.names = policy;
        pg.nobody = false;
        break;
      case 2:
        w.write(pg);
        op.probe = pg.flushed = pg.wal.size();
        break;
      default:
        if (acknowledges_nothing(policy) || pg.acknowledged_end() >= op.probe) return true;
        if (op.step > 12) return fail();
    }
    ++op.step;
    return false;
  }
  bool rebuild(const Seat& leader, bool rewind) {
    Node& source = w.nodes_[w.index_of(leader.node)];
    if (op.step++ == 0) {
      pg.kill();
      pg.state = rewind ? ServerState::stopped : ServerState::absent;
      pg.incarnation = Incarnation{"i" + std::to_string(w.next_incarnation_++)};
      pg.rebuilding = true;
      s.fenced.reset();
      return false;
    }
    if (op.step < 4) return false;
    const bool reached = source.postgres.state == ServerState::primary &&
                         w.linked(w.index_of(node.name), w.index_of(leader.node));
    if (!reached || (!w.calm_ && w.chance(20))) return fail();
    const Incarnation incarnation = pg.incarnation;
    pg.wal.assign(
        source.postgres.wal.begin(),
        source.postgres.wal.begin() + static_cast<std::ptrdiff_t>(source.postgres.flushed));
    pg.flushed = pg.wal.size();
    pg.timeline = pg.newest = source.postgres.timeline;
    pg.history = source.postgres.history;
    pg.rebuilding = false;
    pg.incarnation = incarnation;
    pg.state = ServerState::stopped;
    return true;
  }

  World& w;
  Node& node;
  Postgres& pg;
  Situation& s;
  Running& op;
  bool& failed;
};

inline bool World::do_step(Node& node, Running& op, bool& failed) {
  Hand hand(*this, node, op, failed);
  return std::visit([&](const auto& intent) { return hand(intent); }, op.intent);
}

}  // namespace evergres::core::small
