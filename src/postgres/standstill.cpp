#include "postgres/standstill.hpp"

#include <algorithm>
#include <cstdint>
#include <system_error>
#include <utility>

#include "base/check.hpp"

namespace evergres::postgres {

namespace fs = std::filesystem;

namespace {

/// Looking at all files of a large database costs something: only in silence, and not all the time.
constexpr Millis between_looks{10'000};
/// After so long without a question it was we who stood still (a frozen or sleeping machine).
constexpr Millis our_own_standstill{30'000};

}  // namespace

Standstill::Standstill(std::string program, std::span<const CopyStage> stages, Written written,
                       Instant now)
    : program_(std::move(program)),
      stages_(stages),
      written_(std::move(written)),
      moved_(now),
      looked_(now),
      asked_(now) {
  CHECK(!stages_.empty());
}

void Standstill::heard(std::string_view line, Instant now) {
  if (line == last_line_) return;
  last_line_ = line;
  moved_ = looked_ = now;
  last_written_.clear();
  enter_stage(line);
}

void Standstill::enter_stage(std::string_view line) {
  const std::string prefix = program_ + ": ";
  if (!line.starts_with(prefix)) return;  // names of files are in other lines
  line.remove_prefix(prefix.size());
  for (std::size_t next = stage_ + 1; next < stages_.size(); ++next) {
    if (line.starts_with(stages_[next].begins)) {
      stage_ = next;
      return;
    }
  }
}

std::optional<Error> Standstill::at(Instant now) {
  if (now - std::exchange(asked_, now) > our_own_standstill) moved_ = now;
  const CopyStage& stage = stages_[stage_];
  if (!stage.patience || now - looked_ < std::min(between_looks, *stage.patience)) return {};
  looked_ = now;
  const std::string before = std::exchange(last_written_, written_(stage.streams_wal));
  if (!before.empty() && before != last_written_) moved_ = now;
  const auto silent = std::chrono::duration_cast<std::chrono::seconds>(now - moved_);
  if (silent < *stage.patience) return {};
  return Error(ErrorCode::timed_out, program_ + " stood still and was killed",
               "It waited for " + std::string(stage.doing) + ", and nothing came for " +
                   std::to_string(silent.count()) + " s.",
               "Look at whether the source, its disk or the network stands still.");
}

std::string what_was_written(const fs::path& directory, bool streams_wal) {
  std::uintmax_t files = 0;
  std::uintmax_t bytes = 0;
  auto newest = fs::file_time_type::min();
  std::error_code failed;
  const fs::path root = streams_wal ? directory / "pg_wal" : directory;
  for (fs::recursive_directory_iterator entry(root, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    std::error_code vanished;
    if (!streams_wal && entry.depth() == 0 && entry->path().filename() == "pg_wal") {
      entry.disable_recursion_pending();
      continue;
    }
    const auto changed = entry->last_write_time(vanished);
    if (!vanished) newest = std::max(newest, changed);
    const auto size = entry->is_regular_file(vanished) ? entry->file_size(vanished) : 0;
    if (!vanished) bytes += size;
    ++files;
  }
  return std::to_string(files) + " " + std::to_string(bytes) + " " +
         std::to_string(newest.time_since_epoch().count());
}

}  // namespace evergres::postgres
