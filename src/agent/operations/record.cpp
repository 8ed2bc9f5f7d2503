#include "agent/operations/operation.hpp"
#include "core/transition.hpp"

namespace evergres::agent {
namespace {

Outcome outcome_of(const Result<core::Record>& changed) {
  if (!changed) return changed.error();
  return {};
}

Outcome refused_since(const core::Record& record, Term expected) {
  return Error(ErrorCode::conflict, "somebody else was faster",
               "The record is at term " + std::to_string(record.term.value) + ", not " +
                   std::to_string(expected.value) + ".");
}

}  // namespace

Outcome carry_out(const core::ClaimTerm& intent, Hands& hands) {
  const auto& s = hands.situation();
  auto changed = hands.change_record([&](core::Record record) -> Result<core::Record> {
    if (record.term != intent.after) return refused_since(record, intent.after).error();
    return core::claim_term(std::move(record), s.me, s.agent, intent.why);
  });
  if (!changed) return changed.error();
  hands.learn([](Knowledge& k) { k.situation.claimed_at = boot_now(); });
  crash_point(hands, "term");
  return {};
}

Outcome carry_out(const core::Vacate& intent, Hands& hands) {
  return outcome_of(hands.change_record([&](core::Record record) -> Result<core::Record> {
    if (record.term != intent.term) return refused_since(record, intent.term).error();
    return core::vacate(std::move(record), hands.situation().agent, intent.why);
  }));
}

Outcome carry_out(const core::ChooseLeader& intent, Hands& hands) {
  core::Choice choice;
  choice.leader = intent.leader;
  choice.agent = intent.agent;
  choice.position = intent.position;
  choice.policy = intent.policy;
  choice.timeline = intent.timeline;
  choice.learned = intent.learned;
  choice.facts = intent.facts;
  auto changed = hands.change_record([&](core::Record record) -> Result<core::Record> {
    if (record.term != intent.term) return refused_since(record, intent.term).error();
    return core::choose_leader(std::move(record), hands.situation().agent, choice,
                               intent.replace_book);
  });
  if (!changed) return changed.error();
  crash_point(hands, "choice");
  return {};
}

Outcome carry_out(const core::ResumeLeadership& intent, Hands& hands) {
  const auto& s = hands.situation();
  const core::Seat seat{s.me, s.server.incarnation.value_or(Incarnation{})};
  return outcome_of(hands.change_record([&](core::Record record) -> Result<core::Record> {
    if (record.term != intent.term) return refused_since(record, intent.term).error();
    return core::resume_leadership(std::move(record), seat, s.agent);
  }));
}

Outcome carry_out(const core::RecordDurability& intent, Hands& hands) {
  return outcome_of(hands.change_record([&](core::Record record) -> Result<core::Record> {
    if (record.term != intent.term) return refused_since(record, intent.term).error();
    return core::set_durability(std::move(record), hands.situation().agent, intent.durability);
  }));
}

Outcome carry_out(const core::AddMember& intent, Hands& hands) {
  return outcome_of(hands.change_record([&](core::Record record) {
    return core::add_member(std::move(record), hands.situation().agent, intent.node);
  }));
}

Outcome carry_out(const core::ClearRequest& intent, Hands& hands) {
  return outcome_of(hands.change_record([&](core::Record record) {
    return core::clear_request(std::move(record), intent.request_id);
  }));
}

}  // namespace evergres::agent
