#include <spdlog/spdlog.h>

#include "agent/operations/operation.hpp"
#include "core/loss.hpp"
#include "core/transition.hpp"
#include "core/view.hpp"

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
    // Whoever was chosen may have opened meanwhile in this very term, or an operator paused: the
    // claim is for the record on which it was decided.
    if (s.record && !core::claim_still_stands(record, *s.record)) {
      return Error(ErrorCode::conflict, "the record has changed since the claim was decided");
    }
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
  const auto& [drained_for, drained] = hands.known.drained;
  if (drained_for == intent.term && !drained.empty()) choice.facts.push_back(drained);
  choice.loss = intent.loss;
  // The situation is the one in which it was decided, so that it is silent since the same word.
  if (choice.loss) {
    const auto word = core::last_word_of_the_unread(hands.situation());
    choice.loss->silent_ms = core::silence_since(word, boot_now());
  }
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
    return core::set_durability(std::move(record), hands.situation().agent, intent.durability,
                                intent.max_loss_bytes, intent.lease);
  }));
}

// First what people read, which may be written again and again; then the record. Once that says it
// is measured nobody measures anew, and the old leader rewinds what could be measured. A history
// that still cannot be written while the record can does not keep the old leader away for ever. The
// attempts before may have failed of anything: only one that fails at once again is its refusal.
// The log has the number in every case: the term may have no entry, and the record drops it.
Outcome carry_out(const core::RecordLoss& intent, Hands& hands) {
  auto store = hands.store();
  if (!store) return store.error();
  const auto tell = [&] {
    return (*store)->amend_history(intent.loss.term.value, cluster::lost_tail(intent.loss),
                                   store_deadline);
  };
  auto told = tell();
  const auto& attempts = hands.situation().attempts;
  const auto tried = attempts.find(core::RecordLoss::kind);
  constexpr std::uint32_t enough_tries = 5;
  const bool insist = tried == attempts.end() || tried->second.failures < enough_tries;
  if (!told && insist) return told;
  if (!told) told = tell();
  if (told) {
    spdlog::info("term {} lost {}", intent.loss.term.value, core::describe(intent.loss));
  } else {
    spdlog::warn("the history does not say that term {} lost {}: {}", intent.loss.term.value,
                 core::describe(intent.loss), told.error().one_line());
  }
  crash_point(hands, "told");
  return outcome_of(hands.change_record([&](core::Record record) -> Result<core::Record> {
    if (record.term != intent.term) return refused_since(record, intent.term).error();
    return core::record_loss(std::move(record), hands.situation().agent, intent.loss);
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
