#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/instant.hpp"
#include "base/result.hpp"
#include "cli/demo/plan.hpp"

struct pg_conn;

namespace evergres::cli::demo {

/// What is known about one numbered row.
enum class Fate : std::uint8_t {
  acknowledged,  ///< PostgreSQL said COMMIT: it must be there for ever
  failed,        ///< PostgreSQL said no, or was never asked
  unknown,       ///< the answer to the commit was lost: it may be there or not
};

struct Tally {
  std::uint64_t acknowledged = 0;
  std::uint64_t failed = 0;
  std::uint64_t unknown = 0;
  std::uint64_t lost = 0;  ///< acknowledged, and absent at the last look
};

/// How many rows are acknowledged and not among `present` (ascending row numbers from 0).
std::uint64_t count_lost(const std::vector<Fate>& fates, const std::vector<std::uint64_t>& present);

/// One connection to whichever node takes writes. Not thread-safe. Every function has a deadline;
/// after a lost connection the next call connects again, the node that failed last.
class WriteConnection {
 public:
  WriteConnection(Plan plan, std::string run);
  ~WriteConnection();
  WriteConnection(const WriteConnection&) = delete;
  WriteConnection& operator=(const WriteConnection&) = delete;

  /// Makes the table. Errors: unreachable, timed_out, postgres_failed.
  Outcome make_table(Instant deadline);
  /// Inserts one row in one transaction.
  Fate insert(std::uint64_t number, Millis patience);
  /// The numbers of this run's rows, ascending.
  Result<std::vector<std::uint64_t>> present(Instant deadline);
  /// Removes this run's rows.
  Outcome clean_up(Instant deadline);

 private:
  struct Reply;
  bool connect(Instant deadline);
  void disconnect();
  Reply ask(const char* statement, const std::vector<std::string>& values, Instant deadline);
  Outcome must(const char* statement, const std::vector<std::string>& values, Instant deadline);
  [[nodiscard]] std::string conninfo() const;

  Plan plan_;
  std::string run_;
  pg_conn* connection_ = nullptr;
  std::size_t first_ = 0;  ///< index of the node that is tried first
  bool warned_ = false;    ///< a WARNING came with the present statement
};

}  // namespace evergres::cli::demo
