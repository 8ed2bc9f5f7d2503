#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/instant.hpp"

namespace evergres::postgres {

/// A part of the life of a program that copies from another server.
struct CopyStage {
  std::string_view begins;  ///< what the program says when it begins; empty: at its start
  std::string_view doing;   ///< "the checkpoint of the source", for people
  std::optional<Millis> patience;  ///< without any sign of life; absent: no limit of its own
  bool streams_wal = false;        ///< only what comes into pg_wal is a sign of life
};

/// How long a copy may show nothing. A source on a bad disk or behind a slow network still sends
/// something in a minute; one that sends nothing for so long has stopped (a frozen process or
/// machine keeps its connections alive, so that no time-out of TCP ends them).
inline constexpr Millis copy_patience{60'000};
/// A source writes all its dirty buffers and counts all its files before it sends the first byte.
inline constexpr Millis first_byte_patience{15 * 60'000};

/// Whether a program that copies still gets on: a new line of it is a sign of life, and so is,
/// where it has been silent for a while, a change below `directory`. Lines must be flushed; a line
/// that repeats the last one says nothing. One thread.
class Standstill {
 public:
  /// Something that changes with what was written below a directory, so far as `streams_wal` says.
  /// Empty: it was told to stop, and nothing is concluded.
  using Written = std::function<std::string(bool streams_wal)>;

  using Clock = std::function<Instant()>;

  /// `stages` in their order, the first begins at once; they must outlive this.
  Standstill(std::string program, std::span<const CopyStage> stages, Written written, Clock clock);

  void heard(std::string_view line);
  /// To be called each second or so. `timed_out` once the present stage has shown nothing for its
  /// patience. Looking at the files may take longer than that; the time counts as silence only
  /// once they were looked at again.
  [[nodiscard]] std::optional<Error> look();

 private:
  void enter_stage(std::string_view line);

  std::string program_;
  std::span<const CopyStage> stages_;
  std::size_t stage_ = 0;
  Written written_;
  Clock clock_;
  std::string last_line_;
  std::string last_written_;
  Instant moved_;   ///< when it last showed a sign of life
  Instant looked_;  ///< when the last look at the files was over
  Instant asked_;   ///< when look() last returned
};

/// Number, size and newest change of the files below `directory`: only below its pg_wal, or all but
/// those. What vanishes meanwhile or is closed to us is left out. Empty once `stop` is requested.
std::string what_was_written(const std::filesystem::path& directory, bool streams_wal,
                             const std::stop_token& stop = {});

}  // namespace evergres::postgres
