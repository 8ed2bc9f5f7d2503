#include "explore/move.hpp"

#include <algorithm>

#include "core/transition.hpp"

namespace evergres::explore {

using core::ServerState;

void Move::finish() {
  for (std::size_t i = 0; i < size(); ++i) {
    Server& own = server(i);  // what is gone leaves no trace
    std::fill(own.wal.begin() + own.length, own.wal.end(), Byte{0});
  }
  for (std::size_t i = 0; i < size(); ++i) note_acknowledged(i);
  for (std::size_t i = 0; i < size(); ++i) {
    if (w.nodes_[now.nodes[i]] == nodes_[i]) continue;
    w.drop_the_unseen(nodes_[i]);
    now.nodes[i] = w.nodes_.number(nodes_[i]);
  }
}

void Move::kill(std::size_t index) {
  Server& own = server(index);
  if (own.state == ServerState::absent) return;
  end_stream(index);
  own.state = ServerState::stopped;
  own.grant = own.grant_term = 0;
  own.gate = own.promotes_to = 0;
  for (Sender& sender : own.senders) sender.streams = 0;
}

void Move::start(std::size_t index) {
  Server& own = server(index);
  own.state = ServerState::starting;
  own.upstream = own.upstream_term = 0;
  own.grant = own.grant_term = 0;
  own.attached = own.receiving = own.diverged = own.gate = own.asked = own.promotes_to = 0;
  own.names = 0;
  own.senders = {};
  own.flushed = own.length;  // what was written and not flushed is there again
}

void Move::end_stream(std::size_t index) {
  Server& own = server(index);
  if (own.attached != 0 && own.upstream != 0) server(own.upstream - 1U).senders[index].streams = 0;
  own.attached = own.receiving = 0;
}

bool Move::is_prefix(const Server& inner, const Server& outer) {
  return inner.length <= outer.length &&
         std::equal(inner.wal.begin(), inner.wal.begin() + inner.length, outer.wal.begin());
}

void Move::append(Server& primary) {
  if (primary.length == longest_wal) return w.complain("the cluster never settles: too much WAL");
  primary.wal[primary.length++] = primary.timeline;
  primary.flushed = primary.length;
}

Byte Move::acknowledged_end(const Server& primary) const {
  if (primary.names == 0) return 0;
  const SmallPolicy& policy = w.small_policies_[primary.names];
  if (policy.nothing) return 0;
  if (policy.voters.empty()) return primary.flushed;
  std::array<Byte, most_nodes> ends{};
  std::size_t count = 0;
  for (const auto& [node, incarnation] : policy.voters) {
    const Sender& sender = primary.senders[node];
    const bool counts = sender.incarnation == incarnation && sender.term == policy.term;
    ends[count++] = counts ? sender.end : Byte{0};
  }
  std::sort(ends.rbegin(), ends.rend());
  return std::min(primary.flushed, ends[policy.k - 1U]);
}

/// A client may be told as soon as a commit counts, so it is taken for told: later is never worse.
void Move::note_acknowledged(std::size_t index) {
  const Server& own = server(index);
  if (own.state != ServerState::primary) return;
  const Byte end = acknowledged_end(own);
  const core::Record& record = w.records_[now.record];
  const bool other_leads =
      record.phase == core::Phase::leading && w.index_of(record.leader->node) != index;
  for (Byte at = 0; at < end; ++at) {
    Byte& last = now.acknowledged[place_of_timeline(own.wal[at])];
    if (last > at) continue;
    last = static_cast<Byte>(at + 1);
    if (!other_leads) continue;
    const Server& leader = server(w.index_of(record.leader->node));
    if (leader.length > at && leader.wal[at] == own.wal[at]) continue;
    w.complain("I2: " + w.name_of(index).value + " acknowledges what " + record.leader->node.value +
               " lacks, which leads term " + std::to_string(record.term.value));
  }
}

void Move::learn(Agent& agent, std::size_t index, std::uint32_t record, std::uint16_t revision) {
  const core::Record& next = w.records_[record];
  const bool new_term = agent.record != 0 && w.records_[agent.record].term != next.term;
  const Claim mine{w.name_of(index).value + "-run" + std::to_string(agent.run)};
  if (new_term) agent.claimed = next.claim == mine ? 1 : 0;
  agent.record = record;
  agent.revision = revision;
  w.outdate_words(node(index));
}

bool Move::put(std::size_t index, const Result<core::Record>& next, bool unheard) {
  Agent& own = agent(index);
  if (own.away != 0 || !next) return false;
  const core::Record& in_store = w.records_[now.record];
  const core::Record& known = w.records_[own.record];
  const bool newer = now.revision != own.revision;
  if (newer && !core::differs_only_in_small_things(in_store, known)) return false;
  core::Record record = *next;
  if (newer) {
    record.request = in_store.request;
    record.renewed += in_store.renewed - known.renewed;
  }
  has_put = true;
  if (record.term < in_store.term) w.complain("I1: the term goes back");
  if (record.kind.empty() || record.why.empty()) w.complain("I28: a term without kind or reason");
  if (const auto trouble = core::inconsistency(record); !trouble.empty())
    w.complain("I9: " + trouble);
  w.check_opening(now, in_store, record, server(index));
  now.record = w.record_number(std::move(record));
  ++now.revision;
  if (unheard) return false;
  learn(own, index, now.record, now.revision);
  return true;
}

void Move::promoted(std::size_t index) {
  Server& own = server(index);
  const bool own_id = w.plan_.planted == Planted::own_timeline_id;
  const Byte to = own_id ? static_cast<Byte>(own.newest + core::timeline_step) : own.promotes_to;
  for (std::size_t i = 0; i < size(); ++i) {
    const auto& forks = server(i).forks;
    if (std::any_of(forks.begin(), forks.end(), [&](SmallFork f) { return f.timeline == to; }))
      w.complain("I10: timeline " + std::to_string(to) + " is used twice");
  }
  end_stream(index);
  own.state = ServerState::primary;
  own.flushed = own.length;
  const auto place =
      std::find_if(own.forks.begin(), own.forks.end(), [](SmallFork f) { return f.timeline == 0; });
  if (place == own.forks.end()) return w.complain("the cluster never settles: too many timelines");
  *place = SmallFork{to, own.timeline, own.flushed, 0};
  own.timeline = to;
  own.newest = std::max(own.newest, to);
  own.promotes_to = own.gate = 0;
}

void Move::attach(std::size_t index, std::size_t from) {
  Server& own = server(index);
  Server& other = server(from);
  own.attached = 1;
  own.length = own.flushed;  // replay is never ahead of the flush; the receiver writes from there
  Sender& sender = other.senders[index];
  const bool same = sender.incarnation == own.incarnation && sender.term == own.upstream_term;
  // What it reports at first is its replay position, whatever the timeline.
  const Byte end = same ? std::max(sender.end, own.length) : own.length;
  sender = Sender{own.incarnation, own.upstream_term, end, 1};
  own.diverged = !is_prefix(own, other) && own.length <= other.length ? 1 : 0;
  if (own.diverged != 0) {
    // A name of a term that is over counts for nobody.
    const bool counts =
        other.state == ServerState::primary && other.grant_term == own.upstream_term;
    if (counts) {
      w.complain("I12: " + w.name_of(index).value + " attaches to " + w.name_of(from).value +
                 " with WAL that it lacks");
    }
    return;
  }
  if (other.timeline > own.timeline) {  // it fetched the history file
    own.timeline = other.timeline;
    own.forks = other.forks;
    own.newest = std::max(own.newest, other.newest);
  }
}

void Move::receive(std::size_t index, bool flushes) {
  Server& own = server(index);
  if (own.state != ServerState::standby || own.upstream == 0) return;
  const std::size_t from = own.upstream - 1U;
  Server& other = server(from);
  if (from == index || !linked(index, from) || !other.runs() || own.wal_gone != 0) return;
  if (other.timeline < own.timeline) return end_stream(index);  // "behind recovery timeline"
  if (own.attached == 0) return attach(index, from);
  if (own.diverged != 0 || !is_prefix(own, other) || own.length > other.flushed) {
    own.diverged = own.diverged != 0 || !is_prefix(own, other) ? 1 : 0;
    own.receiving = 0;
    return;
  }
  if (other.timeline > own.timeline) return end_stream(index);  // the stream ends; anew
  own.receiving = 1;
  if (other.flushed > own.length) {
    own.wal[own.length] = other.wal[own.length];
    ++own.length;
  }
  if (!flushes) return;
  own.flushed = own.length;
  report(index);
}

void Move::report(std::size_t index) {
  const Server& own = server(index);
  if (own.attached == 0 || own.upstream == 0 || !linked(index, own.upstream - 1U)) return;
  Sender& sender = server(own.upstream - 1U).senders[index];
  if (sender.streams != 0) sender.end = std::max(sender.end, own.flushed);
}

void Move::hear(std::size_t index, std::size_t from, std::uint32_t beat, bool late) {
  Agent& own = agent(index);
  const std::uint32_t record = w.beats_[beat].record;
  const auto revision = static_cast<std::uint16_t>(w.beats_[beat].said.revision.value);
  if (record != 0 && revision > own.revision) learn(own, index, record, revision);
  View& view = own.views[from];
  view.refused = 0;
  if (!late) {  // an old message does not make its sender alive
    view.silence = view.stale_card = view.card_hears = 0;
  }
  view.beat = w.as_heard(node(index), from, beat);
}

void Move::doubt(std::size_t index, std::size_t other) {
  View& view = agent(index).views[other];
  ++view.silence;
  if (view.silence == 2) look_at_card(index, other);
}

void Move::look_at_card(std::size_t index, std::size_t other) {
  Agent& own = agent(index);
  View& view = own.views[other];
  if (own.away != 0) {
    view.stale_card = 1;
    return;
  }
  const Agent& they = agent(other);
  view.stale_card = they.alive == 0 || they.away != 0 ? 1 : 0;
  view.card_hears = 0;
  for (std::size_t third = 0; third < size(); ++third) {
    const View& theirs = they.views[third];
    if (theirs.beat != 0 && theirs.silence == 0)
      view.card_hears = static_cast<Byte>(view.card_hears | (1U << third));
  }
}

void Move::end_agent(std::size_t index) {
  const Agent before = agent(index);
  Agent& own = agent(index);
  own = Agent{};  // a dead agent knows nothing but what is on disk
  own.run = before.run;
  own.away = before.away;
  own.promise_term = before.promise_term;
  own.promise_claim = before.promise_claim;
}

void Move::restart_agent(std::size_t index) {
  agent(index).alive = 1;
  ++agent(index).run;
}

void Move::ask(core::RequestKind kind, std::size_t to) {
  const core::Request wish{"r" + std::to_string(now.revision), kind, w.name_of(to), false, 0};
  change(core::ask(w.records_[now.record], wish));
}

bool Move::change(const Result<core::Record>& next) {
  if (!next) return false;
  now.record = w.record_number(*next);
  ++now.revision;
  return true;
}

bool Move::fence_by_hand(std::size_t index) {
  const core::HandFence fence{w.name_of(index), "an operator", "", 0};
  return change(core::fence_by_hand(w.records_[now.record], fence, false));
}

bool Move::put_back(std::size_t index) {
  return change(core::end_hand_fence(w.records_[now.record], w.name_of(index)));
}

}  // namespace evergres::explore
