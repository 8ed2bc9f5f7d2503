#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/field.hpp"
#include "base/names.hpp"

/// What became of a COMMIT whose answer was lost. The trap: after a promotion transaction ids that
/// were assigned on the old leader and never shipped are assigned once more, so that a late
/// question about an xid is answered about somebody else's transaction (tried on PostgreSQL 15).
namespace evergres::proxy {

enum class Fate { committed, aborted, unknown };
constexpr auto words(const Fate*) {
  return std::array{Word{"committed", Fate::committed}, Word{"aborted", Fate::aborted},
                    Word{"unknown", Fate::unknown}};
}

/// A leadership that opened. `next_xid`: the first id that its leader would assign, with epoch,
/// read after the promotion and before anything was written, the barrier's probe included.
struct Promotion {
  Term term;
  Term after;  ///< of the leadership that opened before it; terms between them never opened
  std::optional<std::uint64_t> next_xid;
};

/// What `pg_xact_status(xid)` said.
enum class XactAnswer {
  not_asked,
  committed,
  aborted,
  in_progress,
  too_old,        ///< null: its state has been removed
  in_the_future,  ///< the error that says so
  failed,         ///< no answer
};
constexpr auto words(const XactAnswer*) {
  return std::array{
      Word{"not_asked", XactAnswer::not_asked}, Word{"committed", XactAnswer::committed},
      Word{"aborted", XactAnswer::aborted},     Word{"in_progress", XactAnswer::in_progress},
      Word{"too_old", XactAnswer::too_old},     Word{"in_the_future", XactAnswer::in_the_future},
      Word{"failed", XactAnswer::failed}};
}

struct FateQuestion {
  /// Of the top-level transaction, with epoch (xid8). Absent also if the server said before the
  /// COMMIT that none was assigned: a NOTIFY or a deferred trigger may have got one since.
  std::optional<std::uint64_t> xid;
  /// Declared so, with no statement since that SqlLook::changes_mode names. With an id it wrote all
  /// the same (to a temporary table, a notification), and counts like any other.
  bool read_only = false;
  Term sent_in;  ///< the term of the server that got the COMMIT
  /// The highest known term, if its leader is open. A leader opens a higher term only after the old
  /// one was fenced.
  std::optional<Term> open;
  /// All that opened after `sent_in` up to `open`, in their order, each `after` the one before it.
  /// Where one is missing the fate is unknown: there the id may have become somebody else's.
  std::vector<Promotion> promotions;
  XactAnswer answer = XactAnswer::not_asked;
  Term answered_in;     ///< the term in which the answer was given
  bool proven = false;  ///< after the answer, a commit on the same server was acknowledged by its
                        ///< standbys; matters within one term only
  bool deadline_passed = false;
};

enum class FateStep {
  wait,   ///< for an open leader
  ask,    ///< pg_xact_status() on the open leader (again)
  prove,  ///< let a commit of ours be acknowledged on it
  known,
};
constexpr auto words(const FateStep*) {
  return std::array{Word{"wait", FateStep::wait}, Word{"ask", FateStep::ask},
                    Word{"prove", FateStep::prove}, Word{"known", FateStep::known}};
}

struct FateDecision {
  FateStep step = FateStep::wait;
  Fate fate = Fate::unknown;      ///< of `known`
  std::string_view because = {};  ///< a sentence
};

/// Pure. Asked again after each step; with `deadline_passed` it is known, if only as unknown.
FateDecision decide_fate(const FateQuestion& question);

}  // namespace evergres::proxy
