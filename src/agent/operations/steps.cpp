#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <thread>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "agent/endpoint_files.hpp"
#include "agent/operations/lineage.hpp"
#include "agent/operations/operation.hpp"
#include "agent/operations/slots.hpp"
#include "agent/promise_file.hpp"
#include "base/file.hpp"
#include "core/grant.hpp"
#include "postgres/begun.hpp"
#include "postgres/control_file.hpp"
#include "postgres/data_directory.hpp"
#include "postgres/history.hpp"
#include "postgres/promotion.hpp"
#include "postgres/wal_end.hpp"

namespace evergres::agent {
namespace {

/// A session was refused: says nothing of why the server ended.
bool is_about_a_session(std::string_view words) {
  constexpr std::array about{"the database system is", "could not connect to the primary",
                             "terminating connection", "no pg_hba.conf entry",
                             "pg_hba.conf rejects"};
  return std::any_of(about.begin(), about.end(),
                     [&](const char* part) { return words.find(part) != std::string_view::npos; });
}

/// What PostgreSQL said last in this start before it ended: the reason why it does not start.
std::string last_words(const Hands& hands) {
  constexpr std::streamoff most = 20'000;
  std::ifstream file(hands.setup.settings.state_directory / "log" / "postgres.log", std::ios::ate);
  if (!file) return {};
  const std::streamoff size = file.tellg();
  file.seekg(std::max<std::streamoff>(size - most, 0));
  std::string found;
  for (std::string line; std::getline(file, line);) {
    if (line.find("LOG:  starting PostgreSQL") != std::string::npos) found.clear();
    auto at = line.find("FATAL:");
    if (at == std::string::npos) at = line.find("PANIC:");
    if (at != std::string::npos && !is_about_a_session(line)) found = line.substr(at);
  }
  return found;
}

bool limits_were_lowered(const std::string& words) {
  return words.find("insufficient parameter settings") != std::string::npos;
}

/// Waits until the started server answers SQL, or has ended, or the operation is stopped.
Outcome wait_until_it_answers(Hands& hands) {
  postgres::Observer observer(hands.server());
  const Instant began = boot_now();
  while (!hands.stopped()) {
    auto observation = observer.observe(boot_now() + Millis{500});
    const bool cold = !observation && observation.error().one_line().find(
                                          "Hot standby mode is disabled") != std::string::npos;
    if (observation || cold) return {};
    auto status = hands.supervisor_status();
    if (!status) return status.error();
    if (status->state != supervisor::State::running &&
        status->state != supervisor::State::starting) {
      const std::string words = last_words(hands);
      const bool lowered = limits_were_lowered(words);
      hands.learn([words, lowered](Knowledge& k) {
        k.situation.server.trouble = words;
        k.situation.server.limits_too_low = lowered;
      });
      return Error(
          ErrorCode::postgres_failed, "PostgreSQL ended while it started", words,
          "See " + (hands.setup.settings.state_directory / "log" / "postgres.log").string() + ".");
    }
    if (boot_now() - began > Millis{2000}) hands.progress("PostgreSQL recovers");
    std::this_thread::sleep_for(Millis{10});
  }
  return hands.cancelled();
}

}  // namespace

void crash_point(const Hands& hands, const char* step) {
  const char* wanted = std::getenv("EVERGRES_TEST_CRASH_AFTER");
  if (wanted == nullptr || std::string_view(wanted) != step) return;
  const auto once = hands.setup.settings.state_directory / "crash-once";
  if (::unlink(once.c_str()) == 0) ::kill(::getpid(), SIGKILL);
}

namespace {

/// The history files that a start cannot follow, or must not. A damaged control file is
/// PostgreSQL's to complain about.
Result<std::vector<std::string>> histories_to_forget(const postgres::Server& server,
                                                     const std::optional<postgres::WalEnd>& end) {
  std::vector<std::string> files;
  const auto control =
      postgres::read_control_file(server, server.data, boot_now() + Millis{10'000});
  if (!control && end) return control.error();
  if (!control) return files;
  const auto timelines = postgres::what_is_no_child(server, *control, end);
  if (!timelines) return timelines.error();
  for (const TimelineId id : *timelines) {
    spdlog::warn("the history of timeline {} is removed: the WAL here is not on the way to it",
                 id.value);
    files.push_back(postgres::history_file_name(id));
  }
  return files;
}

Outcome begin_start(Hands& hands, bool without_hot_standby,
                    const std::optional<postgres::Upstream>& upstream,
                    const std::optional<postgres::WalEnd>& end) {
  const auto& server = hands.server();
  auto data = postgres::inspect(server, hands.setup.major);
  if (!data) return data.error();
  const auto configuration = configuration_for_start(hands, core::names_nobody);
  if (auto written = postgres::write_configuration(server, server.data, configuration,
                                                   postgres::Gate::closed, hands.setup.major);
      !written) {
    return written;
  }
  if (auto able = remove_what_refuses_the_start(hands, configuration); !able) return able;
  if (auto written = postgres::write_upstream(server, upstream); !written) return written;
  // The supervisor writes standby.signal: afterwards nobody sees that a promotion removed it.
  if (auto noted = postgres::note_timelines_begun(server); !noted) return noted;
  auto forget = histories_to_forget(server, end);
  if (!forget) return forget.error();
  supervisor::AskStart ask;
  ask.forget = std::move(forget).value();
  if (without_hot_standby) ask.arguments = {"-c", "hot_standby=off"};
  auto reply = hands.ask_supervisor(ask, Millis{30'000});
  if (!reply) return reply.error();
  auto started = supervisor::started_from_json(*reply);
  if (!started) return started.error();
  const std::string names = core::names_nobody;
  hands.learn([names, hosts = configuration.member_hosts, start = *started](Knowledge& k) {
    forget_server_run(k);
    k.gate_hosts = hosts;
    k.supervisor.start_id = start.start_id;
    k.supervisor.state = supervisor::State::running;
    k.supervisor.grant.reset();
    k.situation.server.grant.reset();
    k.situation.server.state = core::ServerState::starting;
    k.situation.server.clean = false;
    learn_upstream(k, std::nullopt);
    k.situation.server.trouble.clear();
    k.situation.server.limits_too_low = false;
    k.applied_names = names;
    k.server_changed_at = boot_now();
  });
  return {};
}

Outcome start(Hands& hands, bool without_hot_standby,
              const std::optional<postgres::Upstream>& upstream) {
  if (auto begun = begin_start(hands, without_hot_standby, upstream, std::nullopt); !begun)
    return begun;
  return wait_until_it_answers(hands);
}

}  // namespace

Outcome start_as_standby(Hands& hands, bool without_hot_standby) {
  return start(hands, without_hot_standby, std::nullopt);
}

Outcome start_streaming(Hands& hands, const postgres::Upstream& upstream) {
  return start(hands, false, upstream);
}

Outcome restart_without_what_was_passed_by(Hands& hands, const core::Position& end) {
  const bool without_hot_standby = hands.situation().server.cold;
  auto stopped = stop_and_learn(hands, supervisor::StopMode::immediate, Millis{0});
  if (!stopped) return stopped.error();
  // What failed before the start does not count against it (stop_a_server_that_cannot_be_fenced).
  hands.learn([](Knowledge& k) { k.situation.attempts.erase(core::Fence::kind); });
  // Promoted by hand in the last moment: what was begun so is for others to see.
  const auto promoted = postgres::signal_is_absent(hands.server());
  if (!promoted) return promoted.error();
  std::optional<postgres::WalEnd> known;
  if (!*promoted) known = postgres::WalEnd{end.timeline, end.lsn};
  return begin_start(hands, without_hot_standby, std::nullopt, known);
}

Result<bool> stop_server(Hands& hands, supervisor::StopMode mode, Millis deadline) {
  supervisor::AskStop ask;
  ask.mode = mode;
  ask.deadline = deadline;
  auto reply = hands.ask_supervisor(ask, deadline + Millis{30'000});
  if (!reply) return reply.error();
  auto stopped = supervisor::stopped_from_json(*reply);
  if (!stopped) return stopped.error();
  return stopped->clean;
}

Result<bool> stop_and_learn(Hands& hands, supervisor::StopMode mode, Millis deadline) {
  hands.learn([](Knowledge& k) {
    k.situation.server.state = core::ServerState::stopping;
    k.server_changed_at = boot_now();
  });
  auto clean = stop_server(hands, mode, deadline);
  if (!clean) return clean;
  hands.learn([was_clean = *clean](Knowledge& k) {
    const auto position = k.situation.server.position;
    const auto fenced = k.situation.fenced;
    forget_server_run(k);
    k.situation.fenced = fenced;
    k.situation.server.position = position;
    k.situation.server.state = core::ServerState::stopped;
    k.situation.server.clean = was_clean;
    k.situation.server.grant.reset();
    k.supervisor.state = supervisor::State::stopped;
    k.supervisor.grant.reset();
    k.server_changed_at = boot_now();
  });
  return clean;
}

Outcome make_promise(Hands& hands, Term term, const Claim& claim) {
  const core::Promise promise{term, claim};
  if (hands.situation().promise == promise) return {};  // known, therefore on disk
  if (auto promised = write_promise(hands.setup.settings.state_directory, promise); !promised)
    return promised;
  hands.learn([promise](Knowledge& k) { k.situation.promise = promise; });
  return {};
}

core::Fenced answer_without_position(const Hands& hands, Term term, SystemId system_id) {
  core::Fenced fenced;
  fenced.term = term;
  fenced.seat = core::Seat{hands.situation().me,
                           hands.situation().server.incarnation.value_or(Incarnation{})};
  fenced.system_id = system_id;
  fenced.agent = hands.situation().agent;
  return fenced;
}

Result<core::Fenced> read_offline(Hands& hands, Term term) {
  const auto& server = hands.server();
  const Instant deadline = boot_now() + Millis{60'000};
  auto control = postgres::read_control_file(server, server.data, deadline);
  if (!control) return control.error();
  core::Fenced fenced = answer_without_position(hands, term, control->system_id);
  auto end = postgres::end_of_stopped(server, *control, deadline, hands.stop);
  if (end) {
    fenced.position = core::Position{end->timeline, end->lsn};
  } else {
    fenced.why_no_position = end.error().one_line();
  }
  add_lineage(fenced, server);
  return fenced;
}

Outcome set_gate(Hands& hands, postgres::Gate gate) {
  const auto configuration = hands.configuration("");
  auto written =
      postgres::write_gate(hands.server(), hands.server().data, gate, configuration.member_hosts,
                           configuration.admissions, configuration.endpoints);
  if (!written) return written;
  tell_endpoint(hands, configuration.admissions);
  auto reloaded = hands.ask_supervisor(supervisor::AskReload{}, Millis{2000});
  if (!reloaded) return reloaded.error();
  const bool open = gate == postgres::Gate::open;
  hands.learn([open, hosts = configuration.member_hosts](Knowledge& k) {
    k.situation.server.gate_open = open;
    k.gate_hosts = hosts;
  });
  return {};
}

Outcome ask_grant(Hands& hands, supervisor::GrantKind kind, Term term, Instant asked_at) {
  supervisor::AskGrant ask;
  ask.kind = kind;
  ask.term = term;
  ask.asked_at = asked_at;
  ask.length = core::grant_length(hands.situation());
  ask.start_id = hands.known.supervisor.start_id;
  auto reply = hands.ask_supervisor(ask, Millis{2000});
  if (!reply) return reply.error();
  const auto core_kind =
      kind == supervisor::GrantKind::lead ? core::GrantKind::lead : core::GrantKind::promote;
  const Instant deadline = asked_at + ask.length;
  hands.learn([core_kind, term, deadline](Knowledge& k) {
    k.situation.server.grant = core::Grant{core_kind, term, deadline};
  });
  return {};
}

}  // namespace evergres::agent
