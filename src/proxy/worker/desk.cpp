#include "proxy/worker/desk.hpp"

#include <atomic>

#include "proxy/login/shown.hpp"

namespace evergres::proxy {
namespace {

constexpr Millis look_interval{10};

Refusal refusal(std::string_view sqlstate, std::string message, std::string detail,
                std::string hint) {
  return {sqlstate,
          Error(ErrorCode::refused, std::move(message), std::move(detail), std::move(hint))};
}

/// Those that list clients and servers one by one.
bool lists_connections(Show show) {
  return show == Show::clients || show == Show::servers || show == Show::sockets ||
         show == Show::active_sockets || show == Show::lists;
}

}  // namespace

Desk::Desk(std::vector<Shard*> shards, Hooks hooks, std::string version,
           std::shared_ptr<const Configuration> configuration)
    : shards_(std::move(shards)),
      hooks_(std::move(hooks)),
      version_(std::move(version)),
      configuration_(std::move(configuration)),
      history_(boot_now()) {
  home().post([this] { home().call_at(history_.next_sample(), [this] { take_sample(); }); });
}

void Desk::ask(const Asked& asked, Command command) {
  home().post([this, asked, command = std::move(command)] { carry_out(asked, command); });
}

void Desk::give_up(const Asked& asked) {
  home().post([this, asked] {
    if (asking_.erase(asked) > 0) return;  // nothing has been done yet
    const auto found = waiting_.find(asked);
    if (found == waiting_.end()) return;
    Command command = std::move(found->second);
    waiting_.erase(found);
    if (command.verb != Verb::pause) return;
    command.verb = Verb::resume;
    note(command);
    everywhere(
        [command](Shard& shard, std::size_t) { shard.carry_out(command.verb, command.database); },
        {});
  });
}

void Desk::look(bool connections, Then then) {
  home().post([this, connections, then = std::move(then)] { look_here(connections, then); });
}

void Desk::set_configuration(std::shared_ptr<const Configuration> configuration) {
  home().post([this, configuration] { configuration_ = configuration; });
}

void Desk::everywhere(std::function<void(Shard&, std::size_t)> what, std::function<void()> then) {
  const auto left = std::make_shared<std::atomic<std::size_t>>(shards_.size());
  for (std::size_t place = 0; place < shards_.size(); ++place) {
    Shard* const shard = shards_[place];
    shard->reactor().post([this, shard, place, left, what, then] {
      what(*shard, place);
      if (--*left == 0 && then) home().post(then);
    });
  }
}

void Desk::answer(const Asked& asked, ConsoleAnswer answer) {
  Shard* const shard = shards_[asked.shard];
  shard->reactor().post([shard, ticket = asked.ticket, answer = std::move(answer)] {
    shard->console_answered(ticket, answer);
  });
}

void Desk::carry_out(const Asked& asked, const Command& command) {
  switch (command.verb) {
    case Verb::show: return show(asked, command);
    case Verb::reload: return reload(asked);
    case Verb::kill_client: return kill_client(asked, command);
    case Verb::set:
      return answer(asked, refusal("0A000", "settings are not changed in the console",
                                   "They would be forgotten by the next start.",
                                   "Change proxy." + shown(command.key, 40) +
                                       " or its like in node.yaml, then RELOAD."));
    case Verb::shutdown:
      answer(asked, ConsoleDone{});
      if (hooks_.shut_down) hooks_.shut_down(command.shutdown);
      return;
    default: return change(asked, command);
  }
}

/// What is done to one database, which somebody has to have heard of, or to all.
void Desk::change(const Asked& asked, const Command& command) {
  asking_.insert(asked);
  if (!command.database) return decide(asked, command, true);
  const auto known = std::make_shared<std::atomic<bool>>(false);
  everywhere(
      [known, name = *command.database](Shard& shard, std::size_t) {
        if (shard.knows(name)) *known = true;
      },
      [this, asked, command, known] { decide(asked, command, *known); });
}

std::optional<Refusal> Desk::why_not(const Command& command, bool known) const {
  if (!known) {
    return refusal("3D000", "there is no database " + shown_name(*command.database),
                   "No client has been connected to it, and the configuration does not name it.",
                   "SHOW DATABASES lists those that are known.");
  }
  const bool is_paused = command.database ? paused_databases_.contains(*command.database) : paused_;
  const std::string what =
      command.database ? "database " + shown_name(*command.database) : "the endpoint";
  if (command.verb == Verb::pause && is_paused) {
    return refusal("55000", what + " is paused already", "", "RESUME ends that.");
  }
  if (command.verb == Verb::resume && !is_paused) {
    return refusal("55000", what + " is not paused", "",
                   "SHOW DATABASES tells what is paused. RESUME without a name takes back PAUSE "
                   "without a name, and no other.");
  }
  return std::nullopt;
}

void Desk::decide(const Asked& asked, const Command& command, bool known) {
  if (asking_.erase(asked) == 0) return;  // nobody waits for it any more
  if (auto refused = why_not(command, known)) return answer(asked, std::move(*refused));
  note(command);
  if (command.verb == Verb::wait_close) {
    waiting_.emplace(asked, command);
    return look_again();
  }
  if (command.verb == Verb::resume) end_waiting_pauses(command.database);
  const bool waits = command.verb == Verb::pause;
  if (waits) waiting_.emplace(asked, command);
  everywhere(
      [command](Shard& shard, std::size_t) { shard.carry_out(command.verb, command.database); },
      [this, asked, waits] {
        if (!waits) return answer(asked, ConsoleDone{});
        look_again();
      });
}

/// What is paused from now on.
void Desk::note(const Command& command) {
  const bool pauses = command.verb == Verb::pause || command.verb == Verb::kill;
  if (!pauses && command.verb != Verb::resume) return;
  if (!command.database) {
    paused_ = pauses;
  } else if (pauses) {
    paused_databases_[*command.database] = true;
  } else {
    paused_databases_.erase(*command.database);
  }
}

void Desk::end_waiting_pauses(const Shard::Database& database) {
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    const bool is_meant = at->second.verb == Verb::pause && at->second.database == database;
    if (!is_meant) {
      ++at;
      continue;
    }
    answer(at->first, refusal("57014", "the pause was ended by another admin",
                              "He said RESUME before all servers had come back.", ""));
    at = waiting_.erase(at);
  }
}

/// Whether servers have come back, as long as somebody waits for that.
void Desk::look_again() {
  if (waiting_.empty() || std::exchange(looks_, true)) return;
  const auto left = std::make_shared<std::map<Asked, std::atomic<std::size_t>>>();
  for (const auto& [asked, command] : waiting_) (*left)[asked] = 0;
  everywhere(
      [left, waiting = waiting_](Shard& shard, std::size_t) {
        for (const auto& [asked, command] : waiting) {
          left->at(asked) += shard.servers(command.database, command.verb == Verb::wait_close);
        }
      },
      [this, left] {
        looks_ = false;
        for (const auto& [asked, servers] : *left) {
          if (servers == 0 && waiting_.erase(asked) > 0) answer(asked, ConsoleDone{});
        }
        if (!waiting_.empty()) {
          home().call_at(home().now() + look_interval, [this] { look_again(); });
        }
      });
}

void Desk::show(const Asked& asked, const Command& command) {
  look_here(lists_connections(command.show), [this, asked](std::shared_ptr<const Snapshot> seen) {
    answer(asked, std::move(seen));
  });
}

void Desk::look_here(bool connections, Then then) {
  const auto parts = std::make_shared<std::vector<ShardSnapshot>>(shards_.size());
  everywhere(
      [parts, connections](Shard& shard, std::size_t place) {
        (*parts)[place] = shard.snapshot(connections);
      },
      [this, parts, then = std::move(then)] {
        auto seen = std::make_shared<Snapshot>();
        seen->all = merged(*parts);
        const Instant now = home().now();
        seen->averages = history_.averages(now, seen->all.totals);
        seen->total_averages = history_.total_averages(now, seen->all.totals);
        seen->config = config_facts(*configuration_);
        seen->version = version_;
        seen->paused = paused_;
        then(std::move(seen));
      });
}

void Desk::take_sample() {
  const auto parts = std::make_shared<std::vector<StatsHistory::Totals>>(shards_.size());
  everywhere([parts](Shard& shard, std::size_t place) { (*parts)[place] = shard.totals(); },
             [this, parts] {
               StatsHistory::Totals all;
               for (const auto& part : *parts) {
                 for (const auto& [database, totals] : part) add(all[database], totals);
               }
               history_.sample(home().now(), std::move(all));
               home().call_at(history_.next_sample(), [this] { take_sample(); });
             });
}

void Desk::reload(const Asked& asked) {
  if (!hooks_.reload) {
    return answer(asked, refusal("0A000", "there is nothing to reload", "", ""));
  }
  hooks_.reload([this, asked](const Outcome& reloaded) {
    answer(asked, reloaded ? ConsoleAnswer(ConsoleDone{})
                           : ConsoleAnswer(Refusal{"F0000", reloaded.error()}));
  });
}

void Desk::kill_client(const Asked& asked, const Command& command) {
  const unsigned number = Shard::shard_of(command.client);
  const auto nobody = [](std::uint64_t id) {
    return refusal("22023", "there is no client " + std::to_string(id), "",
                   "SHOW CLIENTS lists them; the id is in its column \"id\".");
  };
  if (number >= shards_.size()) return answer(asked, nobody(command.client));
  Shard* const shard = shards_[number];
  shard->reactor().post([this, shard, asked, nobody, id = command.client] {
    const bool killed = shard->kill_client(id);
    answer(asked, killed ? ConsoleAnswer(ConsoleDone{}) : ConsoleAnswer(nobody(id)));
  });
}

}  // namespace evergres::proxy
