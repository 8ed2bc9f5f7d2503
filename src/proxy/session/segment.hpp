#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/instant.hpp"
#include "base/names.hpp"
#include "proxy/pool/statements.hpp"
#include "proxy/sql/look.hpp"

namespace evergres::proxy {

/// One request: a Query, a FunctionCall, or what stands up to a Sync. Each is answered by one
/// ReadyForQuery.
struct Segment {
  SqlKind kind = SqlKind::empty;  ///< of all its statements together
  unsigned statements = 0;
  bool ended = false;       ///< its Query or Sync was sent
  bool relayed = false;     ///< the client was sent some of its answer
  bool completed = false;   ///< its CommandComplete was among it
  bool in_message = false;  ///< half a message of it
  bool copies_in = false;   ///< the server waits for data
  bool copy_done = false;   ///< the client said that that was all
  bool failed = false;      ///< the client was told an error
  bool replayable = true;
  bool set_lost = false;  ///< a SET in it is too long to be remembered
  bool forgets = false;   ///< it may take statements away from the server
  std::string set;  ///< SET commands, each ended by a zero byte, to be remembered if they succeed
  Instant sent;
  std::optional<Instant> late;    ///< it took longer than query_timeout, and was cancelled then
  std::optional<Instant> looked;  ///< since then it is not known whether it commits
  std::optional<Instant> cancel_wanted;  ///< by the client, unless it commits
};

/// Kinds of two statements in one segment.
constexpr SqlKind together(SqlKind a, SqlKind b) {
  if (a == SqlKind::empty) return b;
  if (b == SqlKind::empty) return a;
  if (a == SqlKind::read && b == SqlKind::read) return SqlKind::read;
  return SqlKind::several;
}

/// A change of the client's names of statements that the server has not answered yet.
struct NameChange {
  bool put = false;  ///< else closed
  std::string name;
  std::string sql, types;  ///< of a closed one
};

/// The client's unnamed statement: it has to be there again if the next Bind meets another server.
struct Unnamed {
  std::string sql, types;
  SqlLook look;
  bool whole = false;
};

/// What is known of the open transaction.
struct TransactionFacts {
  bool wrote = false;
  bool read_only = false;                  ///< declared so
  bool committed = false;                  ///< a COMMIT was answered as such
  std::string sets;                        ///< SET commands of it, each ended by a zero byte
  std::optional<std::size_t> sets_before;  ///< how much of them is older than its first savepoint
  bool savepoints = false;                 ///< more than one
  bool sets_unknown = false;               ///< what a ROLLBACK TO has left of them
  std::optional<std::uint64_t> xid;
  std::optional<Instant> since;  ///< when its first request was sent; once that was answered
};

}  // namespace evergres::proxy
