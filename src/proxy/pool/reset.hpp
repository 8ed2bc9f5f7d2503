#pragma once

#include <string_view>
#include <vector>

namespace evergres::proxy {

/// What a client may have left behind on its server, as far as the wire shows it.
struct Traces {
  bool settings = false;   ///< SET or RESET outside SET LOCAL, set_config()
  bool role = false;       ///< SET ROLE, SET SESSION AUTHORIZATION
  bool temporary = false;  ///< a temporary table or view
  bool cursors = false;    ///< WITH HOLD
  bool channels = false;   ///< LISTEN
  bool prepared = false;   ///< SQL PREPARE, DEALLOCATE, DISCARD
  bool advisory_locks = false;
  bool sequences = false;  ///< nextval(): currval() and lastval() would answer
  bool opaque = false;     ///< CALL, DO, a function: what it did is not visible
  bool loaded = false;     ///< LOAD: nothing takes it back
  bool any = false;        ///< it sent any statement at all

  friend Traces operator|(const Traces& a, const Traces& b);
  auto operator<=>(const Traces&) const = default;
};

enum class ResetMode {
  always,  ///< DISCARD ALL whenever anything was sent
  smart,   ///< what the traces call for; DISCARD ALL where they are not enough
  never,   ///< only what would give the next client somebody else's rights or statements
};

struct Reset {
  bool close = false;                        ///< nothing helps: the server is not used again
  std::vector<std::string_view> statements;  ///< one Query each: DISCARD ALL takes no company
  bool forgets_statements = false;           ///< ServerStatements::clear() and parse again
};

/// Pure. For a server that is idle, owes nothing and has nothing unread.
Reset decide_reset(const Traces& traces, ResetMode mode);

}  // namespace evergres::proxy
