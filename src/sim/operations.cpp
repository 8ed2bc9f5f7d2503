#include <algorithm>

#include "core/view.hpp"
#include "sim/hands.hpp"

/// Operations that change the record or little else; the long ones have files of their own.
namespace evergres::sim {
namespace {

Outcome outcome_of(const Result<core::Record>& changed) {
  if (!changed) return changed.error();
  return {};
}

Error another_term() {
  return Error(ErrorCode::conflict, "another term has begun");
}

Task<Outcome> change(Hands& hands, std::optional<Term> term, Hands::Transition transition) {
  auto changing = hands.change_record(
      [term, transition = std::move(transition)](core::Record record) -> Result<core::Record> {
        if (term && record.term != *term) return another_term();
        return transition(std::move(record));
      });
  const auto changed = co_await changing;
  co_return outcome_of(changed);
}

/// Who does what for an intent that is a change of the record and nothing else.
struct Transitions {
  Hands& hands;
  const core::Situation& s = hands.situation();
  const Claim& claim = s.agent;
  [[nodiscard]] core::Seat seat() const {
    return core::Seat{s.me, s.server.incarnation.value_or(Incarnation{})};
  }

  Task<Outcome> operator()(const core::Vacate& i) const {
    return change(hands, i.term, [this_claim = claim, why = i.why](core::Record record) {
      return core::vacate(std::move(record), this_claim, why);
    });
  }
  Task<Outcome> operator()(const core::ResumeLeadership& i) const {
    return change(hands, i.term, [mine = claim, leader = seat()](core::Record record) {
      return core::resume_leadership(std::move(record), leader, mine);
    });
  }
  Task<Outcome> operator()(const core::AddMember& i) const {
    return change(hands, std::nullopt, [mine = claim, node = i.node](core::Record record) {
      return core::add_member(std::move(record), mine, node);
    });
  }
  Task<Outcome> operator()(const core::ClearRequest& i) const {
    return change(hands, std::nullopt, [id = i.request_id](core::Record record) {
      return Result<core::Record>(core::clear_request(std::move(record), id));
    });
  }
  Task<Outcome> operator()(const core::RecordDurability& i) const {
    return change(hands, i.term, [mine = claim, i](core::Record record) {
      return core::set_durability(std::move(record), mine, i.durability, i.max_loss_bytes, i.lease);
    });
  }
  Task<Outcome> operator()(const core::RecordLoss& i) const {
    return change(hands, i.term, [mine = claim, loss = i.loss](core::Record record) {
      return core::record_loss(std::move(record), mine, loss);
    });
  }
};

Task<Outcome> claim_term(core::ClaimTerm intent, Hands& hands) {
  const auto& s = hands.situation();
  const auto claim = [&](core::Record record) -> Result<core::Record> {
    const bool stands = core::claim_still_stands(record, *s.record);
    if (!stands && !hands.planted(Bug::claim_whatever_stands)) {
      return Error(ErrorCode::conflict, "the record has changed since the claim was decided");
    }
    return core::claim_term(std::move(record), s.me, s.agent, intent.why);
  };
  auto changing = change(hands, intent.after, claim);
  const Outcome changed = co_await changing;
  if (changed) {
    hands.learn([at = hands.now()](agent::Knowledge& k) { k.situation.claimed_at = at; });
  }
  co_return changed;
}

/// Planted: whoever was heard once votes, whether it has answered in this term or not.
void add_the_unfenced(core::Policy& policy, const core::Situation& s) {
  if (policy.mode == core::Durability::async) return;
  for (const auto& [name, peer] : s.peers) {
    if (!peer.said || peer.said->seat.incarnation.empty()) continue;
    const bool fenced = peer.said->fenced && peer.said->fenced->term == policy.term;
    if (!fenced && name != policy.leader.node) policy.voters.push_back(peer.said->seat);
  }
  std::sort(policy.voters.begin(), policy.voters.end());
  policy.voters.erase(std::unique(policy.voters.begin(), policy.voters.end()), policy.voters.end());
  policy.k = std::min(s.wanted.acknowledgements, static_cast<std::uint32_t>(policy.voters.size()));
}

Task<Outcome> choose_leader(core::ChooseLeader intent, Hands& hands) {
  core::Choice choice{intent.leader,   intent.agent,   intent.position, intent.policy,
                      intent.timeline, intent.learned, intent.facts,    intent.loss};
  if (choice.loss) {
    const auto word = core::last_word_of_the_unread(hands.situation());
    choice.loss->silent_ms = core::silence_since(word, hands.now());
  }
  if (hands.planted(Bug::unfenced_ones_vote)) add_the_unfenced(choice.policy, hands.situation());
  if (hands.planted(Bug::loss_not_told)) choice.loss.reset();
  if (hands.planted(Bug::gives_out_the_next_id)) choice.timeline.value -= core::timeline_step - 1;
  const Claim mine = hands.situation().agent;
  auto changing = change(hands, intent.term, [&](core::Record record) {
    return core::choose_leader(std::move(record), mine, choice, intent.replace_book);
  });
  const Outcome changed = co_await changing;
  co_return changed;
}

Task<Outcome> start_server(Hands& hands) {
  auto starting = start_as_standby(hands, std::nullopt);
  const Outcome started = co_await starting;
  co_return started;
}

Task<Outcome> stop(core::StopServer intent, Hands& hands) {
  const auto mode = intent.orderly ? supervisor::StopMode::fast : supervisor::StopMode::immediate;
  auto stopping = stop_and_learn(hands, mode, Millis{10'000});
  const auto stopped = co_await stopping;
  if (!stopped) co_return stopped.error();
  co_return Outcome{};
}

Task<Outcome> restart(core::RestartServer intent, Hands& hands) {
  auto clearing = hands.change_record([&](core::Record record) {
    return Result<core::Record>(core::clear_request(std::move(record), intent.request_id));
  });
  const auto cleared = co_await clearing;
  if (!cleared) co_return cleared.error();
  auto stopping = stop_and_learn(hands, supervisor::StopMode::fast, Millis{5000});
  const auto stopped = co_await stopping;
  if (!stopped) co_return stopped.error();
  auto starting = start_as_standby(hands, std::nullopt);
  const Outcome started = co_await starting;
  co_return started;
}

void learn_slot(agent::Knowledge& k, const NodeName& node, bool exists, Instant at) {
  auto& nodes = k.situation.server.slots_of;
  std::erase(nodes, node);
  if (exists) nodes.push_back(node);
  k.slots_changed_at = at;
}

Task<Outcome> make_slots(core::MakeSlots intent, Hands& hands) {
  auto connecting = hands.connect(hands.now() + sql_deadline);
  const Outcome connected = co_await connecting;
  if (!connected) co_return connected;
  for (const NodeName& node : intent.nodes) {
    hands.postgres().disk.slots.insert(core::slot_name(node));
    hands.learn([=, at = hands.now()](agent::Knowledge& k) { learn_slot(k, node, true, at); });
  }
  for (const NodeName& node : intent.drop) {
    hands.postgres().disk.slots.erase(core::slot_name(node));
    hands.learn([=, at = hands.now()](agent::Knowledge& k) { learn_slot(k, node, false, at); });
  }
  co_return Outcome{};
}

Task<Outcome> open_gate(Hands& hands) {
  auto writing = hands.write_file();
  co_await writing;
  co_return set_gate(hands, true);
}

Task<Outcome> mend(Hands& hands) {
  const auto names = agent::expected_names(hands.situation());
  if (!names) co_return Outcome{};
  auto setting = hands.set_names(*names, hands.now() + sql_deadline);
  const Outcome set = co_await setting;
  if (set) hands.learn([](agent::Knowledge& k) { k.situation.server.drift.clear(); });
  co_return set;
}

Task<Outcome> allow_rewinds(core::AllowRewinds intent, Hands& hands) {
  auto checkpointing = checkpoint(hands, Millis{4000});
  const Outcome checkpointed = co_await checkpointing;
  if (!checkpointed) co_return checkpointed;
  const Claim mine = hands.situation().agent;
  auto changing = change(hands, intent.term, [mine](core::Record record) {
    return core::set_rewind_ready(std::move(record), mine);
  });
  const Outcome changed = co_await changing;
  co_return changed;
}

Task<Outcome> nothing() {
  co_return Outcome{};
}

struct CarryOut {
  Hands& hands;
  Task<Outcome> operator()(const core::StayPut&) const { return nothing(); }
  Task<Outcome> operator()(const core::Wait&) const { return nothing(); }
  Task<Outcome> operator()(const core::StartServer&) const { return start_server(hands); }
  Task<Outcome> operator()(const core::StopServer& i) const { return stop(i, hands); }
  Task<Outcome> operator()(const core::RestartServer& i) const { return restart(i, hands); }
  Task<Outcome> operator()(const core::Fence& i) const { return fence(i, hands); }
  Task<Outcome> operator()(const core::ClaimTerm& i) const { return claim_term(i, hands); }
  Task<Outcome> operator()(const core::ChooseLeader& i) const { return choose_leader(i, hands); }
  Task<Outcome> operator()(const core::Promote& i) const { return promote(i, hands); }
  Task<Outcome> operator()(const core::ProveBarrier& i) const { return prove_barrier(i, hands); }
  Task<Outcome> operator()(const core::OpenGate&) const { return open_gate(hands); }
  Task<Outcome> operator()(const core::MendSettings&) const { return mend(hands); }
  // No settings of the cluster and no permanent slots are declared in these worlds.
  Task<Outcome> operator()(const core::ApplySettings&) const { return nothing(); }
  Task<Outcome> operator()(const core::ReleaseSlots&) const { return nothing(); }
  Task<Outcome> operator()(const core::KeepSlots&) const { return nothing(); }
  Task<Outcome> operator()(const core::MakeSlots& i) const { return make_slots(i, hands); }
  Task<Outcome> operator()(const core::AllowRewinds& i) const { return allow_rewinds(i, hands); }
  Task<Outcome> operator()(const core::ChangePolicy& i) const { return change_policy(i, hands); }
  Task<Outcome> operator()(const core::BeginHandover& i) const { return begin_handover(i, hands); }
  Task<Outcome> operator()(const core::StopForHandover& i) const {
    return stop_for_handover(i, hands);
  }
  Task<Outcome> operator()(const core::Follow& i) const { return follow(i, hands); }
  Task<Outcome> operator()(const core::Rewind& i) const { return rewind(i, hands); }
  Task<Outcome> operator()(const core::Clone& i) const { return clone(i, hands); }
  template <typename I>
  Task<Outcome> operator()(const I& intent) const {
    return Transitions{hands}(intent);
  }
};

}  // namespace

// As postgres::checkpoint: the server takes its own time for it, and goes on with it when whoever
// asked has gone. That one waits until it is asked to stop, or its session is lost.
Task<Outcome> checkpoint(Hands& hands, Nanos longest) {
  const std::uint64_t run = hands.postgres().processes().life();
  auto asking = hands.ask_server([&](const std::function<void()>& done) {
    const Nanos takes = hands.choices().skewed(Millis{20}, longest);
    PostgresModel& server = hands.postgres();
    server.processes().after(takes * server.ails.slow_disk, [&server, done] {
      server.disk.redo = server.disk.flushed;
      done();
    });
  });
  co_await asking;
  if (hands.stopped()) co_return Error(ErrorCode::cancelled, "the operation was given up");
  if (run != hands.postgres().processes().life() || !hands.postgres().answers()) {
    co_return Error(ErrorCode::unreachable, "the connection to PostgreSQL broke");
  }
  co_return Outcome{};
}

Task<Outcome> carry_out(core::Intent intent, Hands& hands) {
  return std::visit(CarryOut{hands}, intent);
}

}  // namespace evergres::sim
