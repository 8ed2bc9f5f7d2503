#include "proxy/session/surrender.hpp"

#include <utility>

#include "proxy/wire/frontend.hpp"
#include "proxy/wire/writer.hpp"

namespace evergres::proxy {
namespace {

bool is_end(SqlKind kind) {
  return kind == SqlKind::rollback || kind == SqlKind::commit;
}

}  // namespace

/// Writes the error that is due and notes what follows from it.
void Surrender::fail(std::string& to) {
  if (mode_ == Mode::aborted) {
    write_error(to, Severity::error, "25P02",
                Error(ErrorCode::refused,
                      "current transaction is aborted, commands ignored until end of transaction "
                      "block"));
    return;
  }
  write_error(to, Severity::error, failure_.sqlstate,
              Error(ErrorCode::unreachable, failure_.message, failure_.detail, failure_.hint));
  if (mode_ == Mode::owe) mode_ = Mode::aborted;
}

/// Whether a statement may be executed here; else the error was written.
bool Surrender::judge(SqlKind kind, std::string& to) {
  if (mode_ == Mode::aborted && is_end(kind)) return true;
  if (mode_ == Mode::owe && kind == SqlKind::rollback) return true;
  // PostgreSQL answers a COMMIT that fails by ending the transaction.
  const bool ends = mode_ == Mode::refuse || (mode_ == Mode::owe && kind == SqlKind::commit);
  fail(to);
  ended_ = ended_ || ends;
  return false;
}

void Surrender::query(std::string_view sql, bool whole, std::string& to) {
  const SqlKind kind = look_at(sql, whole).kind;
  if (kind == SqlKind::empty && mode_ != Mode::refuse) {
    write_empty_query(to);
  } else if (judge(kind, to)) {
    write_command_complete(to, "ROLLBACK");
    ended_ = true;
  }
  synced(to);
}

void Surrender::synced(std::string& to) {
  skipping_ = false;
  if (mode_ == Mode::skip || ended_) mode_ = Mode::off;
  ended_ = false;
  write_ready(to, on() ? TransactionStatus::failed : TransactionStatus::idle);
}

void Surrender::take(const Frame& frame, StatementLooks& statements, std::string& to) {
  if (!frame.first) return;
  const std::string_view body = frame.payload();
  const bool whole = frame.kind == FrameKind::whole;
  if (frame.type == 'S') return synced(to);
  if (skipping_ || (ended_ && frame.type != 'D' && frame.type != 'C')) return;
  bool fine = true;
  switch (frame.type) {
    case 'Q': return query(whole ? body.substr(0, body.find('\0')) : body, whole, to);
    case 'F':
      fail(to);
      ended_ = ended_ || mode_ == Mode::refuse;
      return synced(to);
    case 'P': {
      const auto view = whole ? read_parse(body) : std::nullopt;
      fine = judge(view ? look_at(view->sql).kind : SqlKind::several, to);
      if (!fine) break;
      statements.parsed(view->statement, view->sql, view->types);
      write_parse_complete(to);
      break;
    }
    case 'B': {
      const auto view = read_bind(body);
      const SqlLook* look = view ? statements.look_of(view->statement) : nullptr;
      fine = judge(look != nullptr ? look->kind : SqlKind::several, to);
      if (fine) write_bind_complete(to);
      break;
    }
    case 'D': {
      const auto view = read_target(body);
      if (mode_ == Mode::refuse) {
        fine = judge(SqlKind::several, to);
        break;
      }
      if (view && view->target == Target::statement) Message(to, 't').u16(0);
      write_no_data(to);
      break;
    }
    case 'E':
      fine = judge(SqlKind::rollback, to);
      if (!fine) break;
      write_command_complete(to, "ROLLBACK");
      ended_ = true;
      break;
    case 'C': {
      const auto view = read_target(body);
      if (view && view->target == Target::statement) statements.closed(view->name);
      write_close_complete(to);
      break;
    }
    default: break;  // Flush, and what is left of a COPY
  }
  skipping_ = !fine;
}

}  // namespace evergres::proxy
