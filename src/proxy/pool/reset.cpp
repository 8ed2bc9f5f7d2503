#include "proxy/pool/reset.hpp"

namespace evergres::proxy {
namespace {

/// The parts of DISCARD ALL, for what it would take back (sql-discard).
struct Part {
  bool Traces::*trace;
  std::string_view statement;
};

constexpr Part parts[] = {
    {&Traces::cursors, "CLOSE ALL"},
    {&Traces::role, "SET SESSION AUTHORIZATION DEFAULT"},  // takes back SET ROLE too
    {&Traces::settings, "RESET ALL"},
    {&Traces::prepared, "DEALLOCATE ALL"},
    {&Traces::channels, "UNLISTEN *"},
    {&Traces::advisory_locks, "SELECT pg_catalog.pg_advisory_unlock_all()"},
    {&Traces::temporary, "DISCARD TEMP"},
    {&Traces::sequences, "DISCARD SEQUENCES"},
};

constexpr bool Traces::*every_trace[] = {
    &Traces::settings,       &Traces::role,      &Traces::temporary,
    &Traces::cursors,        &Traces::channels,  &Traces::prepared,
    &Traces::advisory_locks, &Traces::sequences, &Traces::opaque,
    &Traces::loaded,         &Traces::any,
};

Reset discard_all() {
  return {false, {"DISCARD ALL"}, true};
}

}  // namespace

Traces operator|(const Traces& a, const Traces& b) {
  Traces both;
  for (const auto trace : every_trace) both.*trace = a.*trace || b.*trace;
  return both;
}

Reset decide_reset(const Traces& traces, ResetMode mode) {
  if (traces.loaded) return {true, {}, false};
  if (mode == ResetMode::never) {
    // What cannot be seen through may have changed the role.
    Reset reset;
    if (traces.role || traces.opaque) {
      reset.statements.push_back("SET SESSION AUTHORIZATION DEFAULT");
    }
    if (traces.prepared) reset.statements.push_back("DEALLOCATE ALL");
    reset.forgets_statements = traces.prepared;
    return reset;
  }
  if (mode == ResetMode::always) return traces.any ? discard_all() : Reset{};
  if (traces.opaque) return discard_all();
  Reset reset;
  for (const Part& part : parts) {
    if (traces.*part.trace) reset.statements.push_back(part.statement);
  }
  reset.forgets_statements = traces.prepared;
  return reset;
}

}  // namespace evergres::proxy
