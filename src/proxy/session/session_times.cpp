#include <utility>

#include "proxy/session/session.hpp"
#include "proxy/session/statement_timeout.hpp"
#include "proxy/wire/backend.hpp"
#include "proxy/wire/writer.hpp"

/// What takes too long. Looked at twice a second.
namespace evergres::proxy {
namespace {

constexpr Millis farewell{10'000};
constexpr Millis cancel_helps_within{5'000};
constexpr Millis cancel_waits{1'000};  ///< for a look

bool passed(Millis limit, Instant since, Instant now) {
  return limit.count() > 0 && since + limit <= now;
}

}  // namespace

void Session::tick() {
  const Instant now = host_.around().reactor.now();
  if (closing_ && closing_since_ + farewell <= now) return finish();
  if (closing_ || stage_ == Stage::over) return;
  if (passage_) return passage_looks();
  if (stage_ != Stage::ready) return login_late(now);
  if (console_) return;
  const Limits& limits = pool_->limits();
  // Everything that was asked is answered, in a request that the client has not ended.
  const bool unfinished = !segments_.empty() && !segments_.back().ended && server_ != nullptr &&
                          server_->ledger().owed() == 0;
  if (!segments_.empty() && server_ != nullptr) {
    auto& wanted = segments_.front().cancel_wanted;
    if (wanted && *wanted + cancel_waits <= now) {
      wanted.reset();
      host_.cancel(*server_);
    }
  }
  if (!segments_.empty() && !unfinished) {
    if (server_ != nullptr && passed(limits.query_timeout, asked_, now)) request_late(now);
    return;
  }
  if (waits()) return;
  if (in_transaction() || unfinished) {
    if (!passed(limits.idle_transaction_timeout, idle_since_, now)) return;
    server_->end({false, false, {}, "A transaction was idle for too long."});
    end("25P03", Error(ErrorCode::timed_out, "a transaction was idle for too long",
                       "It was idle for idle_transaction_timeout and was rolled back.",
                       "End transactions, or make idle_transaction_timeout longer."));
  } else if (passed(limits.client_idle_timeout, idle_since_, now)) {
    end("57P05", Error(ErrorCode::timed_out, "the client was idle for client_idle_timeout", {},
                       "Connect again."));
  }
}

/// A statement that waits for a leader. A login, and a replication connection, has none.
std::optional<Instant> Session::statement_deadline() const {
  if (stage_ != Stage::ready || bucket == nullptr || !wants_since) return std::nullopt;
  const auto timeout = statement_timeout_of(sets_, bucket->statement_timeout);
  if (!timeout) return std::nullopt;
  return *wants_since + *timeout;
}

/// Without the time that the login spent waiting for us.
void Session::login_late(Instant now) {
  const bool ours = held_ || Pool::waits(*this) || (entrance_ && entrance_->asks);
  if (ours || !passed(host_.around().configuration->client_login_timeout, login_since_, now)) {
    return;
  }
  end("08P01", Error(ErrorCode::timed_out, "the login took too long",
                     "It was not complete within client_login_timeout."));
}

/// What can be cancelled is cancelled, and its server tells so. A commit that may be waiting for
/// standbys is left in peace, however long it takes: a cancelled wait would show to everybody what
/// a failover may still lose.
void Session::request_late(Instant now) {
  Segment& segment = segments_.front();
  const Verdict verdict =
      decide_outcome(standing(), Event::cancel_requested, host_.around().configuration->replay);
  if (verdict.action != Action::cancel && verdict.action != Action::cancel_unless_committing) {
    return;
  }
  if (segment.late) {
    if (*segment.late + cancel_helps_within <= now) end_late_request();
    return;
  }
  if (verdict.action == Action::cancel || !may_be_committing()) return cancel_late_request();
  if (!segment.looked) segment.looked = now;
  if (*segment.looked + cancel_helps_within <= now) return end_late_request();
  host_.look_at(*this);
}

/// A statement that is a transaction of its own. What a plain SELECT calls may write too: if that
/// is cancelled while it waits, the client is told that its outcome is unknown.
bool Session::may_be_committing() const {
  return !segments_.empty() && segments_.front().kind != SqlKind::read && port_ == Port::read_write;
}

void Session::looked(std::uint64_t server, std::optional<bool> commits) {
  if (stage_ != Stage::ready || closing_ || segments_.empty() || server_ == nullptr) return;
  if (server_->number != server) return;
  Segment& segment = segments_.front();
  if (std::exchange(segment.cancel_wanted, std::nullopt) && !commits.value_or(false)) {
    return host_.cancel(*server_);
  }
  if (!segment.looked || segment.late || !commits) return;
  if (!*commits) return cancel_late_request();
  segment.looked.reset();
}

void Session::cancel_late_request() {
  segments_.front().late = host_.around().reactor.now();
  host_.cancel(*server_);
}

/// The error of a statement that was cancelled because it was late says so. True if it was that.
bool Session::told_late(const Frame& frame) {
  if (segments_.empty() || !segments_.front().late || frame.kind != FrameKind::whole) return false;
  if (!frame.first || frame.type != 'E' || read_fields(frame.payload()).code != "57014") {
    return false;
  }
  host_.around().to_client.add([](std::string& to) {
    write_error(to, Severity::error, "57014",
                Error(ErrorCode::timed_out, "canceling statement due to query_timeout",
                      "It took longer than query_timeout of the endpoint.",
                      "Make the query faster, or query_timeout longer."));
  });
  return true;
}

/// The server does not react.
void Session::end_late_request() {
  // What may be committing is not told as cancelled.
  const Verdict verdict = decide_outcome(standing(), Event::lost, Replay::refused);
  const bool doubtful = verdict.action == Action::resolve || verdict.sqlstate == "08007" ||
                        may_have_committed_behind();
  server_->end({false, false, {}, "A query took longer than query_timeout."});
  end(doubtful ? "08007" : "57014",
      Error(ErrorCode::timed_out, "a query took longer than query_timeout",
            doubtful ? "Whether it committed is unknown." : "",
            "Make the query faster, or query_timeout longer."));
}

}  // namespace evergres::proxy
