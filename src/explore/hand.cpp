#include "explore/hand.hpp"

#include <algorithm>

#include "core/transition.hpp"

namespace evergres::explore {

using core::ServerState;

namespace {

Byte byte_of(Term term) {
  return static_cast<Byte>(term.value);
}

/// "n2-run3"
Byte code_of(const Claim& claim) {
  if (claim.empty()) return 0;
  const int node = claim.value.at(1) - '1';
  return static_cast<Byte>(node * 32 + std::stoi(claim.value.substr(6)));
}

}  // namespace

void Hand::perform(std::uint32_t order) {
  const std::string_view kind = kind_of(w.orders_[order].intent);
  const bool runs = agent.order != 0;
  if (kind == core::Wait::kind && !runs) return;
  const bool goes_on =
      runs && (kind == core::Wait::kind || kind == kind_of(w.orders_[agent.order].intent));
  if (!goes_on) {
    agent.step = agent.probe = agent.order_term = 0;
    agent.order = 0;
    if (kind == core::StayPut::kind) return;
    agent.order = order;
    agent.order_term = byte_of(record.term);
  }
  const core::Intent& intent = w.orders_[agent.order].intent;
  const bool over = std::visit([&](const auto& what) { return (*this)(what); }, intent) || failed;
  if (!over) return;
  note_ending(kind_of(intent));
  agent.order = 0;
  agent.step = agent.probe = agent.order_term = 0;
}

void Hand::note_ending(std::string_view kind) {
  const Byte term = failed ? agent.order_term : Byte{0};
  if (kind == core::Fence::kind) {
    agent.fence_failed_in = term;
    agent.fence_failures =
        failed ? std::min<Byte>(3, static_cast<Byte>(agent.fence_failures + 1)) : 0;
  }
  if (kind == core::StartServer::kind) agent.fence_failures = agent.fence_failed_in = 0;
  if (kind == core::Promote::kind) agent.promote_failed_in = term;
  if (kind == core::ProveBarrier::kind) agent.barrier_failed_in = term;
  if (kind == core::Rewind::kind) agent.rewind_failed_in = term;
}

bool Hand::operator()(const core::StartServer&) {
  if (pg.state != ServerState::stopped) return fail();
  agent.fenced = 0;
  m.start(me);
  return true;
}

bool Hand::operator()(const core::StopServer&) {
  m.kill(me);
  return true;
}

bool Hand::operator()(const core::RestartServer& i) {
  if (pg.state == ServerState::standby) {
    m.kill(me);
    agent.fenced = 0;
    m.start(me);
  }
  return put(core::clear_request(record, i.request_id));
}

bool Hand::operator()(const core::Fence& i) {
  if (fate == Fate::gives_up && agent.step > 0) return fail();
  switch (agent.step++) {
    case 0:
      if (byte_of(i.term) < agent.promise_term) return fail();
      agent.promise_term = byte_of(i.term);
      agent.promise_claim = code_of(i.claim);
      agent.fenced = 0;
      return w.plan_.planted == Planted::skip_the_fence && answer(i.term, pg.flushed);
    case 1:
      agent.probe = pg.flushed;
      if (w.plan_.planted != Planted::read_before_the_cut) cut_the_receiver();
      if (pg.state != ServerState::primary && pg.asked == 0) return false;
      m.kill(me);
      m.start(me);
      return fail();
    default:
      if (w.plan_.planted == Planted::read_before_the_cut) {
        cut_the_receiver();
        return answer(i.term, agent.probe);
      }
      if (pg.state != ServerState::standby && pg.state != ServerState::stopped) return fail();
      if (pg.upstream != 0 || pg.asked != 0) return fail();
      return answer(i.term, pg.flushed);
  }
}

bool Hand::operator()(const core::ClaimTerm& i) {
  if (!here(i.after)) return true;
  if (put(core::claim_term(record, w.name_of(me), my_claim(), i.why))) agent.claimed = 1;
  return true;
}

bool Hand::operator()(const core::Vacate& i) {
  return here(i.term), put(core::vacate(record, my_claim(), i.why));
}

bool Hand::operator()(const core::ChooseLeader& i) {
  const core::Choice choice{i.leader,   i.agent,   i.position, i.policy,
                            i.timeline, i.learned, i.facts,    i.loss};
  return here(i.term), put(core::choose_leader(record, my_claim(), choice, i.replace_book));
}

bool Hand::operator()(const core::Promote& i) {
  if (agent.step == 0) {
    if (!here(i.term) || pg.state != ServerState::standby || record.claim != my_claim())
      return fail();
    pg.names = w.policy_number(i.policy);
    pg.grant = 1;
    pg.grant_term = byte_of(i.term);
  } else if (agent.step == 1) {
    if (!here(i.term) || pg.grant == 0 || pg.state != ServerState::standby) return fail();
    pg.asked = 1;
    pg.promotes_to = static_cast<Byte>(i.timeline.value);
  } else if (pg.state == ServerState::primary) {
    return true;
  } else if (fate == Fate::gives_up || pg.promotes_to == 0) {
    return fail();
  } else {
    return false;
  }
  ++agent.step;
  return false;
}

bool Hand::operator()(const core::ProveBarrier& i) {
  if (!prove(i.term, i.policy)) return false;
  if (failed) return true;
  const auto last =
      std::find_if(pg.forks.rbegin(), pg.forks.rend(), [](SmallFork f) { return f.timeline != 0; });
  if (last == pg.forks.rend()) return fail();
  const bool took_another = last->timeline != i.timeline.value;
  if (took_another && w.plan_.planted != Planted::own_timeline_id) return fail();
  const core::Fork fork{i.timeline, TimelineId{last->parent}, Lsn{last->at}};
  if (!put(core::open_leadership(record, my_claim(), i.policy, fork, last->at))) return true;
  pg.grant = 2;
  return true;
}

bool Hand::operator()(const core::ChangePolicy& i) {
  if (!prove(i.term, i.policy)) return false;
  if (!failed) put(core::prove_policy(record, my_claim(), i.policy));
  return true;
}

bool Hand::operator()(const core::ResumeLeadership& i) {
  return here(i.term), put(core::resume_leadership(record, my_seat(), my_claim()));
}

bool Hand::operator()(const core::OpenGate&) {
  pg.gate = 1;
  return true;
}

bool Hand::operator()(const core::AllowRewinds& i) {
  return here(i.term), put(core::set_rewind_ready(record, my_claim()));
}

bool Hand::operator()(const core::AddMember& i) {
  return put(core::add_member(record, my_claim(), i.node)), true;
}

bool Hand::operator()(const core::BeginHandover& i) {
  if (!here(i.after)) return true;
  if (put(core::begin_handover(record, my_seat(), my_claim(), i.heir, i.why))) agent.claimed = 1;
  return true;
}

bool Hand::operator()(const core::StopForHandover& i) {
  if (agent.step++ == 0) {
    agent.promise_term = byte_of(i.term);
    agent.promise_claim = code_of(i.claim);
    Server& heir = m.server(w.index_of(i.heir));
    const bool streams = &heir != &pg && heir.receiving != 0 && heir.upstream == me + 1 &&
                         m.linked(me, w.index_of(i.heir)) && Move::is_prefix(heir, pg);
    if (streams && fate != Fate::gives_up) {  // an orderly stop sends everything to the heir
      heir.wal = pg.wal;
      heir.length = heir.flushed = pg.length;
    }
    m.kill(me);
    return false;
  }
  if (pg.state != ServerState::stopped) return fail();
  return answer(i.term, pg.flushed);
}

void Hand::cut_the_receiver() {
  m.end_stream(me);
  pg.upstream = pg.upstream_term = pg.diverged = pg.wal_gone = 0;
}

bool Hand::operator()(const core::Follow& i) {
  if (!here(i.term) || agent.promise_term != byte_of(i.term) || pg.state != ServerState::standby)
    return fail();
  m.end_stream(me);
  pg.upstream = static_cast<Byte>(w.index_of(i.upstream.node) + 1);
  pg.upstream_term = byte_of(i.term);
  pg.diverged = pg.wal_gone = 0;
  return true;
}

bool Hand::operator()(const core::ClearRequest& i) {
  return put(core::clear_request(record, i.request_id)), true;
}

bool Hand::answer(Term term, Byte position) {
  core::Fenced fenced;
  fenced.term = term;
  fenced.seat = my_seat();
  fenced.system_id = SystemId{77};
  fenced.agent = my_claim();
  fenced.position = core::Position{TimelineId{pg.timeline}, Lsn{position}};
  for (const SmallFork& fork : pg.forks) {
    if (fork.timeline == 0) break;
    fenced.history.push_back({TimelineId{fork.timeline}, TimelineId{fork.parent}, Lsn{fork.at}});
  }
  fenced.newest_timeline = TimelineId{pg.newest};
  fenced.can_run = pg.state == ServerState::standby;
  agent.fenced = w.answers_.number(fenced);
  return true;
}

/// Records a policy before it is in force. False: it was not recorded, and all is over.
bool Hand::propose(const core::Policy& policy, bool first) {
  const bool comes_second = w.plan_.planted == Planted::apply_before_recording;
  return comes_second == first || put(core::propose_policy(record, my_claim(), policy));
}

bool Hand::needs_no_proof(const core::Policy& policy) const {
  const Planted planted = w.plan_.planted;
  const bool barrier = kind_of(w.orders_[agent.order].intent) == core::ProveBarrier::kind;
  return planted == Planted::prove_without_waiting ||
         (planted == Planted::open_before_the_barrier && barrier) ||
         core::acknowledges_nothing(policy);
}

/// Propose; apply and write a probe; see it flushed by enough voters. One action each.
bool Hand::prove(Term term, const core::Policy& policy) {
  if (!here(term) || pg.state != ServerState::primary) return fail();
  const std::uint32_t names = w.policy_number(policy);
  switch (agent.step) {
    case 0:
      if (!propose(policy, true)) return true;
      if (w.plan_.planted == Planted::apply_before_recording) pg.names = names;
      if (w.plan_.planted == Planted::names_through_empty)
        pg.names = w.policy_number(core::Policy{policy.mode, policy.term, policy.leader, {}, 0});
      break;
    case 1:
      if (!propose(policy, false)) return true;
      pg.names = names;
      m.append(pg);
      agent.probe = pg.length;
      break;
    default:
      if (needs_no_proof(policy) || m.acknowledged_end(pg) >= agent.probe) return true;
      return fate == Fate::gives_up ? fail() : false;
  }
  ++agent.step;
  return false;
}

/// An operator's wish is fulfilled once the server is stopped: a clone that dies half-way is not
/// begun anew for ever.
bool Hand::operator()(const core::Clone& i) {
  const bool has_data = pg.state != ServerState::absent && pg.rebuilding == 0;
  if (i.request_id.empty()) {
    return has_data ? exchange(w.index_of(i.leader.node)) : rebuild(i.leader, false);
  }
  if (agent.step == 0) {
    m.kill(me);
    ++agent.step;
    return false;
  }
  if (agent.step == 1 && !put(core::begin_reinit(record, i.term, w.name_of(me), i.request_id))) {
    return true;
  }
  return rebuild(i.leader, false, 1);
}

/// Asked before anything is given up.
bool Hand::operator()(const core::Rewind& i) {
  const std::size_t from = w.index_of(i.leader.node);
  const bool reached = m.server(from).state == ServerState::primary && m.linked(me, from);
  if (agent.step == 0 && !reached) return fail();
  return rebuild(i.leader, true);
}

/// The copy is made beside what is there, which counts until both are exchanged in one step.
bool Hand::exchange(std::size_t from) {
  if (agent.step++ == 0) {
    m.kill(me);
    agent.fenced = 0;
    return false;
  }
  const bool reached = m.server(from).state == ServerState::primary && m.linked(me, from);
  if (fate == Fate::gives_up || !reached) return fail();
  give_up_data();
  become_copy_of(m.server(from));
  return true;
}

void Hand::give_up_data() {
  bool kept = false;
  for (std::size_t other = 0; other < m.size(); ++other)
    kept = kept || (other != me && w.holds(m.server(other), m.now));
  if (!kept) w.complain("I11: " + w.name_of(me).value + " throws away what nobody else holds");
  // An id that only half a copy bore may be used again: nobody ever compares it.
  const bool keeps = w.plan_.planted == Planted::keep_the_incarnation || pg.rebuilding != 0;
  if (!keeps || pg.incarnation == 0) ++pg.incarnation;
  pg.wal_gone = 0;
  agent.fenced = 0;
}

void Hand::become_copy_of(const Server& source) {
  pg.wal = source.wal;
  pg.length = pg.flushed = source.flushed;
  std::fill(pg.wal.begin() + pg.length, pg.wal.end(), Byte{0});
  pg.timeline = pg.newest = source.timeline;
  pg.forks = source.forks;
  pg.rebuilding = 0;
  pg.state = ServerState::stopped;
}

bool Hand::rebuild(const core::Seat& leader, bool rewind, Byte first_step) {
  const std::size_t from = w.index_of(leader.node);
  const Server& source = m.server(from);
  if (agent.step++ == first_step) {
    give_up_data();
    m.kill(me);
    pg.state = rewind ? ServerState::stopped : ServerState::absent;
    pg.rebuilding = 1;
    return false;
  }
  if (fate == Fate::gives_up) return fail();
  if (source.state != ServerState::primary || !m.linked(me, from)) return fail();
  become_copy_of(source);
  return true;
}

}  // namespace evergres::explore
