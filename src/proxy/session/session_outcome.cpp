#include <utility>

#include "proxy/session/session.hpp"
#include "proxy/wire/writer.hpp"

/// What a client is told when its server goes away: decide_outcome() says it, this does it.
namespace evergres::proxy {
namespace {

Failure failure_of(const Verdict& verdict, const std::string& reason) {
  Failure failure;
  failure.sqlstate = verdict.sqlstate;
  failure.detail = verdict.because;
  if (!reason.empty()) failure.detail += " " + reason;
  if (verdict.sqlstate == "40001") {
    failure.message = "the transaction was aborted by the loss of its server";
    failure.hint = "Send the transaction again.";
  } else if (verdict.sqlstate == "08007") {
    failure.message = "the outcome of the transaction is unknown";
    failure.hint = "Look whether it is there before you send it again.";
  } else if (verdict.sqlstate == "57P03") {
    failure.message = "there is no primary to send this to";
    failure.hint = "Try again. `evergres list` shows the cluster.";
  } else if (verdict.sqlstate == "57014") {
    const bool late = verdict.because == waited_beyond_statement_timeout;
    failure.message = late ? "canceling statement due to statement timeout"
                           : "canceling statement due to user request";
  } else {
    failure.message = "the session has lost its server";
  }
  return failure;
}

Error error_of(const Failure& failure) {
  return Error(ErrorCode::unreachable, failure.message, failure.detail, failure.hint);
}

}  // namespace

bool Session::has_state() const {
  if (server_ == nullptr) return false;
  const Traces& traces = server_->traces;
  return traces.temporary || traces.cursors || traces.prepared || traces.advisory_locks ||
         traces.loaded || traces.role || sets_lost_;
}

bool Session::pinned() const {
  return has_state() || (server_ != nullptr && server_->traces.channels);
}

/// Where the request stands that is the `place`th of those that are not answered.
Standing Session::standing_of(std::size_t place) const {
  const Segment& segment = segments_[place];
  if (place > 0) return Standing::behind_sent;
  if (segment.in_message) return Standing::output_in_message;
  const bool open = server_ != nullptr && server_->ledger().status() != TransactionStatus::idle;
  if (open) {
    if (segment.kind == SqlKind::commit) return Standing::commit_sent;
    if (segment.kind == SqlKind::two_phase) return Standing::two_phase_sent;
    if (segment.kind == SqlKind::several) return Standing::batch_sent;
    return Standing::transaction_busy;
  }
  switch (segment.kind) {
    case SqlKind::begin: return Standing::transaction_first_sent;
    case SqlKind::several: return Standing::batch_sent;
    case SqlKind::two_phase: return Standing::two_phase_sent;
    case SqlKind::copy:
      if (segment.copy_done) return Standing::copy_in_done;
      if (segment.copies_in) return Standing::copy_in;
      // From a file, or of what a statement returned: it may have committed.
      return segment.relayed ? Standing::output_at_boundary : Standing::batch_sent;
    default: break;
  }
  const auto on = [this](std::string_view name) {
    const std::string* value = server_ != nullptr ? server_->settings().find(name) : nullptr;
    return value != nullptr && *value == "on";
  };
  if (port_ == Port::read_only && segment.kind == SqlKind::read &&
      (on("in_hot_standby") || on("default_transaction_read_only"))) {
    return segment.relayed ? Standing::read_only_output : Standing::read_only_sent;
  }
  return segment.relayed ? Standing::output_at_boundary : Standing::statement_sent;
}

Standing Session::standing() const {
  if (stage_ == Stage::passing) return Standing::replication;
  if (stage_ != Stage::ready) return Standing::login;
  if (fate_.sent_in != Term{}) return Standing::resolving;
  if (surrender_.mode() == Surrender::Mode::aborted) return Standing::told_aborted;
  if (!segments_.empty()) return standing_of(0);
  if (waits()) return Standing::held;
  if (server_ == nullptr) return Standing::idle;
  if (in_transaction()) return Standing::transaction_idle;
  if (!pinned()) return Standing::idle;
  return has_state() ? Standing::idle_with_state : Standing::idle_listening;
}

void Session::lost(Server& server, const ServerEnd& end) {
  if (&server != server_) return;
  if (stage_ == Stage::greeting) {
    server_ = nullptr;
    if (bucket->welcome != nullptr || want_server()) greet();
    return;
  }
  if (end.spoke && !segments_.empty()) {
    // A reason of its own, such as a timeout: the client's to read.
    server_ = nullptr;
    send_to_client();
    if (!segments_.front().in_message) tell(end.last_word);
    closing_ = true;
    closing_since_ = host_.around().reactor.now();
    if (stream_.unsent() == 0) finish();
    return;
  }
  suffer(end.shut_down ? Event::shut_down : Event::lost, end.reason);
}

/// A request behind the first, whose answer is as lost, may have ended the transaction.
bool Session::may_have_committed_behind() const {
  for (std::size_t place = 1; place < segments_.size(); ++place) {
    switch (segments_[place].kind) {
      case SqlKind::commit:
      case SqlKind::several:
      case SqlKind::two_phase: return true;
      case SqlKind::rollback:
        if (place + 1 < segments_.size()) return true;
        break;
      default: break;
    }
  }
  return false;
}

/// The server is gone, or will not come.
void Session::suffer(Event event, const std::string& reason) {
  state_lost_ = state_lost_ || pinned();
  const Replay replay = host_.around().configuration->replay;
  Standing where = standing();
  const bool in_transaction =
      where == Standing::transaction_busy || where == Standing::transaction_first_sent;
  // FATAL answers the first one, so that the others were not begun.
  if (in_transaction && event != Event::shut_down && may_have_committed_behind()) {
    where = Standing::batch_sent;
  }
  withhold_ = false;
  const bool settling = std::exchange(settling_, Settling::no) != Settling::no;
  ours_open_ = 0;
  Verdict verdict = decide_outcome(where, event, replay);
  const bool kept = segments_.size() == 1 && segments_.front().replayable &&
                    !segments_.front().relayed && walker_.between_messages() && !kept_.empty();
  to_server_ = false;
  if (verdict.action == Action::replay && !kept) {
    verdict = decide_outcome(where, event, Replay::refused);
    if (verdict.action == Action::replay) {
      verdict = {Action::fail_statement, "40001", "It cannot be sent again from here."};
    }
  }
  if (where == Standing::transaction_busy && segments_.front().kind == SqlKind::rollback) {
    // That is what happened.
    server_ = nullptr;
    std::string told;
    if (!segments_.front().completed) write_command_complete(told, "ROLLBACK");
    return succeed(std::move(told), event, reason);
  }
  if (verdict.action == Action::resolve) {
    fate_ = {};
    fate_.xid = transaction_.xid;
    fate_.read_only = transaction_.read_only;
    fate_.sent_in = server_ != nullptr ? server_->birth().term : Term{};
    server_ = nullptr;
    if (fate_.sent_in == Term{} || (!fate_.xid && !fate_.read_only)) {
      return fate_known(Fate::unknown);
    }
    return host_.find_fate(*this, fate_);
  }
  server_ = nullptr;
  if (segments_.empty() && settling) return wait_again(false);
  carry_out(verdict, 0, reason);
}

void Session::carry_out(const Verdict& verdict, std::size_t place, const std::string& reason) {
  const Failure failure = failure_of(verdict, reason);
  switch (verdict.action) {
    case Action::nothing:
    case Action::hold: return wait_again(false);
    case Action::replay: return wait_again(true);
    case Action::fail_statement:
      if (segments_.empty()) {
        surrender_.refuse(failure);
        return resume();
      }
      fail_segment(place, failure, TransactionStatus::idle);
      return fail_rest(Event::lost, reason);
    case Action::fail_transaction:
      if (segments_.empty()) {
        transaction_ = {};
        surrender_.owe(failure);
        return resume();
      }
      fail_segment(place, failure, TransactionStatus::failed);
      return fail_rest(Event::lost, reason);
    case Action::succeed: {
      std::string told;
      // Who was told that it is unknown hears nothing else.
      const bool told_already = segments_.front().completed || segments_.front().failed;
      if (!told_already) write_command_complete(told, "COMMIT");
      return succeed(std::move(told), Event::lost, reason);
    }
    case Action::cut: return gone();
    default: return end(verdict.sqlstate.empty() ? "57P01" : verdict.sqlstate, error_of(failure));
  }
}

/// The end of the first request, and of its transaction, in the server's place.
void Session::succeed(std::string told, Event event, const std::string& reason) {
  if (segments_.front().ended) {
    write_ready(told, TransactionStatus::idle);
  } else {
    surrender_.skip();
  }
  segments_.erase(segments_.begin());
  if (!tell(told)) return gone();
  fail_rest(event, reason);
}

/// The error of one request, and its ReadyForQuery if the client has ended it.
void Session::fail_segment(std::size_t place, const Failure& failure, TransactionStatus status) {
  Segment& segment = segments_[place];
  std::string told;
  if (!segment.failed) write_error(told, Severity::error, failure.sqlstate, error_of(failure));
  const bool in_transaction = status == TransactionStatus::failed;
  if (segment.ended) {
    write_ready(told, status);
    if (in_transaction) surrender_.told(false);
  } else if (in_transaction) {
    surrender_.told(true);
  } else {
    surrender_.skip();
  }
  segments_.erase(segments_.begin() + static_cast<std::ptrdiff_t>(place));
  if (!tell(told)) gone();
}

/// The requests behind one that has failed. They had been sent: what became of them is unknown, or,
/// in a transaction that is over, nothing.
void Session::fail_rest(Event event, const std::string& reason) {
  const std::shared_ptr<bool> alive = alive_;
  for (std::size_t i = changes_.size(); i-- > 0;) {
    const NameChange& change = changes_[i];
    if (change.put) {
      statements_->close(change.name);
    } else {
      statements_->put(change.name, change.sql, change.types, {});
    }
  }
  changes_.clear();
  transaction_ = {};
  kept_.clear();
  keeps_ = false;
  while (!segments_.empty() && stage_ != Stage::over) {
    if (surrender_.mode() == Surrender::Mode::aborted) {
      fail_segment(0, {"25P02", "current transaction is aborted", {}, {}},
                   TransactionStatus::failed);
      continue;
    }
    const Verdict verdict =
        decide_outcome(Standing::behind_sent, event, host_.around().configuration->replay);
    fail_segment(0, failure_of(verdict, reason), TransactionStatus::idle);
  }
  if (*alive && stage_ == Stage::ready) resume();
}

/// Back into the queue. With `replay` the only request was sent and has certainly not happened.
void Session::wait_again(bool replay) {
  if (replay && !segments_.empty()) {
    // Names that it was about to make are made again.
    for (std::size_t i = changes_.size(); i-- > 0;) {
      if (changes_[i].put) statements_->close(changes_[i].name);
    }
    changes_.clear();
    pending_.insert(0, kept_);
    kept_.clear();
    keeps_ = false;
    segments_.clear();
    transaction_ = {};
  }
  resume();
}

void Session::expired() {
  held_ = false;
  const auto own = statement_deadline();
  const bool of_its_own = own && *own <= host_.around().reactor.now();
  wants_since.reset();
  if (stage_ == Stage::greeting) {
    return end("57P03", Error(ErrorCode::unreachable, "there is no primary to log in to",
                              "None became available within hold_timeout.",
                              "Try again. `evergres list` shows the cluster."));
  }
  const Event event = of_its_own ? Event::statement_timeout : Event::hold_expired;
  carry_out(decide_outcome(Standing::held, event, host_.around().configuration->replay), 0, {});
}

void Session::fate_known(Fate fate) {
  const bool resolving = std::exchange(fate_, {}).sent_in != Term{};
  if (stage_ == Stage::over || segments_.empty()) return;
  (void)resolving;
  const Segment& segment = segments_.front();
  const Standing where =
      segment.kind == SqlKind::commit ? Standing::commit_sent : Standing::output_at_boundary;
  carry_out(after_fate(where, fate, host_.around().configuration->replay), 0, {});
}

void Session::cancel_asked() {
  if (stage_ == Stage::passing) return host_.cancel(*this, *passage_);
  if (stage_ != Stage::ready) return;
  if (console_) {
    if (!console_->busy()) return;
    host_.console_gives_up(*this);
    return console_answered(Refusal{"57014", Error(ErrorCode::cancelled, "cancelled")});
  }
  const Verdict verdict =
      decide_outcome(standing(), Event::cancel_requested, host_.around().configuration->replay);
  switch (verdict.action) {
    case Action::cancel:
    case Action::cancel_unless_committing:
      if (server_ == nullptr || settling_ != Settling::no) return;
      if (verdict.action == Action::cancel || !may_be_committing()) return host_.cancel(*server_);
      if (!segments_.front().cancel_wanted) {
        segments_.front().cancel_wanted = host_.around().reactor.now();
      }
      return host_.look_at(*this);
    case Action::fail_statement:
    case Action::fail_transaction: {
      if (!waits() && !segments_.empty()) return;
      if (held_) host_.leave_hold(*this);
      held_ = false;
      pool_->leave(*this);
      return carry_out(verdict, 0, {});
    }
    default: return;
  }
}

bool Session::cancel_under_way() const {
  if (passage_) return passage_->cancels > 0;
  // A server that it gave back is not lent to anybody before the last one has arrived.
  if (server_ == nullptr) return false;
  return server_->cancels > 0 || (!segments_.empty() && segments_.front().cancel_wanted);
}

void Session::world_changed() {
  passage_looks();
  // Whoever keeps a server gives it up for the switchover.
  if (host_.around().world->draining && port_ != Port::read_only) give_way();
}

void Session::give_way() {
  if (stage_ != Stage::ready || server_ == nullptr || !segments_.empty()) return;
  if (in_transaction()) return;
  const Standing where = standing();
  const bool between = walker_.between_messages() && settling_ == Settling::no;
  if (where == Standing::idle && server_->free() && between) release();
}

}  // namespace evergres::proxy
