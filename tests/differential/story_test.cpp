#include "differential/story.hpp"

#include <algorithm>

namespace evergres::differential {
namespace {

/// Longer than the wal_sender_timeout of the model.
constexpr Millis patience{75'000};

}  // namespace

std::vector<Script>& scripts() {
  static std::vector<Script> all;
  return all;
}

Story::Story(World& world) : n1(world.at(0)), n2(world.at(1)), n3(world.at(2)), world_(world) {}

void Story::until(const std::string& what, const std::function<bool()>& condition) {
  const Instant end = world_.now() + patience;
  while (!stuck_) {
    if (condition()) return say("until " + what);
    if (end < world_.now()) break;
    world_.pass();
  }
  stuck_ = true;
  say("never: " + what);
}

void Story::start(Server& server) {
  server.start();
  std::string life;
  until(server.name() + " has started or ended", [&] {
    life = server.life();
    return life != "starting";
  });
  say(server.name() + " starts: " + life);
}

void Story::promote(Server& server) {
  server.promote();
  until_life(server, "primary");
}

void Story::lead(Server& server, const std::string& names) {
  server.write_names(names);
  start(server);
  promote(server);
}

void Story::follow(Server& server, Server& upstream, const std::string& name,
                   const std::string& slot) {
  connect(server, upstream, Upstream{upstream.name(), name, slot});
}

void Story::follow_over_relay(Server& server, Server& upstream, const std::string& name) {
  connect(server, upstream, Upstream{upstream.name(), name, {}, true});
}

void Story::connect(Server& server, Server& upstream, const Upstream& way) {
  server.write_upstream(way);
  start(server);
  until_streaming(upstream, way.application_name);
  until(server.name() + " receives the timeline of " + upstream.name(), [&] {
    const auto own = server.observe();
    const auto other = upstream.observe();
    return own && other && own->receiver && own->receiver->timeline == other->timeline;
  });
}

void Story::set_names(Server& server, const std::string& names) {
  server.write_names(names);
  server.reload();
  until(server.name() + " shows " + (names.empty() ? "no names" : names), [&] {
    const auto seen = server.observe();
    return seen && seen->synchronous_standby_names == names;
  });
}

void Story::mark(const std::string& name, Server& server) {
  std::optional<Lsn> position;
  if (server.life() == "stopped") {
    position = Lsn{server.end_when_stopped()};
  } else if (const auto seen = server.observe()) {
    position = seen->in_recovery ? seen->replay : seen->flush;
  }
  if (!position) return say("no position of " + server.name() + " for " + name);
  marks_[position->value] = name;
  values_[name] = position->value;
}

std::string Story::at(std::uint64_t position) const {
  const auto above = marks_.upper_bound(position);
  return above == marks_.begin() ? "before any mark" : std::prev(above)->second;
}

bool Story::settled(Server& server, int commit) {
  if (server.fate(commit) != Fate::waits) return true;
  std::size_t without_answer = 0;
  for (const int each : commits_[server.name()]) {
    if (server.fate(each) == Fate::waits) ++without_answer;
  }
  const auto seen = server.observe();
  return seen && seen->sync_waits >= without_answer;
}

int Story::commit(Server& server, bool has_wal) {
  const int number = server.commit(has_wal);
  commits_[server.name()].push_back(number);
  until("commit " + std::to_string(number) + " of " + server.name() + " waits or is answered",
        [&] { return settled(server, number); });
  see_commit(server, number);
  return number;
}

void Story::commit_everywhere(Server& server, const std::string& name,
                              const std::vector<std::string>& names) {
  until_acknowledged(server, server.commit());
  mark(name, server);
  for (const auto& each : names) until_flushed(server, each, name);
}

void Story::until_one_waits(Server& server) {
  std::optional<int> last;
  until("a commit of " + server.name() + " waits", [&] {
    if (!last || server.fate(*last) != Fate::waits) {
      last = server.commit();
      commits_[server.name()].push_back(*last);
    }
    return server.fate(*last) == Fate::waits && settled(server, *last) &&
           server.fate(*last) == Fate::waits;
  });
}

void Story::see_commit(Server& server, int commit) {
  static const std::map<Fate, std::string> words{{Fate::waits, "waits"},
                                                 {Fate::acknowledged, "is acknowledged"},
                                                 {Fate::warned, "is answered with a warning"},
                                                 {Fate::lost, "has lost its connection"}};
  say("commit " + std::to_string(commit) + " of " + server.name() + " " +
      words.at(server.fate(commit)));
}

void Story::until_acknowledged(Server& server, int commit) {
  until("commit " + std::to_string(commit) + " of " + server.name() + " is acknowledged",
        [&] { return server.fate(commit) == Fate::acknowledged; });
}

std::optional<postgres::SenderFacts> Story::sender(Server& server, const std::string& name) {
  const auto seen = server.observe();
  if (!seen) return std::nullopt;
  for (const auto& row : seen->senders) {
    if (row.application_name == name) return row;
  }
  return std::nullopt;
}

void Story::until_flushed(Server& from, const std::string& name, const std::string& mark) {
  until(name + " has flushed " + mark + " of " + from.name(), [&] {
    const auto row = sender(from, name);
    return row && row->flushed && row->flushed->value >= values_[mark];
  });
}

void Story::until_another_reply(Server& from, const std::string& name) {
  std::optional<Instant> first;
  until(name + " has replied to " + from.name() + " once more", [&] {
    const auto seen = from.observe();
    if (!seen) return false;
    for (const auto& row : seen->senders) {
      if (row.application_name != name || !row.reply_age_ms) continue;
      const Instant replied = seen->at - Millis{*row.reply_age_ms};
      if (!first) first = replied;
      return replied > *first + Millis{100};
    }
    return false;
  });
}

void Story::until_replayed(Server& server, const std::string& mark) {
  until(server.name() + " has replayed " + mark, [&] {
    const auto seen = server.observe();
    return seen && seen->replay && seen->replay->value >= values_[mark];
  });
}

void Story::until_life(Server& server, const std::string& life) {
  until(server.name() + " is " + life, [&] { return server.life() == life; });
}

void Story::until_no_sender(Server& from, const std::string& name) {
  until(from.name() + " sends to no " + name,
        [&] { return from.observe().has_value() && !sender(from, name); });
}

void Story::until_streaming(Server& from, const std::string& name) {
  until(name + " streams from " + from.name(), [&] {
    const auto row = sender(from, name);
    return row && row->state == "streaming" && row->flushed;
  });
}

void Story::until_sync_state(Server& from, const std::string& name, const std::string& state) {
  until(name + " is " + state + " for " + from.name(), [&] {
    const auto row = sender(from, name);
    return row && row->sync_state == state;
  });
}

void Story::until_refused(Server& receiver, const std::string& why) {
  until("the receiver of " + receiver.name() + " is refused: " + why,
        [&] { return receiver.last_refusal() == why; });
}

void Story::see(Server& server) {
  const auto seen = server.observe();
  if (!seen) return say(server.name() + " is " + server.life());
  std::string line = server.name() + " is " + server.life() + " on timeline " +
                     std::to_string(seen->timeline.value);
  if (seen->in_recovery) {
    line += ", replayed " + at(seen->replay.value_or(Lsn{}).value);
    if (seen->replay_paused) line += ", paused";
  } else {
    line += ", flushed " + at(seen->flush.value_or(Lsn{}).value);
  }
  line += ", names '" + seen->synchronous_standby_names + "', " + std::to_string(seen->sync_waits) +
          " waiting";
  say(line);
}

void Story::see_senders(Server& server) {
  const auto seen = server.observe();
  if (!seen) return say(server.name() + " says nothing of its walsenders");
  std::vector<std::string> rows;
  for (const auto& row : seen->senders) {
    rows.push_back(server.name() + " sends to " + row.application_name + ": " + row.state + ", " +
                   row.sync_state + ", flushed " +
                   (row.flushed ? at(row.flushed->value) : "nothing"));
  }
  std::sort(rows.begin(), rows.end());
  if (rows.empty()) rows.push_back(server.name() + " sends to nobody");
  for (auto& row : rows) say(std::move(row));
}

void Story::see_receiver(Server& server) {
  const auto seen = server.observe();
  if (!seen || !seen->receiver) return say(server.name() + " receives nothing");
  say(server.name() + " receives timeline " +
      std::to_string(seen->receiver->timeline.value_or(TimelineId{0}).value) + ", flushed " +
      at(seen->receiver->flushed.value_or(Lsn{}).value));
}

void Story::see_histories(Server& server) {
  for (const auto& history : server.histories()) {
    std::string line =
        server.name() + " has the history of timeline " + std::to_string(history.timeline.value);
    for (const auto& step : history.steps) {
      line += ", " + std::to_string(step.parent.value) + " until " + at(step.end);
    }
    say(line);
  }
}

}  // namespace evergres::differential
