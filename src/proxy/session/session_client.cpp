#include <utility>

#include "proxy/session/session.hpp"
#include "proxy/wire/frontend.hpp"
#include "proxy/wire/writer.hpp"

/// What the client sends, once it was let in.
namespace evergres::proxy {
namespace {

/// Closing what nobody has is no error: its answer stands for one that the server need not give.
constexpr std::string_view nobodys_statement = "evergres_nobody";

Owed on_behalf(StatementId id) {
  return {'P', Owner::us, Target::statement, note::on_behalf | id};
}

std::string_view text_of_query(std::string_view body) {
  return body.substr(0, body.find('\0'));
}

}  // namespace

/// The names of a client that has no server.
class ClientNames final : public StatementLooks {
 public:
  ClientNames(ClientStatements& statements, StatementCatalog& catalog,
              std::unique_ptr<Unnamed>& unnamed)
      : statements_(statements), catalog_(catalog), unnamed_(unnamed) {}
  const SqlLook* look_of(std::string_view statement) const override {
    if (statement.empty()) return unnamed_ ? &unnamed_->look : nullptr;
    const auto id = statements_.find(statement);
    return id ? &catalog_.at(*id).look : nullptr;
  }
  void parsed(std::string_view name, std::string_view sql, std::string_view types) override {
    if (!name.empty()) {
      statements_.put(name, sql, types, {});
      return;
    }
    unnamed_ = std::make_unique<Unnamed>();
    unnamed_->sql = sql;
    unnamed_->types = types;
    unnamed_->look = look_at(sql);
    unnamed_->whole = true;
  }
  void closed(std::string_view name) override {
    if (!name.empty()) statements_.close(name);
  }

 private:
  ClientStatements& statements_;
  StatementCatalog& catalog_;
  std::unique_ptr<Unnamed>& unnamed_;
};

void Session::surrender_to(const Frame& frame) {
  ClientNames names(*statements_, pool_->catalog(), unnamed_);
  std::string to;
  surrender_.take(frame, names, to);
  if (!to.empty() && !tell(to)) gone();
}

void Session::frame(const Frame& frame) {
  if (console_) return console_frame(frame);
  if (!frame.first) {
    if (to_server_ && server_ != nullptr) {
      host_.around().to_server.pass(frame.bytes);
      if (keeps_) keep(frame);
    }
    return;
  }
  to_server_ = false;
  if (frame.type == 'X') return gone();
  if (surrender_.on()) return surrender_to(frame);
  if (server_ == nullptr) {
    if (frame.type == 'S') {
      std::string ready;
      write_ready(ready, TransactionStatus::idle);
      if (!tell(ready)) gone();
    }
    return;
  }
  to_server_ = true;
  if (segments_.empty()) {
    asked_ = host_.around().reactor.now();
    keeps_ = true;
    kept_.clear();
  } else if (segments_.back().ended) {
    keeps_ = false;  // only what stands in front may be sent again
  }
  keep(frame);
  switch (frame.type) {
    case 'Q': return query(frame);
    case 'P': return parse(frame);
    case 'B': return bind(frame);
    case 'D':
    case 'C': return target(frame);
    case 'E':
      ++current().statements;
      return pass(frame, {'E', Owner::client, Target::statement, 0});
    case 'F':
      current().kind = SqlKind::several;
      current().ended = true;
      return pass(frame, {'F', Owner::client, Target::statement, 0});
    case 'S':
      current().ended = true;
      return pass(frame, {'S', Owner::client, Target::statement, 0});
    case 'c':
      for (Segment& segment : segments_) segment.copy_done = true;
      [[fallthrough]];
    default: return pass(frame, {frame.type, Owner::client, Target::statement, 0});
  }
}

/// The bytes of the first request, as they came, in case they have to be sent again.
void Session::keep(const Frame& frame) {
  if (!keeps_) return;
  if (kept_.size() + frame.bytes.size() > kept_most || frame.type == 'd') {
    keeps_ = false;
    if (!segments_.empty()) segments_.front().replayable = false;
    kept_.clear();
    return;
  }
  kept_.append(frame.bytes);
}

Segment& Session::current() {
  if (segments_.empty() || segments_.back().ended) {
    segments_.emplace_back();
    segments_.back().sent = host_.around().reactor.now();
    segments_.back().replayable = keeps_;
  }
  return segments_.back();
}

void Session::pass(const Frame& frame, Owed owed) {
  server_->sending(owed);
  host_.around().to_server.pass(frame.bytes);
}

/// What a statement that is about to be executed may do.
void Session::note_look(const SqlLook& look, std::string_view sql) {
  Segment& segment = current();
  segment.kind = together(segment.kind, look.kind);
  Traces traces = look.traces;
  traces.any = true;
  segment.forgets = segment.forgets || traces.prepared;
  server_->traces = server_->traces | traces;
  if (look.kind == SqlKind::begin) {
    const bool idle = server_->ledger().status() == TransactionStatus::idle;
    if (idle && segments_.size() == 1) transaction_ = {};
    // What stands in front of it in the same breath is not declared so.
    transaction_.read_only =
        idle && look.read_only && segments_.size() == 1 && segment.kind == SqlKind::begin;
  }
  if (look.changes_mode) transaction_.read_only = false;
  // Done again on the next server, if it succeeds and its transaction does.
  if (look.kind == SqlKind::session && look.traces.settings && !look.traces.role) {
    if (segment.set.size() + sql.size() < sets_most) {
      segment.set.append(sql).append(1, '\0');
    } else {
      segment.set_lost = true;
    }
  }
}

void Session::query(const Frame& frame) {
  const bool whole = frame.kind == FrameKind::whole;
  const std::string_view sql = text_of_query(frame.payload());
  const SqlLook look = look_at(sql, whole);
  before_commit(look);
  Segment& segment = current();
  note_look(look, sql);
  ++segment.statements;
  segment.ended = true;
  server_->unnamed_of = 0;
  unnamed_.reset();
  pass(frame, {'Q', Owner::client, Target::statement, 0});
}

void Session::parse_unnamed(const Frame& frame, const ParseView& view) {
  if (!unnamed_) unnamed_ = std::make_unique<Unnamed>();
  unnamed_->sql.assign(view.sql);
  unnamed_->types.assign(view.types);
  unnamed_->look = look_at(view.sql);
  unnamed_->whole = true;
  before_commit(unnamed_->look);
  current();
  server_->unnamed_of = number_;
  pass(frame, {'P', Owner::client, Target::statement, 0});
}

void Session::parse(const Frame& frame) {
  ++pool_->totals.client_parses;
  const auto view = frame.kind == FrameKind::whole ? read_parse(frame.payload()) : std::nullopt;
  if (view && view->statement.empty()) return parse_unnamed(frame, *view);
  Segment& segment = current();
  if (!view) {
    // Too long to be remembered: it lives and dies with its server.
    const auto name = read_parse_name(frame.payload());
    if (!name || !name->empty()) server_->traces.prepared = true;
    if (name && name->empty()) {
      unnamed_.reset();
      server_->unnamed_of = number_;
    }
    segment.kind = SqlKind::several;
    return pass(frame, {'P', Owner::client, Target::statement, 0});
  }
  const auto put = statements_->put(view->statement, view->sql, view->types, {});
  if (put != ClientStatements::Put::stored) {
    // The server says what is wrong with it: the name is there, or one too many.
    segment.replayable = false;
    if (const auto id = statements_->find(view->statement)) {
      // It exists under another name: an answer of ours, in its place, is an error of the server's.
      need_statement(*id, on_behalf(*id));
      StatementCatalog::NameRoom room;
      const std::string_view name = pool_->catalog().server_name(*id, room);
      host_.around().to_server.add(
          [&](std::string& to) { write_parse(to, name, view->sql, view->types); });
      return server_->sending({'P', Owner::client, Target::statement, 0});
    }
    return end("53400", Error(ErrorCode::refused, "too many prepared statements",
                              "This client holds " + std::to_string(statements_->size()) + ".",
                              "Close statements that are not needed any more."));
  }
  const StatementId id = *statements_->find(view->statement);
  changes_.push_back({true, std::string(view->statement), {}, {}});
  if (need_statement(id, {'P', Owner::client, Target::statement, id})) return;
  Batch& batch = host_.around().to_server;
  batch.add([](std::string& to) { write_close(to, Target::statement, nobodys_statement); });
  server_->sending({'C', Owner::client, Target::statement, note::close_for_parse | id});
}

/// Makes sure that the server has it, in front of what uses it. True if it was sent for that, as
/// `parse` says.
bool Session::need_statement(StatementId id, Owed parse) {
  const ServerStatements::Use use = server_->statements().use(id);
  Batch& batch = host_.around().to_server;
  StatementCatalog::NameRoom room;
  if (use.close) {
    batch.add([&](std::string& to) {
      write_close(to, Target::statement, pool_->catalog().server_name(*use.close, room));
    });
    server_->sending({'C', Owner::us, Target::statement, *use.close});
  }
  if (!use.parse) return false;
  ++pool_->totals.server_parses;
  const StatementCatalog::Statement& statement = pool_->catalog().at(id);
  batch.add([&](std::string& to) {
    write_parse(to, pool_->catalog().server_name(id, room), statement.sql, statement.types);
  });
  server_->sending(parse);
  return true;
}

void Session::need_unnamed() {
  if (server_->unnamed_of == number_ || !unnamed_ || !unnamed_->whole) return;
  ++pool_->totals.server_parses;
  host_.around().to_server.add(
      [&](std::string& to) { write_parse(to, "", unnamed_->sql, unnamed_->types); });
  server_->sending({'P', Owner::us, Target::statement, note::on_behalf});
  server_->unnamed_of = number_;
}

void Session::bind(const Frame& frame) {
  ++pool_->totals.binds;
  const auto view = read_bind(frame.payload());
  if (!view) {
    return end("08P01", Error(ErrorCode::data_invalid, "the names in a Bind are malformed",
                              "They may have 8 KiB together."));
  }
  const Owed owed{'B', Owner::client, Target::statement, 0};
  if (view->statement.empty()) {
    if (unnamed_) {
      need_unnamed();
      note_look(unnamed_->look, unnamed_->sql);
    } else {
      current().kind = SqlKind::several;
    }
    if (server_->unnamed_of == number_) return pass(frame, owed);
    // What stands there is another client's: this one has none, which the server says.
    server_->sending(owed);
    return host_.around().to_server.add(
        [&](std::string& to) { write_renamed_bind(to, *view, nobodys_statement, frame.body); });
  }
  const auto id = statements_->find(view->statement);
  if (!id) {
    // A PREPARE of the client's, or nothing: the server knows.
    current().kind = SqlKind::several;
    return pass(frame, owed);
  }
  const StatementCatalog::Statement& statement = pool_->catalog().at(*id);
  before_commit(statement.look);
  need_statement(*id, on_behalf(*id));
  note_look(statement.look, statement.sql);
  StatementCatalog::NameRoom room;
  const std::string_view name = pool_->catalog().server_name(*id, room);
  server_->sending(owed);
  host_.around().to_server.add(
      [&](std::string& to) { write_renamed_bind(to, *view, name, frame.body); });
}

void Session::target(const Frame& frame) {
  const auto view = read_target(frame.payload());
  if (!view) {
    return end("08P01", Error(ErrorCode::data_invalid, "a Describe or a Close is malformed"));
  }
  current();
  const Owed owed{frame.type, Owner::client, view->target, 0};
  if (view->target == Target::portal) return pass(frame, owed);
  Batch& batch = host_.around().to_server;
  if (view->name.empty()) {
    if (frame.type == 'D') need_unnamed();
    if (frame.type == 'C') unnamed_.reset();
    if (frame.type == 'C' || server_->unnamed_of == number_) return pass(frame, owed);
    batch.add([](std::string& to) { write_describe(to, Target::statement, nobodys_statement); });
    return server_->sending(owed);
  }
  const auto id = statements_->find(view->name);
  if (!id && frame.type == 'C' && view->name.starts_with("evergres_")) {
    // Names of ours are not the client's to close.
    batch.add([](std::string& to) { write_close(to, Target::statement, nobodys_statement); });
    return server_->sending(owed);
  }
  if (!id) {
    if (frame.type == 'C') server_->traces.prepared = true;
    return pass(frame, owed);
  }
  if (frame.type == 'D') {
    need_statement(*id, on_behalf(*id));
    StatementCatalog::NameRoom room;
    const std::string_view name = pool_->catalog().server_name(*id, room);
    batch.add([&](std::string& to) { write_describe(to, Target::statement, name); });
    return server_->sending(owed);
  }
  const StatementCatalog::Statement& statement = pool_->catalog().at(*id);
  changes_.push_back({false, std::string(view->name), statement.sql, statement.types});
  statements_->close(view->name);
  current().replayable = false;
  batch.add([](std::string& to) { write_close(to, Target::statement, nobodys_statement); });
  server_->sending({'C', Owner::client, Target::statement, note::close_for_close | *id});
}

}  // namespace evergres::proxy
