#include "postgres/begun.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/file.hpp"
#include "postgres/history.hpp"

namespace evergres::postgres {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t largest_file = 1U << 20U;
constexpr std::string_view timeline_word = "timeline ";
constexpr std::string_view cut_word = "cut ";

fs::path begun_file(const fs::path& data) {
  return data / "evergres.begun";
}

using Ids = std::vector<TimelineId>;

/// What the file says.
struct Noted {
  Ids begun;  ///< ascending
  /// Of promotions that were cut off, of which only segments are left, and the newest timeline with
  /// a history file at that time: as long as that is the newest nothing has happened since.
  std::map<TimelineId, TimelineId> cut;
  auto operator<=>(const Noted&) const = default;
};

Error damaged(const fs::path& path) {
  return Error(
      ErrorCode::data_invalid, path.string() + " is damaged",
      "It must have the line \"node <name>\" and lines \"timeline <id>\" or \"cut <id> <id>\".",
      "Clone this node again.");
}

std::optional<TimelineId> id_in(std::string_view text) {
  TimelineId id;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), id.value);
  const bool whole = read.ec == std::errc{} && read.ptr == text.data() + text.size();
  return whole && id.value != 0 ? std::optional(id) : std::nullopt;
}

/// Whether the line is one of those that follow the node's.
bool read_line(std::string_view line, Noted& found) {
  if (line.starts_with(timeline_word)) {
    const auto id = id_in(line.substr(timeline_word.size()));
    if (id) found.begun.push_back(*id);
    return id.has_value();
  }
  if (!line.starts_with(cut_word)) return false;
  line.remove_prefix(cut_word.size());
  const auto blank = line.find(' ');
  if (blank == std::string_view::npos) return false;
  const auto id = id_in(line.substr(0, blank));
  const auto newest = id_in(line.substr(blank + 1));
  return id && newest && found.cut.emplace(*id, *newest).second;
}

Result<Noted> noted(const Server& server) {
  const fs::path path = begun_file(server.data);
  const auto text = read_file_if_present(path, largest_file);
  if (!text) return text.error();
  Noted found;
  if (!*text) return found;
  std::string_view rest = **text;
  const std::string own = "node " + server.node.value;
  for (bool first = true; !rest.empty(); first = false) {
    const auto end = rest.find('\n');
    if (end == std::string_view::npos) return damaged(path);
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    if (first && !line.starts_with("node ")) return damaged(path);
    if (first && line != own) return found;  // a copy of another node's
    if (first) continue;
    if (!read_line(line, found)) return damaged(path);
  }
  return found;
}

Outcome write(const Server& server, const Noted& what) {
  std::string text = "node " + server.node.value + "\n";
  for (const TimelineId id : what.begun) {
    text.append(timeline_word).append(std::to_string(id.value)).append(1, '\n');
  }
  for (const auto& [id, newest] : what.cut) {
    text.append(cut_word).append(std::to_string(id.value)).append(1, ' ');
    text.append(std::to_string(newest.value)).append(1, '\n');
  }
  return write_file_durably(begun_file(server.data), text, 0600);
}

void insert(Ids& ids, TimelineId id) {
  const auto place = std::ranges::lower_bound(ids, id);
  if (place == ids.end() || *place != id) ids.insert(place, id);
}

/// Adds what the files of a server say that is no standby any more.
Outcome read_promotion(const Server& server, Noted& known) {
  const auto files = wal_files(server);
  if (!files) return files.error();
  const auto reserved = reserved_histories(server);
  if (!reserved) return reserved.error();
  std::optional<TimelineId> newest;
  for (const TimelineId id : files->histories) {
    if (!std::ranges::binary_search(*reserved, id)) newest = id;
  }
  bool cut_off = false;
  const TimelineId last = newest.value_or(TimelineId{1});
  for (const TimelineId id : files->segments) {
    if (id <= last) continue;
    // The start that was to follow the first look may have failed: it is looked again. No history
    // goes before the signal is there (supervisor::prepare_standby).
    const auto [noted_before, first_look] = known.cut.emplace(id, last);
    cut_off = cut_off || first_look || noted_before->second == last;
  }
  if (!cut_off && newest) insert(known.begun, *newest);
  return {};
}

/// What is noted, and what is to be.
Result<Noted> look(const Server& server) {
  auto known = noted(server);
  if (!known) return known;
  const auto absent = signal_is_absent(server);
  if (!absent) return absent.error();
  if (!*absent) return known;
  if (auto read = read_promotion(server, *known); !read) return read.error();
  return known;
}

}  // namespace

Result<bool> signal_is_absent(const Server& server) {
  struct stat status {};
  const fs::path path = server.data / "standby.signal";
  if (::stat(path.c_str(), &status) == 0) return false;
  if (errno == ENOENT) return true;
  return error_from_errno("could not look for " + path.string(), errno);
}

Result<std::vector<TimelineId>> timelines_begun(const Server& server) {
  auto known = look(server);
  if (!known) return known.error();
  return std::move(known->begun);
}

Outcome note_timelines_begun(const Server& server) {
  const auto before = noted(server);
  if (!before) return before.error();
  const auto known = look(server);
  if (!known) return known.error();
  return *known == *before ? Outcome() : write(server, *known);
}

Outcome keep_timelines_begun(const Server& server, const std::vector<TimelineId>& held) {
  auto known = noted(server);
  if (!known) return known.error();
  const auto gone = std::erase_if(
      known->begun, [&](TimelineId id) { return std::ranges::find(held, id) == held.end(); });
  return gone == 0 ? Outcome() : write(server, *known);
}

Outcome forget_timelines_begun(const fs::path& data) {
  return remove_durably(begun_file(data));
}

}  // namespace evergres::postgres
