#include "proxy/outcome/fate.hpp"

namespace evergres::proxy {
namespace {

FateDecision known(Fate fate, std::string_view because) {
  return {FateStep::known, fate, because};
}

FateDecision unknown(std::string_view because) {
  return known(Fate::unknown, because);
}

/// Still the same leader: only the connection was lost, the transaction may even be running.
FateDecision within_the_term(const FateQuestion& question) {
  switch (question.answer) {
    case XactAnswer::committed:
      if (question.proven) {
        return known(Fate::committed, "The leader says so, and its standbys have all of its WAL.");
      }
      // Its wait for the standbys may have been cancelled when the connection ended.
      return {FateStep::prove, Fate::unknown,
              "It committed on the leader; whether its standbys have it is to be shown."};
    case XactAnswer::aborted: return known(Fate::aborted, "The leader says so.");
    case XactAnswer::too_old: return unknown("The leader does not remember it any more.");
    case XactAnswer::in_the_future:
      return unknown("The leader denies that it assigned the transaction id.");
    default: return {FateStep::ask, Fate::unknown, "It may still be running on the leader."};
  }
}

/// Whether they lead from the server that got the COMMIT to the one that is open, without a gap.
bool are_complete(const FateQuestion& question) {
  Term last = question.sent_in;
  for (const Promotion& promotion : question.promotions) {
    if (promotion.after != last || promotion.term <= last) return false;
    last = promotion.term;
  }
  return last == *question.open;
}

FateDecision across_promotions(const FateQuestion& question) {
  if (!are_complete(question)) {
    return unknown("Not every promotion since then is known.");
  }
  for (const Promotion& promotion : question.promotions) {
    if (!promotion.next_xid) {
      return unknown("The next transaction id at a promotion since then was not recorded.");
    }
  }
  for (const Promotion& promotion : question.promotions) {
    // No WAL record of it has reached this leader, and from here on the id is somebody else's.
    if (*question.xid >= *promotion.next_xid) {
      return known(Fate::aborted, "Nothing of it had reached the server that was promoted.");
    }
  }
  switch (question.answer) {
    case XactAnswer::committed:
      return known(Fate::committed, "Its commit reached the server that was promoted.");
    case XactAnswer::aborted:
      return known(Fate::aborted, "Its commit did not reach the server that was promoted.");
    case XactAnswer::in_progress: return unknown("It is a prepared transaction.");
    case XactAnswer::too_old: return unknown("The leader does not remember it any more.");
    case XactAnswer::in_the_future:
      return unknown("The leader contradicts what was recorded at its promotion.");
    default: return {FateStep::ask, Fate::unknown, "The leader that was promoted knows its fate."};
  }
}

}  // namespace

FateDecision decide_fate(const FateQuestion& question) {
  if (question.read_only && !question.xid) {
    return known(Fate::aborted, "It was read only and left nothing behind.");
  }
  if (!question.xid) return unknown("Its transaction id is not known.");
  FateDecision decision;
  if (!question.open || *question.open < question.sent_in) {
    decision.because = "Nobody may be asked before there is an open leader.";
  } else {
    FateQuestion current = question;
    // What another leader said, before, is no answer.
    if (current.answered_in != *current.open) {
      current.answer = XactAnswer::not_asked;
      current.proven = false;
    }
    decision =
        *current.open == current.sent_in ? within_the_term(current) : across_promotions(current);
  }
  if (decision.step != FateStep::known && question.deadline_passed) {
    return unknown("It could not be found out in time.");
  }
  return decision;
}

}  // namespace evergres::proxy
