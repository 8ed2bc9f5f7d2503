#include "postgres/history.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <set>
#include <system_error>

#include "base/file.hpp"

namespace evergres::postgres {

namespace fs = std::filesystem;

namespace {

constexpr std::uint32_t most_placeholders = 2000;

Error malformed(std::string_view line, const char* why) {
  return Error(ErrorCode::data_invalid, "the timeline history cannot be read",
               "The line \"" + std::string(line.substr(0, 100)) + "\" " + why + ".");
}

Result<HistoryStep> parse_step(std::string_view line) {
  std::uint32_t id = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), id);
  if (error != std::errc{} || id == 0) return malformed(line, "does not begin with a timeline id");
  std::string_view rest(end, static_cast<std::size_t>(line.data() + line.size() - end));
  const auto begin = rest.find_first_not_of(" \t");
  if (begin == 0 || begin == std::string_view::npos) return malformed(line, "has no position");
  rest.remove_prefix(begin);
  const auto lsn = Lsn::parse(rest.substr(0, rest.find_first_of(" \t\r")));
  if (!lsn) return malformed(line, "has no position");
  return HistoryStep{TimelineId{id}, *lsn};
}

std::optional<TimelineId> timeline_of(std::string_view name) {
  // Segments have 24 hexadecimal digits (perhaps with a suffix), history files 8.
  const auto digits = static_cast<std::size_t>(
      std::find_if_not(name.begin(), name.end(),
                       [](char c) {
                         return std::isdigit(static_cast<unsigned char>(c)) != 0 ||
                                (c >= 'A' && c <= 'F');
                       }) -
      name.begin());
  const auto rest = name.substr(digits);
  const bool history = digits == 8 && rest == ".history";
  const bool segment = digits == 24 && (rest.empty() || rest.starts_with('.'));
  if (!history && !segment) return std::nullopt;
  std::uint32_t id = 0;
  std::from_chars(name.data(), name.data() + 8, id, 16);
  return id == 0 ? std::nullopt : std::optional(TimelineId{id});
}

Result<std::vector<std::string>> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code failed;
  for (fs::directory_iterator entry(directory, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    names.push_back(entry->path().filename().string());
  }
  if (failed) return error_from_errno("could not list " + directory.string(), failed.value());
  return names;
}

/// Who wrote the byte at `lsn` on the way to `timeline` (tliOfPointInHistory): the newest one that
/// begins there or before, and was not left there yet.
std::optional<TimelineId> timeline_in(TimelineId timeline, const std::vector<HistoryStep>& history,
                                      Lsn lsn) {
  Lsn left{UINT64_MAX};
  for (auto step = history.rbegin(); step != history.rend(); ++step) {
    if (step->switch_lsn <= lsn && lsn < left) return timeline;
    left = step->switch_lsn;
    timeline = step->parent;
  }
  return lsn < left ? std::optional(timeline) : std::nullopt;
}

/// What the startup process asks for before it recovers: the last checkpoint and the least end of
/// recovery are on the way to the timeline.
bool can_recover(const ControlFile& control, TimelineId target,
                 const std::vector<HistoryStep>& history) {
  if (timeline_in(target, history, control.checkpoint) != control.timeline) return false;
  const Lsn least = control.minimum_recovery_end;
  return least.value == 0 ||
         timeline_in(target, history, Lsn{least.value - 1}) == control.minimum_recovery_timeline;
}

/// Whether the WAL that ends there is not on the way to the timeline. At a switch it is on both.
bool passed_by(const WalEnd& end, TimelineId target, const std::vector<HistoryStep>& history) {
  if (end.lsn.value == 0) return false;
  const Lsn last{end.lsn.value - 1};
  return timeline_in(target, history, last) != end.timeline &&
         timeline_in(target, history, end.lsn) != end.timeline;
}

/// Nobody's child: it names no ancestors. What an attempt before has written stays.
Outcome reserve_between(const fs::path& wal, TimelineId parent, TimelineId child) {
  bool was_there = false;
  for (std::uint32_t id = parent.value + 1; id < child.value; ++id) {
    const fs::path path = wal / history_file_name(TimelineId{id});
    std::error_code failed;
    const bool exists = fs::exists(path, failed);
    was_there = was_there || exists;
    if (exists) continue;
    const auto written = create_file_durably(path, std::string(reserved_mark) + "\n", 0600);
    if (!written) return written.error();
  }
  return was_there ? sync_directory(wal) : Outcome{};
}

}  // namespace

Result<std::vector<HistoryStep>> parse_history(std::string_view text) {
  std::vector<HistoryStep> steps;
  while (!text.empty()) {
    const auto end = text.find('\n');
    auto line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const auto begin = line.find_first_not_of(" \t\r\f\v");
    if (begin == std::string_view::npos || line[begin] == '#') continue;
    line.remove_prefix(begin);
    const auto step = parse_step(line);
    if (!step) return step.error();
    if (!steps.empty() && steps.back().parent >= step->parent) {
      return malformed(line, "goes backwards");
    }
    steps.push_back(*step);
  }
  return steps;
}

std::string history_file_name(TimelineId timeline) {
  char name[32];
  std::snprintf(name, sizeof name, "%08X.history", timeline.value);
  return name;
}

Result<std::vector<HistoryStep>> read_history(const Server& server, TimelineId timeline) {
  if (timeline.value == 1) return std::vector<HistoryStep>{};
  const auto text = read_file(server.wal() / history_file_name(timeline));
  if (!text) return text.error();
  return parse_history(*text);
}

Result<std::optional<TimelineId>> newest_timeline(const Server& server) {
  const auto names = names_in(server.wal());
  if (!names) return names.error();
  std::optional<TimelineId> newest;
  for (const auto& name : *names) {
    const auto id = timeline_of(name);
    if (id && (!newest || *id > *newest)) newest = id;
  }
  return newest;
}

Outcome reserve_history(const Server& server, TimelineId parent, TimelineId wanted) {
  std::error_code failed;
  if (wanted <= parent || wanted.value - parent.value - 1 > most_placeholders) {
    return Error(ErrorCode::usage, "timeline " + std::to_string(wanted.value) +
                                       " cannot follow timeline " + std::to_string(parent.value));
  }
  if (fs::exists(server.wal() / history_file_name(wanted), failed)) {
    return Error(ErrorCode::already_exists,
                 "timeline " + std::to_string(wanted.value) + " is already known here",
                 "A promotion would get another timeline id than the one that was recorded.");
  }
  return reserve_between(server.wal(), parent, wanted);
}

Outcome reserve_below_newest(const Server& server) {
  const auto files = wal_files(server);
  if (!files) return files.error();
  const auto reserved = reserved_histories(server);
  if (!reserved) return reserved.error();
  const auto newest =
      std::find_if(files->histories.rbegin(), files->histories.rend(),
                   [&](auto id) { return !std::ranges::binary_search(*reserved, id); });
  if (newest == files->histories.rend()) return {};
  const auto history = read_history(server, *newest);
  if (!history) return history.error();
  if (history->empty()) return {};
  const TimelineId parent = history->back().parent;
  if (newest->value > parent.value + most_placeholders) return {};
  return reserve_between(server.wal(), parent, *newest);
}

Result<std::vector<TimelineId>> what_is_no_child(const Server& server, const ControlFile& control,
                                                 const std::optional<WalEnd>& end) {
  const auto reserved = reserved_histories(server);
  if (!reserved) return reserved.error();
  const TimelineId own = std::max(control.timeline, control.minimum_recovery_timeline);
  std::error_code failed;
  TimelineId newest = own;
  while (fs::exists(server.wal() / history_file_name(TimelineId{newest.value + 1}), failed)) {
    ++newest.value;
  }
  TimelineId last = newest;  // the newest one that stays
  bool all_reserved = true;
  for (; last > own; --last.value) {
    if (std::ranges::binary_search(*reserved, last)) continue;
    const auto history = read_history(server, last);
    if (!history || can_recover(control, last, *history)) break;
    all_reserved = false;
  }
  if (all_reserved) last = newest;
  const TimelineId stays = end ? std::max(own, end->timeline) : last;
  for (TimelineId id = stays; ++id.value <= last.value;) {
    if (std::ranges::binary_search(*reserved, id)) continue;
    const auto history = read_history(server, id);
    if (!history || !passed_by(*end, id, *history)) continue;
    last.value = id.value - 1;
    while (last > stays && std::ranges::binary_search(*reserved, last)) --last.value;
  }
  std::vector<TimelineId> found;
  for (; newest > last; --newest.value) found.push_back(newest);
  return found;
}

Outcome forget_timelines_above(const Server& server, TimelineId newest) {
  const auto names = names_in(server.wal());
  if (!names) return names.error();
  for (const auto& name : *names) {
    const auto id = timeline_of(name);
    if (!id || *id <= newest || !name.ends_with(".history")) continue;
    if (auto removed = remove_durably(server.wal() / name); !removed) return removed;
  }
  return {};
}

Result<WalFiles> wal_files(const Server& server) {
  const auto names = names_in(server.wal());
  if (!names) return names.error();
  std::set<TimelineId> histories;
  std::set<TimelineId> segments;
  for (const auto& name : *names) {
    const auto id = timeline_of(name);
    if (id) (name.ends_with(".history") ? histories : segments).insert(*id);
  }
  return WalFiles{{histories.begin(), histories.end()}, {segments.begin(), segments.end()}};
}

Result<std::vector<TimelineId>> reserved_histories(const Server& server) {
  const auto names = names_in(server.wal());
  if (!names) return names.error();
  std::set<TimelineId> reserved;
  for (const auto& name : *names) {
    const auto id = timeline_of(name);
    if (!id || !name.ends_with(".history")) continue;
    const auto text = read_file(server.wal() / name);
    if (!text) return text.error();
    if (text->find(reserved_mark) != std::string::npos) reserved.insert(*id);
  }
  return std::vector<TimelineId>(reserved.begin(), reserved.end());
}

}  // namespace evergres::postgres
