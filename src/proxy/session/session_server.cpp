#include <charconv>
#include <utility>

#include "proxy/outcome/timeline_question.hpp"
#include "proxy/session/session.hpp"
#include "proxy/sql/words.hpp"
#include "proxy/wire/reader.hpp"
#include "proxy/wire/writer.hpp"

/// Getting a server, what it answers, and giving it back.
namespace evergres::proxy {
namespace {

constexpr Owed ours_query{'Q', Owner::us, Target::statement, 0};
constexpr std::string_view xid_statement = "evergres_xid";

Owed own(char type, std::uint64_t what = 0) {
  return {type, Owner::us, Target::statement, what};
}

/// What a plain "SET [SESSION] name TO …" sets, as it is written; "" if it is another command.
std::string_view name_set_by(std::string_view sql) {
  SqlWords words(sql);
  if (!is_keyword(words.next(), "set")) return {};
  SqlWord name = words.next();
  if (is_keyword(name, "session")) name = words.next();
  const bool plain = name.kind == SqlWord::Kind::word && !is_keyword(name, "time") &&
                     !is_keyword(name, "names") && !is_keyword(name, "characteristics");
  return plain ? name.text : std::string_view();
}

/// Appends a SET command; an earlier one of the same setting, or the same one, does not count.
void add_set(std::string& sets, std::string_view sql) {
  const std::string_view name = name_set_by(sql);
  for (std::size_t at = 0; at < sets.size();) {
    const std::size_t end = sets.find('\0', at);
    const std::string_view known = std::string_view(sets).substr(at, end - at);
    if (known == sql || (!name.empty() && name_set_by(known) == name)) {
      sets.erase(at, end - at + 1);
    } else {
      at = end + 1;
    }
  }
  sets.append(sql).append(1, '\0');
}

/// The transaction id in a row of an id and a timeline. Nothing unless the server is in the
/// leadership that it was connected for: only then it is known what the id means.
std::optional<std::uint64_t> xid_in(std::string_view row, const Server& server) {
  Reader reader(row);
  if (reader.u16() != 2) return std::nullopt;
  const auto next = [&reader]() -> std::string_view {
    const std::int32_t length = reader.i32();
    return length < 0 ? std::string_view() : reader.take(static_cast<std::size_t>(length));
  };
  const std::string_view text = next();
  const auto timeline = read_timeline(next());
  if (!reader.done() || !timeline || timeline != server.birth().timeline) return std::nullopt;
  std::uint64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || read.ec != std::errc{} || read.ptr != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

/// True if there is one now. Else the session waits, and goes on with resume().
bool Session::want_server() {
  if (waits()) return false;
  if (state_lost_) {
    end("57P01", Error(ErrorCode::unreachable, "the session has lost its server",
                       "What it had there (role, locks, temporary tables, channels) is lost.",
                       "Connect again."));
    return false;
  }
  // Whoever was let go does not stand behind those who still wait.
  const bool its_turn = std::exchange(its_turn_, false) && host_.around().route(port_).node;
  if (!its_turn && !host_.may_pass(port_)) {
    if (!wants_since) wants_since = host_.around().reactor.now();
    held_ = host_.hold(*this, port_);
    if (held_) return false;
    if (stage_ == Stage::greeting) {
      end("53300", Error(ErrorCode::refused, "too many clients wait for a primary"));
      return false;
    }
    // Refused as soon as it is read.
    surrender_.refuse({"53300", "too many clients wait for a primary", {}, "Try again later."});
    return true;
  }
  Server* server = pool_->borrow(*this);
  if (server == nullptr) return false;
  server_ = server;
  server_->client_number = number_;
  return settle();
}

void Session::released() {
  if (held_ && wants_since && pool_ != nullptr) {
    pool_->times.hold.record(micros(host_.around().reactor.now() - *wants_since));
  }
  held_ = false;
  its_turn_ = true;
  if (stage_ == Stage::greeting) {
    login_since_ = host_.around().reactor.now();
    if (entrance_->startup->replication != Replication::none) return open_passage();
    if (bucket->welcome != nullptr || want_server()) greet();
    return;
  }
  resume();
}

void Session::lent(Server& server) {
  server_ = &server;
  server_->client_number = number_;
  if (settle()) settled();
}

/// Makes the server as the client left its last one. True if requests may follow at once.
bool Session::settle() {
  if (stage_ == Stage::greeting) return true;
  if (server_->sets != sets_) return settle_sets();
  return settle_parameters();
}

bool Session::settle_sets() {
  settling_ = Settling::sets;
  Batch& batch = host_.around().to_server;
  const auto run = [&](std::string_view sql) {
    batch.add([&](std::string& to) { write_query(to, sql); });
    server_->sending(ours_query);
    ++ours_open_;
  };
  if (!server_->sets.empty()) run("RESET ALL");
  for (std::string_view rest = sets_; !rest.empty();) {
    const std::size_t end = rest.find('\0');
    run(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  server_->sets = sets_;
  server_->unnamed_of = 0;
  hand_in();
  return false;
}

bool Session::settle_parameters() {
  settling_ = Settling::no;
  if (server_->agreed == told_) return true;
  const Restoration what = restoration(*told_, server_->settings());
  if (what.unfit) {
    end("57P01", Error(ErrorCode::unreachable, "the session cannot be continued on another server",
                       "The server has another encoding or another user."));
    return false;
  }
  for (const auto& [name, value] : changes(*told_, server_->settings())) {
    bool differs = true;
    for (const auto& [restored, wanted] : what.set) differs = differs && restored != name;
    if (!differs) continue;
    Settings now = *told_;
    now.note(name, value);
    told_ = pool_->intern(std::move(now));
    host_.around().to_client.add([&parameter = name, &now_is = value](std::string& to) {
      write_parameter(to, parameter, now_is);
    });
  }
  send_to_client();
  if (what.set.empty()) {
    // What only one of the two reports stays as it is.
    server_->agreed = told_;
    return true;
  }
  Batch& batch = host_.around().to_server;
  batch.add([&](std::string& to) { write_restoration(to, what); });
  server_->sending(own('P'));
  for (std::size_t i = 0; i < what.set.size(); ++i) {
    server_->sending(own('B'));
    server_->sending(own('E'));
  }
  server_->sending(own('S'));
  server_->unnamed_of = 0;
  ++ours_open_;
  settling_ = Settling::parameters;
  hand_in();
  return false;
}

/// The server is as it should be.
void Session::settled() {
  settling_ = Settling::no;
  if (stage_ == Stage::greeting) return greet();
  resume();
}

void Session::turned_away(const TurnedAway& why) {
  if (stage_ == Stage::greeting) return end(why.sqlstate, why.error);
  if (why.sqlstate == "57014") {
    surrender_.refuse({why.sqlstate, why.error.message(), why.error.detail(), why.error.hint()});
    return resume();
  }
  end(why.sqlstate, why.error);
}

/// In front of a COMMIT that may have to be looked for: which transaction it is. The server sends
/// the answer before it begins to commit (postgres.c flushes at ReadyForQuery).
void Session::before_commit(const SqlLook& look) {
  if (look.kind != SqlKind::commit || !transaction_.wrote || transaction_.xid) return;
  if (!segments_.empty() || server_->ledger().status() != TransactionStatus::open) return;
  Batch& batch = host_.around().to_server;
  batch.add([&](std::string& to) {
    if (!server_->knows_xid_statement) {
      write_parse(to, xid_statement,
                  "SELECT pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text, " +
                      std::string(timeline_sql));
    }
    write_bind(to, xid_statement, xid_statement, {});
    write_execute(to, xid_statement);
    write_close(to, Target::portal, xid_statement);
    write_sync(to);
  });
  if (!std::exchange(server_->knows_xid_statement, true)) server_->sending(own('P'));
  server_->sending(own('B'));
  server_->sending(own('E', note::xid));
  server_->sending({'C', Owner::us, Target::portal, 0});
  server_->sending(own('S'));
}

void Session::heard(Server& server, const Frame& frame, const Answer& answer) {
  if (answer.to == Answer::To::aside) return aside(frame);
  if (answer.to == Answer::To::nobody) return ours(server, frame, answer);
  this->answer(server, frame, answer);
}

void Session::aside(const Frame& frame) {
  if (stage_ != Stage::ready) return;
  Batch& batch = host_.around().to_client;
  if (frame.first && frame.type == 'S') {
    const auto parameter = read_parameter(frame.payload());
    const std::string* told = parameter ? told_->find(parameter->name) : nullptr;
    if (!parameter || (told != nullptr && *told == parameter->value)) return;
    // What a reset on the way to the client's settings reports is none of its business.
    if (settling_ != Settling::no) return;
    Settings now = *told_;
    now.note(parameter->name, parameter->value);
    told_ = pool_->intern(std::move(now));
  }
  batch.pass(frame.bytes);
  if (!segments_.empty()) segments_.front().in_message = !frame.last;
  if (!frame.first || frame.type != 'N' || segments_.empty()) return;
  const FieldsView fields = read_fields(frame.payload());
  if (!is_cancelled_sync_wait(fields)) return;
  const Verdict verdict = decide_outcome(standing_of(0), Event::sync_wait_cancelled,
                                         host_.around().configuration->replay);
  if (verdict.action != Action::withhold) return;
  withhold_ = true;
  // "… and terminating connection" (syncrep.c): what became of it is looked for when it is gone.
  if (fields.code != "57P01") tell_withheld(verdict);
}

/// In the place of a success that may still be lost.
void Session::tell_withheld(const Verdict& verdict) {
  host_.around().to_client.add([&](std::string& to) {
    write_error(
        to, Severity::error, verdict.sqlstate,
        Error(ErrorCode::timed_out, "the outcome of the transaction is unknown",
              std::string(verdict.because), "Look whether it is there before you send it again."));
  });
  segments_.front().failed = true;
}

/// An answer to what we sent for ourselves.
void Session::ours(Server& server, const Frame& frame, const Answer& answer) {
  if (!frame.first) return;
  const std::uint64_t what = server.ledger().answered().note;
  if (frame.type == 'E') {
    if ((what & note::on_behalf) != 0) {
      // It was for the client: its statement is what failed.
      if (!segments_.empty()) segments_.front().relayed = segments_.front().failed = true;
      return host_.around().to_client.pass(frame.bytes);
    }
    // A server that is not as the client needs it, or that cannot say its transaction's number.
    server.end({false, false, {}, "A setting of the client could not be restored."});
    if (settling_ == Settling::no) return;
    const FieldsView fields = read_fields(frame.payload());
    return end("57P01",
               Error(ErrorCode::unreachable, "the session cannot be continued on another server",
                     "A setting could not be restored: " + std::string(fields.message) + ".",
                     "Connect again."));
  }
  if (frame.type == 'D' && what == note::xid) {
    transaction_.xid = xid_in(frame.payload(), server);
  }
  if (!answer.ready || settling_ == Settling::no) return;
  if (ours_open_ > 0) --ours_open_;
}

void Session::answer(Server& server, const Frame& frame, const Answer& answer) {
  Batch& batch = host_.around().to_client;
  if (frame.first && (frame.type == '1' || frame.type == '3') &&
      server.ledger().answered().note != 0 && !changes_.empty()) {
    changes_.erase(changes_.begin());
  }
  if (withhold_ && !answer.ready) return;
  if (withhold_ && !segments_.empty() && !segments_.front().failed) {
    tell_withheld(decide_outcome(standing_of(0), Event::sync_wait_cancelled,
                                 host_.around().configuration->replay));
  }
  if (frame.first && frame.type == '3' &&
      (server.ledger().answered().note & note::close_for_parse) != 0) {
    batch.add([](std::string& to) { write_parse_complete(to); });
  } else if (frame.type != 'E' || !told_late(frame)) {
    batch.pass(frame.bytes);
  }
  if (segments_.empty()) return;
  Segment& segment = segments_.front();
  segment.in_message = !frame.last;
  if (!answer.ready) segment.relayed = true;
  if (!frame.first) return;
  if (frame.type == 'C') {
    segment.completed = true;
    completed(frame);
  }
  if (frame.type == 'E') segment.failed = true;
  if (frame.type == 'G') segment.copies_in = true;
  if (answer.ready) segment_answered();
}

void Session::completed(const Frame& frame) {
  const auto tag = read_command_complete(frame.payload());
  if (!tag) return;
  switch (command_kind(*tag)) {
    case CommandKind::write:
    case CommandKind::call: transaction_.wrote = true; break;
    case CommandKind::commit: transaction_.committed = true; break;
    case CommandKind::savepoint:
      if (*tag != "SAVEPOINT") break;
      if (!transaction_.sets_before) {
        transaction_.sets_before = transaction_.sets.size();
      } else {
        transaction_.savepoints = true;
      }
      break;
    case CommandKind::rollback: rolled_back_to(); break;
    case CommandKind::discard_all:
      server_->statements().clear();
      server_->knows_xid_statement = false;
      server_->unnamed_of = 0;
      server_->traces = {};
      server_->sets.clear();
      sets_.clear();
      sets_lost_ = false;
      statements_->clear();
      break;
    case CommandKind::deallocate_all:
      server_->statements().clear();
      server_->knows_xid_statement = false;
      statements_->clear();
      break;
    default: break;
  }
}

/// To a savepoint: settings are as they were there. Of several savepoints it is not seen which.
void Session::rolled_back_to() {
  if (!transaction_.sets_before || transaction_.sets.size() == *transaction_.sets_before) return;
  transaction_.sets_unknown = transaction_.sets_unknown || transaction_.savepoints;
  transaction_.sets.resize(*transaction_.sets_before);
}

/// ReadyForQuery, to the client.
void Session::segment_answered() {
  const Instant now = host_.around().reactor.now();
  const TransactionStatus status = server_->ledger().status();
  Segment& segment = segments_.front();
  const Instant began = transaction_.since.value_or(segment.sent);
  pool_->tally->query_took(micros(now - segment.sent));
  const SqlKind kind = segment.kind;
  if ((!segment.set.empty() || segment.set_lost) && !segment.failed) {
    transaction_.sets.append(segment.set);
    transaction_.sets_unknown = transaction_.sets_unknown || segment.set_lost;
    if (status == TransactionStatus::idle) transaction_.committed = true;
  }
  withhold_ = false;
  keeps_ = false;
  kept_.clear();
  segments_.erase(segments_.begin());
  idle_since_ = asked_ = now;
  if (status != TransactionStatus::idle) {
    transaction_.since = began;
    // It may be another transaction than the one that the facts are of.
    if (kind == SqlKind::several || kind == SqlKind::commit || kind == SqlKind::rollback) {
      transaction_.xid.reset();
      transaction_.read_only = transaction_.committed = false;
    }
    return;
  }
  pool_->tally->transaction_took(micros(now - began));
  if (transaction_.committed && transaction_.sets_unknown) sets_lost_ = true;
  if (transaction_.committed && !transaction_.sets.empty()) remember_sets();
  transaction_ = {};
}

/// SET commands that are in force from now on. What RESET ALL took back is set once more on the way
/// to another server, and taken back again.
void Session::remember_sets() {
  if (sets_lost_) return;  // the trace stays
  std::string sets = sets_;
  for (std::string_view rest = transaction_.sets; !rest.empty();) {
    const std::string_view one = rest.substr(0, rest.find('\0'));
    add_set(sets, one);
    rest.remove_prefix(one.size() + 1);
  }
  if (sets.size() > sets_most) {
    sets_lost_ = true;
    return;
  }
  sets_ = std::move(sets);
  server_->sets = sets_;
  server_->traces.settings = false;
}

void Session::skipped(Server& server, const Owed& message) {
  // An unnamed statement that was not made: whatever stands there is not this client's.
  if (message.type == 'P' && (message.note & note::id_mask) == 0) server.unnamed_of = 0;
  if (message.owner != Owner::client || (message.note == 0)) return;
  if (changes_.empty() || !statements_) return;
  NameChange change = std::move(changes_.front());
  changes_.erase(changes_.begin());
  if (change.put) {
    statements_->close(change.name);
  } else {
    statements_->put(change.name, change.sql, change.types, {});
  }
}

void Session::heard_all(Server& server) {
  const std::shared_ptr<bool> alive = alive_;
  if (closing_ || stage_ == Stage::over) return;
  put_into_outbox();
  if (!segments_.empty() && server.ledger().owed() == 0) {
    idle_since_ = host_.around().reactor.now();
  }
  if (settling_ != Settling::no && ours_open_ == 0 && server.free()) {
    const bool sets_were = settling_ == Settling::sets;
    if (sets_were && !settle_parameters()) return;
    return settled();
  }
  if (settling_ != Settling::no || &server != server_) return;
  if (segments_.empty() && server.free() && walker_.between_messages() && gives_back(server)) {
    release();
  }
  if (!pending_.empty() || readable_) resume();
}

/// Whether somebody else may have the server, which is free, before the session ends.
bool Session::gives_back(const Server& server) const {
  if (mode_ == PoolMode::transaction) return !sets_lost_;
  return server.retire_when_free && !pinned();
}

/// Gives the server back: it is free.
void Session::release() {
  Server& server = *std::exchange(server_, nullptr);
  pool_->give_back(server);
}

/// Does without its server, whatever it is doing.
void Session::let_go() {
  if (held_) {
    host_.leave_hold(*this);
    held_ = false;
  }
  if (passage_) passage_->close();
  if (pool_ != nullptr) pool_->leave(*this);
  if (server_ == nullptr) return;
  hand_in();
  const bool between = walker_.between_messages() && settling_ == Settling::no;
  if (between && segments_.empty() && server_->free()) return release();
  Server& server = *std::exchange(server_, nullptr);
  const Verdict verdict = segments_.empty() ? Verdict{Action::roll_back, {}, {}}
                                            : decide_outcome(standing_of(0), Event::client_gone,
                                                             host_.around().configuration->replay);
  const bool whole = between && (segments_.empty() || segments_.back().ended);
  settling_ = Settling::no;
  if (verdict.action == Action::let_finish && whole) {
    return pool_->abandon(server);
  }
  server.lend_to(nullptr);
  server.end({false, false, {}, "Its client has gone in the middle of a transaction."});
}

}  // namespace evergres::proxy
