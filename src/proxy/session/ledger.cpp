#include "proxy/session/ledger.hpp"

#include <utility>

namespace evergres::proxy {
namespace {

/// These end with ReadyForQuery; the others wait for a Sync.
bool is_request(char type) {
  return type == 'Q' || type == 'F' || type == 'S';
}

bool ends_copy(char type) {
  return type == 'c' || type == 'f';
}

constexpr Answer violation{Answer::To::violation, false, false};
constexpr Answer aside{Answer::To::aside, false, false};

}  // namespace

/// CopyDone and CopyFail are owed no answer; they stand in the queue to show what was sent before
/// and behind them. Outside COPY the server drops them.
void Ledger::drop_spent() {
  while (!owed_.empty() && ends_copy(owed_.front().type)) owed_.pop_front();
}

void Ledger::sent(const Owed& message, std::vector<Owed>& skipped) {
  const char type = message.type;
  if (type == 'H') unflushed_ = false;
  if (type == 'H' || type == 'd' || type == 'X' || (copy_both_ && type == 'S')) return;
  if (skipping_ && type != 'S') {
    if (ends_copy(type)) return;
    // Behind a Sync that may have been answered this may be executed.
    if (slack_ > 0) lost_ = true;
    skipped.push_back(message);
    return;
  }
  skipping_ = false;
  if (copy_in_) {
    if (type == 'S') {
      // No client has a reason for so many: its server is closed with the next answer.
      if (ignored_ < most_) {
        ++ignored_;
      } else {
        lost_ = true;
      }
      return;
    }
    // Anything else in the middle of a COPY makes the server end it with an error.
    copy_in_ = false;
    mixed_ = mixed_ || !ends_copy(type);
  }
  unflushed_ = !is_request(type);
  owed_.push_back(message);
  drop_spent();
}

Answer Ledger::answers(bool fits, bool ends) {
  if (!fits) return violation;
  const Answer answer{owed_.front().owner == Owner::us ? Answer::To::nobody : Answer::To::client,
                      false, false};
  answered_ = owed_.front();
  unsynced_ = !is_request(owed_.front().type);
  if (!ends) return answer;
  owed_.pop_front();
  drop_spent();
  // All the Syncs that were in doubt have been answered.
  if (owed_.empty() || owed_.front().type != 'S') slack_ = 0;
  return answer;
}

/// What was sent behind the request, up to the end of the data, is read as part of the COPY.
void Ledger::begin_copy_in() {
  copy_in_ = true;
  copies_in_ = true;
  for (std::size_t i = 1; i < owed_.size();) {
    if (owed_[i].type == 'S') {
      ++ignored_;
      owed_.erase(i);
      continue;
    }
    copy_in_ = false;
    // The server answers anything but the end of the data with an error, which skips what follows.
    mixed_ = !ends_copy(owed_[i].type);
    return;
  }
}

/// The end of a command ends its COPY, whichever way it went. The end of the data that stands
/// behind it was read: another COPY of the same Query has an end of its own.
void Ledger::end_copy() {
  copy_in_ = copy_out_ = copy_both_ = mixed_ = false;
  ignored_ = 0;
  const bool had_end = std::exchange(copies_in_, false) && owed_.size() > 1;
  if (had_end && ends_copy(owed_[1].type)) owed_.erase(1);
}

/// Syncs in front that need not have an answer, if `type` answers something behind them. A Sync
/// that follows an error has nothing to commit and does not fail.
void Ledger::settle(char type) {
  if (type == 'Z') return;
  for (; slack_ > 0 && !owed_.empty() && owed_.front().type == 'S'; --slack_) {
    owed_.pop_front();
    drop_spent();
  }
}

Answer Ledger::error(std::vector<Owed>& skipped) {
  // It may end at any time, also while it waits for a Sync.
  if (owed_.empty()) return {Answer::To::client, false, true};
  const Answer answer{owed_.front().owner == Owner::us ? Answer::To::nobody : Answer::To::client,
                      false, false};
  answered_ = owed_.front();
  slack_ = std::exchange(ignored_, 0);
  if (slack_ > 0 && mixed_) return violation;
  mixed_ = copy_in_ = copies_in_ = copy_out_ = copy_both_ = false;
  std::size_t behind = 1;
  if (!is_request(owed_.front().type)) {
    while (!owed_.empty() && owed_.front().type != 'S') {
      if (!ends_copy(owed_.front().type)) skipped.push_back(owed_.front());
      owed_.pop_front();
    }
    skipping_ = owed_.empty();
    behind = 0;
  }
  for (std::size_t i = 0; i < slack_; ++i) {
    owed_.insert(behind, {'S', Owner::client, Target::statement, 0});
  }
  return answer;
}

Answer Ledger::ready(std::string_view body) {
  const auto status = read_ready(body);
  if (!status || owed_.empty() || !is_request(owed_.front().type)) return violation;
  if (copy_in_ || copy_out_ || copy_both_) return violation;
  status_ = *status;
  Answer answer = answers(true, true);
  // It was a Sync in the COPY that failed which ended the skipping.
  skipping_ = false;
  answer.ready = true;
  return answer;
}

Answer Ledger::of_copy(char type) {
  const bool fits = !owed_.empty() && (owed_.front().type == 'Q' || owed_.front().type == 'E');
  if (type == 'd' || type == 'c') {
    if (!fits || !(copy_out_ || copy_both_)) return violation;
    if (type == 'c') copy_out_ = copy_both_ = false;
    return answers(true, false);
  }
  if (!fits || copy_in_ || copy_out_ || copy_both_) return violation;
  if (type == 'G') begin_copy_in();
  if (type == 'H') copy_out_ = true;
  if (type == 'W') copy_both_ = true;
  return answers(true, false);
}

Answer Ledger::received(char type, std::string_view body, std::vector<Owed>& skipped) {
  if (type == 'N' || type == 'S' || type == 'A') return aside;
  if (lost_) return violation;
  settle(type);
  const char asked = owed_.empty() ? '\0' : owed_.front().type;
  switch (type) {
    case 'E': return error(skipped);
    case 'Z': return ready(body);
    case '1': return answers(asked == 'P', true);
    case '2': return answers(asked == 'B', true);
    case '3': return answers(asked == 'C', true);
    case 't': return answers(asked == 'D' && owed_.front().target == Target::statement, false);
    case 'T': return answers(asked == 'D' || asked == 'Q', asked == 'D');
    case 'n': return answers(asked == 'D', true);
    case 'D': return answers(asked == 'E' || asked == 'Q', false);
    case 's': return answers(asked == 'E', true);
    case 'I':
    case 'C': end_copy(); return answers(asked == 'E' || asked == 'Q', asked == 'E');
    case 'V': return answers(asked == 'F', false);
    case 'G':
    case 'H':
    case 'W':
    case 'd':
    case 'c': return of_copy(type);
    default: return violation;
  }
}

}  // namespace evergres::proxy
