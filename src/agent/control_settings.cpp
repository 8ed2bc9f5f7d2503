#include <signal.h>
#include <time.h>

#include <array>

#include "agent/control.hpp"
#include "agent/control_answer.hpp"
#include "agent/differences.hpp"
#include "base/file.hpp"
#include "cluster/json.hpp"
#include "config/printer.hpp"
#include "config/reader.hpp"
#include "core/view.hpp"
#include "postgres/pending.hpp"
#include "postgres/session.hpp"

/// Settings of this node: what PostgreSQL has in force, what waits for a restart, what somebody
/// changed in the rendered file, and the change to a new node.yaml.
namespace evergres::agent {
namespace {

/// Options that name what this node is, or where. They change with the whole node.
constexpr std::array fixed_options{
    "cluster",       "node",          "data_directory", "state_directory",
    "run_directory", "bin_directory", "store",          "secret_file",
    "postgres_host", "postgres_port", "peer_host",      "peer_port",
    "proxy.enabled", "proxy.host",    "proxy.port",     "proxy.read_only_port",
    "proxy.threads"};

Outcome check_fixed(const config::NodeSettings& before, const config::NodeSettings& after) {
  const auto old = by_name(config::node_file_text(before), ':');
  const auto fresh = by_name(config::node_file_text(after), ':');
  for (const char* name : fixed_options) {
    const auto a = old.find(name);
    const auto b = fresh.find(name);
    const std::string was = a == old.end() ? "" : a->second;
    const std::string is = b == fresh.end() ? "" : b->second;
    if (was == is) continue;
    return refusal("\"" + std::string(name) + "\" cannot be changed by a reload",
                   "It says what this node is, or where it is: " + was + " -> " + is + ".",
                   "Take the change back, or stop the node and start it again with it.");
  }
  return {};
}

struct InForce {
  Lines pending;  ///< "max_connections: 100 -> 150"
  Lines refused;  ///< entries of the files that PostgreSQL does not accept
  std::string loaded;
};

Result<InForce> in_force(const postgres::Server& server) {
  const Instant deadline = boot_now() + sql_deadline;
  auto session = postgres::Session::connect(server, {}, deadline);
  if (!session) return session.error();
  auto pending = postgres::pending_changes(*session, deadline);
  if (!pending) return pending.error();
  auto refused = session->query(
      "select coalesce(name, sourcefile), coalesce(setting, ''), error from pg_file_settings"
      " where error is not null and error <> 'setting could not be applied' order by seqno",
      deadline);
  if (!refused) return refused.error();
  auto loaded = session->query("select pg_conf_load_time()::text", deadline);
  if (!loaded) return loaded.error();
  InForce now;
  for (const auto& change : *pending) now.pending.push_back(postgres::describe(change));
  for (const postgres::Row& row : *refused) {
    now.refused.push_back(row[0].value_or("?") + " = " + row[1].value_or("") + ": " +
                          row[2].value_or("?"));
  }
  if (!loaded->empty() && loaded->front()[0]) now.loaded = *loaded->front()[0];
  return now;
}

/// SIGHUP is answered before the postmaster has read its files: waits until it says it has.
Result<InForce> reload_and_look(Hands& hands, const std::string& loaded_before) {
  auto asked = hands.ask_supervisor(supervisor::AskReload{}, Millis{2000});
  if (!asked) return asked.error();
  const Instant until = boot_now() + Millis{5000};
  auto now = in_force(hands.server());
  while (now && now->loaded == loaded_before && boot_now() < until) now = in_force(hands.server());
  return now;
}

/// The answer can leave before this agent ends; its supervisor starts it again with the new file.
Outcome end_this_agent_soon() {
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGTERM;
  timer_t timer{};
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) {
    return error_from_errno("could not make a timer", errno);
  }
  itimerspec when{};
  when.it_value.tv_nsec = 500'000'000;
  if (timer_settime(timer, 0, &when, nullptr) != 0) {
    return error_from_errno("could not set a timer", errno);
  }
  return {};
}

struct Reloaded {
  Lines changed;  ///< options of node.yaml
  Lines drift;    ///< lines of postgresql.conf that were not as rendered
  InForce now;
  std::string trouble;  ///< why PostgreSQL could not be asked; the file is written
};

/// On the worker. Without `change` nothing is written.
Result<Reloaded> apply(const Setup& old, const Knowledge& known, const Tell& tell,
                       const std::string& file, bool change) {
  auto settings = config::read_node_file(file);
  if (!settings) return settings.error();
  if (auto same = check_fixed(old.settings, *settings); !same) return same.error();
  if (auto fit = postgres::check_parameters(settings->parameters, old.major); !fit)
    return fit.error();
  Setup fresh = old;
  fresh.settings = *settings;
  Hands before(old, known, tell, {});
  Hands hands(fresh, known, tell, {});
  Reloaded done;
  done.changed = differences(by_name(config::node_file_text(old.settings), ':'),
                             by_name(config::node_file_text(*settings), ':'));
  // The names are no part of postgresql.conf.
  const std::string was =
      postgres::render_settings(old.server, before.configuration(core::names_nobody));
  const std::string is =
      postgres::render_settings(fresh.server, hands.configuration(core::names_nobody));
  done.drift = drift_of(old.server, was);
  if (!change) return done;
  auto look = in_force(fresh.server);
  const auto path = fresh.server.data / "postgresql.conf";
  if (auto written = write_file_atomically(path, is, 0600); !written) return written.error();
  // It reads node.yaml itself; a supervisor that began before there were endpoints has none.
  [[maybe_unused]] const auto told =
      hands.ask_supervisor(supervisor::AskReloadProxy{}, Millis{2000});
  if (look) look = reload_and_look(hands, look->loaded);
  if (look) done.now = *look;
  if (!look) done.trouble = look.error().one_line();
  return done;
}

}  // namespace

net::awaitable<Control::Answer> Control::pending_settings() {
  auto work = [this, snapshot = know_]() -> Result<boost::json::value> {
    Hands hands(setup_, snapshot, tell_, {});
    auto now = in_force(hands.server());
    if (!now) return now.error();
    boost::json::object result;
    result["agent"] = snapshot.situation.agent.value;
    result["pending_restart"] = cluster::to_json(now->pending);
    result["refused"] = cluster::to_json(now->refused);
    Lines drift = drift_of(
        hands.server(),
        postgres::render_settings(hands.server(), hands.configuration(core::names_nobody)));
    for (const std::string& line : snapshot.situation.server.drift) drift.push_back(line);
    result["drift"] = cluster::to_json(drift);
    return boost::json::value(std::move(result));
  };
  auto looking = worker_.run(std::move(work));
  co_return co_await std::move(looking);
}

net::awaitable<Control::Answer> Control::reload(const boost::json::object& request) {
  const core::Situation& s = know_.situation;
  const std::string file = text_member(request, "config_file");
  const bool dry_run = flag_member(request, "dry_run");
  if (file.empty()) co_return Error(ErrorCode::usage, "reload needs the path of the node.yaml");
  // Most operations last a moment; a clone does not.
  const Instant until = boot_now() + Millis{10'000};
  while (!dry_run && s.operation && boot_now() < until) {
    auto pausing = net::pause_for(Millis{50});
    co_await std::move(pausing);
  }
  if (s.operation && !dry_run) {
    co_return refusal("this node is busy: " + s.operation->kind,
                      "A reload starts the agent anew, and that would interrupt it.",
                      "Try again when \"evergres list\" shows nothing beneath the table.");
  }
  auto work = [this, file, dry_run, snapshot = know_]() {
    return apply(setup_, snapshot, tell_, file, !dry_run);
  };
  auto applying = worker_.run(std::move(work));
  const Result<Reloaded> done = co_await std::move(applying);
  if (!done) co_return done.error();
  const bool restarts = !dry_run && !done->changed.empty();
  if (restarts) {
    const Outcome ending = end_this_agent_soon();
    if (!ending) co_return ending.error();
  }
  boost::json::object result;
  result["agent"] = s.agent.value;
  result["agent_restarts"] = restarts;
  result["changed"] = cluster::to_json(done->changed);
  result["drift"] = cluster::to_json(done->drift);
  result["pending_restart"] = cluster::to_json(done->now.pending);
  result["refused"] = cluster::to_json(done->now.refused);
  result["trouble"] = done->trouble;
  co_return boost::json::value(std::move(result));
}

}  // namespace evergres::agent
