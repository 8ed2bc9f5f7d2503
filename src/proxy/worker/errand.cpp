#include "proxy/worker/errand.hpp"

#include <array>
#include <utility>

#include "proxy/outcome/timeline_question.hpp"
#include "proxy/wire/reader.hpp"
#include "proxy/wire/writer.hpp"

namespace evergres::proxy {
namespace {

constexpr Millis between_questions{50};

/// The two values of a row; nothing for those that are null.
std::pair<std::optional<std::string_view>, std::optional<std::string_view>> values_in(
    std::string_view row) {
  Reader reader(row);
  if (reader.u16() != 2) return {};
  const auto next = [&reader]() -> std::optional<std::string_view> {
    const std::int32_t length = reader.i32();
    if (length < 0) return std::nullopt;
    const std::string_view value = reader.take(static_cast<std::size_t>(length));
    return reader.ok() ? std::optional(value) : std::nullopt;
  };
  const auto first = next();
  return {first, next()};
}

XactAnswer answer_of(std::optional<std::string_view> value) {
  if (!value) return XactAnswer::too_old;
  if (*value == "committed") return XactAnswer::committed;
  if (*value == "aborted") return XactAnswer::aborted;
  if (*value == "in progress") return XactAnswer::in_progress;
  return XactAnswer::failed;
}

}  // namespace

Errand::~Errand() {
  if (pool_ == nullptr) return;
  pool_->leave(*this);
  if (server_ != nullptr) pool_->abandon(*server_);
  if (bucket != nullptr) pool_->release_bucket(bucket);
}

void Errand::go(Pool& pool) {
  if (pool_ == nullptr) {
    pool_ = &pool;
    bucket = pool.acquire_bucket(auth_query_settings());
  }
  if (Server* server = pool.borrow(*this)) lent(*server);
}

void Errand::lent(Server& server) {
  server_ = &server;
  std::string messages;
  ask(messages);
  Walker walker(Side::frontend, Phase::session);
  for (std::string_view rest = messages; !rest.empty();) {
    const Frame frame = walker.next(rest);
    Owed owed{frame.type, Owner::us, Target::statement, 0};
    if (frame.type == 'D' || frame.type == 'C') {
      if (const auto view = read_target(frame.payload())) owed.target = view->target;
    }
    server.sending(owed);
  }
  server.traces.any = true;
  server.unnamed_of = 0;
  around_.to_server.add([&](std::string& to) { to.append(messages); });
  server.send(around_.to_server);
}

void Errand::turned_away(const TurnedAway& why) {
  failed(why.sqlstate, why.error);
}

void Errand::heard_all(Server& server) {
  if (server_ != &server || !server.free()) return;
  server_ = nullptr;
  pool_->give_back(server);
  answered();
}

void Errand::lost(Server&, const ServerEnd& end) {
  server_ = nullptr;
  failed("08006", Error(ErrorCode::unreachable, "the server went away", end.reason));
}

void SecretErrand::heard(Server&, const Frame& frame, const Answer& answer) {
  if (answer.to != Answer::To::nobody || step_) return;
  pending_.append(frame.bytes);
  std::string_view input = pending_;
  AuthStep step = query_.feed(input);
  pending_.erase(0, pending_.size() - input.size());
  if (!std::holds_alternative<AuthLacks>(step)) step_ = std::move(step);
}

void SecretErrand::answered() {
  if (step_) return done_(std::move(*step_));
  failed("08P01", Error(ErrorCode::data_invalid, "the server did not answer what it was asked"));
}

void SecretErrand::failed(const std::string& sqlstate, const Error& error) {
  done_(AuthFailed{sqlstate, error, false});
}

void FateErrand::proceed(Pool& pool) {
  if (over_) return;
  const World& world = *around_.world;
  const Instant now = around_.reactor.now();
  if (under_way() && now < deadline_) return;
  if (under_way()) {
    over_ = true;
    return done_(Fate::unknown, "The leader did not answer in time.");
  }
  question_.open.reset();
  if (world.leader) question_.open = world.leader->term;
  question_.promotions.clear();
  for (const Promotion& promotion : world.promotions) {
    if (promotion.term > question_.sent_in && question_.open && promotion.term <= *question_.open) {
      question_.promotions.push_back(promotion);
    }
  }
  question_.deadline_passed = now >= deadline_;
  const FateDecision decision = decide_fate(question_);
  step_ = decision.step;
  switch (decision.step) {
    case FateStep::known: over_ = true; return done_(decision.fate, decision.because);
    case FateStep::wait: return;
    case FateStep::ask:
    case FateStep::prove:
      if (now < not_before_ || !around_.route(Port::read_write).node) return;
      not_before_ = now + between_questions;
      heard_ = XactAnswer::failed;
      committed_ = cancelled_ = false;
      return go(pool);
  }
}

void FateErrand::ask(std::string& to) {
  if (step_ == FateStep::prove) {
    // A transaction that has only an id neither flushes nor waits (xact.c, wrote_xlog).
    return write_query(to,
                       "BEGIN READ WRITE; SET LOCAL synchronous_commit TO on; "
                       "SELECT pg_catalog.pg_logical_emit_message(true, 'evergres', ''); COMMIT");
  }
  const std::string xid = std::to_string(*question_.xid);
  const std::array<std::optional<std::string_view>, 1> values{xid};
  write_parse(to, "",
              "SELECT pg_catalog.pg_xact_status($1::pg_catalog.text::pg_catalog.xid8), " +
                  std::string(timeline_sql));
  write_bind(to, "", "", values);
  write_execute(to, "");
  write_sync(to);
}

void FateErrand::heard(Server&, const Frame& frame, const Answer& answer) {
  if (!frame.first) return;
  if (frame.type == 'N' && is_cancelled_sync_wait(read_fields(frame.payload()))) {
    cancelled_ = true;
    heard_ = XactAnswer::failed;
    return;
  }
  if (answer.to != Answer::To::nobody) return;
  if (step_ == FateStep::prove) {
    const auto tag = frame.type == 'C' ? read_command_complete(frame.payload()) : std::nullopt;
    if (tag) committed_ = command_kind(*tag) == CommandKind::commit;
    if (frame.type == 'E') committed_ = false;
    return;
  }
  if (frame.type == 'D') {
    const auto [status, timeline] = values_in(frame.payload());
    const auto& leader = around_.world->leader;
    const auto said = timeline ? read_timeline(*timeline) : std::nullopt;
    // A server that is in another leadership than we believe answers about another's ids.
    const bool believed = said && leader && leader->timeline == said;
    heard_ = believed ? answer_of(status) : XactAnswer::failed;
  }
  if (frame.type == 'E') {
    const bool future = read_fields(frame.payload()).code == "22023";
    heard_ = future ? XactAnswer::in_the_future : XactAnswer::failed;
  }
}

void FateErrand::answered() {
  if (step_ == FateStep::prove) {
    question_.proven = committed_ && !cancelled_;
  } else {
    question_.answer = heard_;
    question_.answered_in = around_.world->highest;
  }
  proceed(*pool_);
}

void FateErrand::failed(const std::string&, const Error&) {
  // Whoever leads next is asked again.
  not_before_ = around_.reactor.now() + between_questions;
}

}  // namespace evergres::proxy
