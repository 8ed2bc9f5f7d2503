#pragma once

#include "explore/move.hpp"

namespace evergres::explore {

/// How it goes with a step.
enum class Fate { well, unheard, gives_up };

/// Performs intents, a step at a time, as the agent's operations do; between two steps everything
/// may happen. A decision and its first step are one action: a step that comes later than its
/// decision is the same as an agent that learned later what happened between them, because every
/// compare-and-set is for the record on which it was decided.
class Hand {
 public:
  Hand(World& world, Move& move, std::size_t index, Fate how)
      : w(world),
        m(move),
        me(index),
        agent(move.agent(index)),
        pg(move.server(index)),
        record(world.records_[agent.record]),
        fate(how) {}

  /// Takes up the order, or goes on with the one that runs, and notes how it ended.
  void perform(std::uint32_t order);

  // Each returns true when it is over and sets `failed` when it did not work.
  bool operator()(const core::StayPut&) { return true; }
  bool operator()(const core::Wait&) { return true; }
  bool operator()(const core::StartServer&);
  bool operator()(const core::StopServer&);
  bool operator()(const core::RestartServer& i);
  bool operator()(const core::Fence& i);
  bool operator()(const core::ClaimTerm& i);
  bool operator()(const core::Vacate& i);
  bool operator()(const core::ChooseLeader& i);
  bool operator()(const core::Promote& i);
  bool operator()(const core::ProveBarrier& i);
  bool operator()(const core::ChangePolicy& i);
  bool operator()(const core::ResumeLeadership& i);
  bool operator()(const core::OpenGate&);
  bool operator()(const core::AllowRewinds& i);
  bool operator()(const core::AddMember& i);
  bool operator()(const core::BeginHandover& i);
  bool operator()(const core::StopForHandover& i);
  bool operator()(const core::Follow& i);
  bool operator()(const core::Rewind& i);
  bool operator()(const core::Clone& i);
  bool operator()(const core::ClearRequest& i);
  // Of settings, slots and async there is nothing in these worlds.
  bool operator()(const core::MendSettings&) { return no_such_thing(); }
  bool operator()(const core::ApplySettings&) { return no_such_thing(); }
  bool operator()(const core::KeepSlots&) { return no_such_thing(); }
  bool operator()(const core::ReleaseSlots&) { return no_such_thing(); }
  bool operator()(const core::MakeSlots&) { return no_such_thing(); }
  bool operator()(const core::RecordDurability&) { return no_such_thing(); }
  bool operator()(const core::RecordLoss&) { return no_such_thing(); }

 private:
  void note_ending(std::string_view kind);
  bool no_such_thing() {
    w.complain("an order that has no place in this world");
    return true;
  }
  bool fail() {
    failed = true;
    return true;
  }
  bool here(Term term) {
    if (record.term != term) failed = true;
    return !failed;
  }
  bool put(const Result<core::Record>& next) {
    if (failed || !m.put(me, next, fate == Fate::unheard)) return fail(), false;
    return true;
  }
  bool answer(Term term, Byte position);
  void cut_the_receiver();
  bool prove(Term term, const core::Policy& policy);
  bool propose(const core::Policy& policy, bool first);
  [[nodiscard]] bool needs_no_proof(const core::Policy& policy) const;
  bool rebuild(const core::Seat& leader, bool rewind, Byte first_step = 0);
  bool exchange(std::size_t from);
  void give_up_data();
  void become_copy_of(const Server& source);
  [[nodiscard]] core::Seat my_seat() const { return w.seat_of(me, pg.incarnation); }
  [[nodiscard]] Claim my_claim() const {
    return Claim{"n" + std::to_string(me + 1) + "-run" + std::to_string(agent.run)};
  }

  World& w;
  Move& m;
  std::size_t me;
  Agent& agent;
  Server& pg;
  const core::Record& record;  ///< as known when it began; valid until something is put
  Fate fate;
  bool failed = false;
};

}  // namespace evergres::explore
