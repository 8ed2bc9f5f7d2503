#pragma once

#include <array>
#include <string_view>

#include "base/field.hpp"
#include "proxy/pool/reset.hpp"

namespace evergres::proxy {

/// What a statement is by its words. No parser: where the words do not tell, the answer is the one
/// that promises less.
enum class SqlKind {
  empty,      ///< only blanks, comments and semicolons
  read,       ///< SELECT, VALUES, TABLE, SHOW, … without a word that writes; functions in it may
  write,      ///< everything that is none of the others
  begin,      ///< BEGIN, START TRANSACTION
  commit,     ///< COMMIT, END, without AND CHAIN
  rollback,   ///< ROLLBACK, ABORT, without AND CHAIN and not to a savepoint
  within,     ///< SAVEPOINT, RELEASE, ROLLBACK TO, SET TRANSACTION, SET LOCAL, SET CONSTRAINTS
  two_phase,  ///< PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED
  copy,       ///< COPY, in either direction
  session,    ///< SET, RESET, LISTEN, DISCARD, PREPARE, DEALLOCATE, …
  several,    ///< more than one statement, CALL, DO, … AND CHAIN: commits may be inside
};
constexpr auto words(const SqlKind*) {
  return std::array{Word{"empty", SqlKind::empty},    Word{"read", SqlKind::read},
                    Word{"write", SqlKind::write},    Word{"begin", SqlKind::begin},
                    Word{"commit", SqlKind::commit},  Word{"rollback", SqlKind::rollback},
                    Word{"within", SqlKind::within},  Word{"two_phase", SqlKind::two_phase},
                    Word{"copy", SqlKind::copy},      Word{"session", SqlKind::session},
                    Word{"several", SqlKind::several}};
}

struct SqlLook {
  SqlKind kind = SqlKind::empty;
  bool plain_begin = false;  ///< of `begin`: without options, so that it may be deferred
  bool read_only = false;    ///< of `begin`: READ ONLY, and not READ WRITE too
  /// May make a transaction that was declared read only write: SET TRANSACTION, the parameter
  /// transaction_read_only, set_config(), and everything that cannot be seen through (opaque). A
  /// transaction counts as declared read only from a `read_only` begin to the first of these.
  bool changes_mode = false;
  Traces traces;             ///< what it may leave behind in the session
};

/// Looks at the text of a Query or a Parse. What only the head of is known is `several` and opaque:
/// say so with `whole`.
SqlLook look_at(std::string_view sql, bool whole = true);

}  // namespace evergres::proxy
