#include "differential/server_log.hpp"

#include <utility>

namespace evergres::differential {

// The last of the three: where the history names none of the timelines that its own checkpoint is
// on, it looks for that checkpoint in the segments of others.
std::string why_it_ended(const std::string& text) {
  for (const char* known :
       {"is not a child of this server's history", "does not contain minimum recovery point",
        "could not locate a valid checkpoint record"}) {
    if (text.find(known) != std::string::npos) return "history";
  }
  if (text.find("is still in use") != std::string::npos) return "survivors";
  return text;
}

std::string last_refusal_in(const std::string& text) {
  static const std::pair<const char*, const char*> known[] = {
      {"is active for PID", "slot"},
      {"does not exist", "slot"},
      {"has already been removed", "removed"},
      {"is not in this server's history", "diverged"},
      {"is ahead of the WAL flush position", "diverged"},
      {"is behind recovery timeline", "behind"},
      {"is not a child of database system timeline", "branch"},
      {"could not receive timeline history file from the primary server: ERROR:  could not open "
       "file",
       "history"}};
  std::size_t last = 0;
  std::string word;
  for (const auto& [part, meaning] : known) {
    const auto found = text.rfind(part);
    if (found == std::string::npos || found < last) continue;
    last = found;
    word = meaning;
  }
  return word;
}

}  // namespace evergres::differential
