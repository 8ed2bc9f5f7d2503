#include "postgres/standstill.hpp"

#include <algorithm>
#include <cstdint>
#include <system_error>
#include <utility>
#include <vector>

#include "base/check.hpp"

namespace evergres::postgres {

namespace fs = std::filesystem;

namespace {

/// Looking at all files of a large database costs something: only in silence, and not all the time.
constexpr Millis between_looks{10'000};
/// After so long without a question it was we who stood still (a frozen or sleeping machine).
constexpr Millis our_own_standstill{30'000};

/// What the files of a tree add up to. One that vanishes meanwhile counts as far as it was seen.
struct Sum {
  std::uintmax_t files = 0;
  std::uintmax_t bytes = 0;
  fs::file_time_type newest = fs::file_time_type::min();

  void add(const fs::directory_entry& entry) {
    std::error_code vanished;
    const auto changed = entry.last_write_time(vanished);
    if (!vanished) newest = std::max(newest, changed);
    const auto size = entry.is_regular_file(vanished) ? entry.file_size(vanished) : 0;
    if (!vanished) bytes += size;
    ++files;
  }
  [[nodiscard]] std::string text() const {
    return std::to_string(files) + " " + std::to_string(bytes) + " " +
           std::to_string(newest.time_since_epoch().count());
  }
};

}  // namespace

Standstill::Standstill(std::string program, std::span<const CopyStage> stages, Written written,
                       Clock clock)
    : program_(std::move(program)),
      stages_(stages),
      written_(std::move(written)),
      clock_(std::move(clock)),
      moved_(clock_()),
      looked_(moved_),
      asked_(moved_) {
  CHECK(!stages_.empty());
}

void Standstill::heard(std::string_view line) {
  if (line == last_line_) return;
  last_line_ = line;
  moved_ = looked_ = clock_();
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

std::optional<Error> Standstill::look() {
  const Instant now = clock_();
  if (now - std::exchange(asked_, now) > our_own_standstill) moved_ = now;
  const CopyStage& stage = stages_[stage_];
  if (!stage.patience || now - looked_ < std::min(between_looks, *stage.patience)) return {};
  const std::string before = std::exchange(last_written_, written_(stage.streams_wal));
  // A long walk through a large database is neither a standstill of ours nor a sign of life.
  asked_ = looked_ = clock_();
  if (last_written_.empty()) return {};
  if (!before.empty() && before != last_written_) moved_ = now;
  const auto silent = std::chrono::duration_cast<std::chrono::seconds>(now - moved_);
  if (silent < *stage.patience) return {};
  return Error(ErrorCode::timed_out, program_ + " stood still and was killed",
               "It waited for " + std::string(stage.doing) + ", and nothing came for " +
                   std::to_string(silent.count()) + " s.",
               "Look at whether the source, its disk or the network stands still.");
}

std::string what_was_written(const fs::path& directory, bool streams_wal,
                             const std::stop_token& stop) {
  const fs::path wal = directory / "pg_wal";
  Sum sum;
  std::vector<fs::path> to_visit{streams_wal ? wal : directory};
  // Not a recursive_directory_iterator: that one ends at the first directory that vanishes.
  while (!to_visit.empty()) {
    const fs::path visited = std::exchange(to_visit.back(), {});
    to_visit.pop_back();
    std::error_code failed;
    constexpr auto options = fs::directory_options::skip_permission_denied;
    for (fs::directory_iterator entry(visited, options, failed), end; !failed && entry != end;
         entry.increment(failed)) {
      if (stop.stop_requested()) return {};
      if (!streams_wal && entry->path() == wal) continue;
      sum.add(*entry);
      std::error_code vanished;
      if (fs::is_directory(entry->symlink_status(vanished))) to_visit.push_back(entry->path());
    }
  }
  return sum.text();
}

}  // namespace evergres::postgres
