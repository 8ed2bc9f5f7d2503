#include "differential/history_files.hpp"

#include <map>
#include <sstream>

#include "differential/proc.hpp"
#include "postgres/history.hpp"

namespace evergres::differential {

namespace fs = std::filesystem;

std::vector<Server::History> histories_in(const fs::path& wal) {
  std::map<TimelineId, Server::History> sorted;
  for (const auto& entry : fs::directory_iterator(wal)) {
    if (entry.path().extension() != ".history") continue;
    const std::string text = text_of(entry.path());
    if (text.find(postgres::reserved_mark) != std::string::npos) continue;
    Server::History history;
    history.timeline.value =
        static_cast<std::uint32_t>(std::stoul(entry.path().stem().string(), nullptr, 16));
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      std::uint32_t parent = 0;
      std::string position;
      if (!(std::istringstream(line) >> parent >> position)) continue;
      const auto lsn = Lsn::parse(position);
      if (lsn) history.steps.push_back({TimelineId{parent}, lsn->value});
    }
    sorted[history.timeline] = std::move(history);
  }
  std::vector<Server::History> all;
  for (auto& [timeline, history] : sorted) all.push_back(std::move(history));
  return all;
}

}  // namespace evergres::differential
