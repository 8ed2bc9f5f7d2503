#include "postgres/next_xid.hpp"

#include "postgres/cells.hpp"

namespace evergres::postgres {
namespace {

/// xact.c, XactLogCommitRecord and XactLogAbortRecord: a header of 24 bytes, 2 of the data's header
/// and a time of 8, at least; records begin at multiples of 8. So it has been since PostgreSQL 9.5.
constexpr std::uint64_t least_end_of_a_transaction = 40;
constexpr std::size_t columns = 3;

}  // namespace

Result<std::optional<std::uint64_t>> next_xid(Session& session, Instant deadline) {
  // A snapshot of the recovery ends earlier. That it is over has to be seen by a statement of its
  // own: one snapshot is taken before anything of its statement is computed.
  const auto recovery = session.query("SELECT pg_is_in_recovery()", deadline);
  if (!recovery) return recovery.error();
  if (recovery->empty() || recovery->front().front() != Cell("f")) {
    return std::optional<std::uint64_t>();
  }
  // The snapshot first, then how far WAL goes: whatever had ended before the snapshot lies below.
  const auto rows = session.query(
      "SELECT pg_snapshot_xmax(pg_current_snapshot()), pg_current_wal_insert_lsn(),"
      "       min_recovery_end_lsn FROM pg_control_recovery()",
      deadline);
  if (!rows) return rows.error();
  if (rows->size() != 1 || rows->front().size() != columns) {
    return Error(ErrorCode::data_invalid, "PostgreSQL gave no next transaction id");
  }
  const Row& row = rows->front();
  const auto next = number_of<std::uint64_t>(row[0]);
  const auto written = lsn_of(row[1]);
  const auto promoted = lsn_of(row[2]);
  if (!next || !written || !promoted) {
    return Error(ErrorCode::data_invalid, "PostgreSQL gave no next transaction id");
  }
  const bool known = promoted->value != 0 && *written >= *promoted;
  if (!known || written->value - promoted->value >= least_end_of_a_transaction) {
    return std::optional<std::uint64_t>();
  }
  return next;
}

}  // namespace evergres::postgres
