#include "agent/operations/lineage.hpp"

#include <algorithm>
#include <utility>

#include "postgres/begun.hpp"
#include "postgres/history.hpp"

namespace evergres::agent {
namespace {

void forget_position(core::Fenced& fenced, const Error& why) {
  fenced.position.reset();
  fenced.can_run = false;
  fenced.why_no_position = why.while_doing("the timelines of its WAL are not known").one_line();
}

/// Those of its history that began here: whether they were its to begin the record knows.
void add_begun(core::Fenced& fenced, const postgres::Server& server) {
  auto begun = postgres::timelines_begun(server);
  if (!begun) return forget_position(fenced, begun.error());
  for (const TimelineId id : *begun) fenced.newest_timeline = std::max(fenced.newest_timeline, id);
  std::erase_if(*begun, [&](TimelineId id) {
    const auto is_it = [id](const core::Fork& fork) { return fork.timeline == id; };
    return std::ranges::none_of(fenced.history, is_it);
  });
  fenced.begun = std::move(*begun);
}

}  // namespace

void add_lineage(core::Fenced& fenced, const postgres::Server& server) {
  fenced.history.clear();
  fenced.begun.reset();
  auto newest = postgres::newest_timeline(server);
  if (!newest) return forget_position(fenced, newest.error());
  if (*newest) fenced.newest_timeline = **newest;
  if (!fenced.position) return;
  auto history = postgres::read_history(server, fenced.position->timeline);
  if (!history) return forget_position(fenced, history.error());
  TimelineId child = fenced.position->timeline;
  if (history->empty() && child.value != 1) {
    return forget_position(fenced, Error(ErrorCode::data_invalid, "a history file is empty",
                                         "That of timeline " + std::to_string(child.value) + "."));
  }
  for (auto step = history->rbegin(); step != history->rend(); ++step) {
    if (step->parent >= child) {
      return forget_position(fenced,
                             Error(ErrorCode::data_invalid, "a history file names no ancestors",
                                   "That of timeline " + std::to_string(child.value) + " names " +
                                       std::to_string(step->parent.value) + "."));
    }
    fenced.history.push_back(core::Fork{child, step->parent, step->switch_lsn});
    child = step->parent;
  }
  add_begun(fenced, server);
}

}  // namespace evergres::agent
