#include "agent/observing.hpp"

#include <fstream>

#include "core/view.hpp"
#include "postgres/control_file.hpp"
#include "postgres/data_directory.hpp"

namespace evergres::agent {
namespace {

std::vector<core::Sender> senders_of(const postgres::Observation& seen) {
  std::vector<core::Sender> senders;
  for (const auto& facts : seen.senders) {
    core::Sender sender;
    sender.application_name = facts.application_name;
    sender.streaming = facts.state == "streaming";
    sender.flush = facts.flushed.value_or(Lsn{});
    sender.reply_age = Millis{facts.reply_age_ms.value_or(1'000'000)};
    senders.push_back(std::move(sender));
  }
  return senders;
}

/// Which peers acknowledge now under their voter names; their silence is counted from here.
void note_acknowledgements(Knowledge& k, Instant at) {
  core::Situation& s = k.situation;
  if (!s.record || !core::record_names_me(s)) return;
  const core::Policy* policy = core::newest_policy(*s.record);
  if (policy == nullptr) return;
  for (const core::Seat& voter : policy->voters) {
    const std::string name = core::application_name(voter, policy->term);
    for (const core::Sender& sender : s.server.senders) {
      if (sender.application_name != name || !sender.streaming) continue;
      const Instant replied = at - sender.reply_age;
      auto& last = s.peers[voter.node].acknowledged_at;
      if (!last || *last < replied) last = replied;
    }
  }
}

/// Settings that decide about safety are compared with what was written, on every look.
void check_names(Knowledge& k, Instant at) {
  core::Situation& s = k.situation;
  const bool changing = s.operation.has_value();
  const bool comparable = s.server.state == core::ServerState::primary && k.applied_names && !changing;
  if (!comparable || s.server.names == k.applied_names) {
    s.server.names_wrong_since.reset();
  } else if (!s.server.names_wrong_since) {
    s.server.names_wrong_since = at;
  }
}

void take_position(Knowledge& k, const postgres::Observation& seen) {
  core::Server& server = k.situation.server;
  if (!seen.in_recovery) {
    if (seen.flush) server.position = core::Position{seen.timeline, *seen.flush};
    server.replay = seen.flush;
    return;
  }
  if (seen.receiver && seen.receiver->timeline) k.received_timeline = seen.receiver->timeline;
  const Lsn replay = seen.replay.value_or(Lsn{});
  const Lsn receive = seen.receive.value_or(Lsn{});
  const TimelineId timeline = receive > replay && k.received_timeline ? *k.received_timeline : seen.timeline;
  const core::Position position{timeline, std::max(receive, replay)};
  // What a fence read from the files is more than what streaming says after a restart.
  if (!server.position || server.position->timeline != position.timeline || server.position->lsn < position.lsn) {
    server.position = position;
  }
  server.replay = replay;
}

void take_observation(Knowledge& k, const postgres::Observation& seen) {
  core::Situation& s = k.situation;
  core::Server& server = s.server;
  server.state = seen.in_recovery ? core::ServerState::standby : core::ServerState::primary;
  server.cold = false;
  server.system_id = seen.system_id;
  server.trouble.clear();
  take_position(k, seen);
  const bool receiving = seen.receiver && seen.receiver->status == "streaming";
  if (receiving && !server.receiving) server.receiving_since = seen.at;
  if (!receiving && (server.receiving || !server.not_receiving_since)) server.not_receiving_since = seen.at;
  if (receiving) {
    server.not_receiving_since.reset();
    server.wal_removed = false;
    server.diverged = false;
  } else {
    server.receiving_since.reset();
  }
  server.receiving = receiving;
  server.senders = senders_of(seen);
  server.names = seen.synchronous_standby_names;
  const bool waits = seen.in_recovery && seen.receive && seen.replay && *seen.receive > *seen.replay;
  server.lag_seconds = waits ? seen.replay_age_seconds : std::optional<double>(0.0);
  if (!seen.in_recovery) server.lag_seconds.reset();
  note_acknowledgements(k, seen.at);
  check_names(k, seen.at);
}

}  // namespace

Observing::Observing(const Setup& setup, Tell tell)
    : setup_(setup), tell_(std::move(tell)), observer_(setup.server),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void Observing::set_supervisor(const supervisor::Status& status) {
  {
    const std::lock_guard lock(mutex_);
    status_ = status;
  }
  pulse_.poke();
}

void Observing::run(const std::stop_token& stop) {
  while (pulse_.wait(stop, Millis{period_ms_.load()})) {
    std::optional<supervisor::Status> status;
    {
      const std::lock_guard lock(mutex_);
      status = status_;
    }
    if (!status) continue;
    if (status->state == supervisor::State::running) {
      look_at_running(*status);
    } else if (status->state == supervisor::State::stopped) {
      look_at_stopped(*status);
    }
  }
}

void Observing::look_at_running(const supervisor::Status& status) {
  files_seen_of_.clear();
  const Instant began = boot_now();
  auto seen = observer_.observe(began + Millis{1000});
  const std::uint64_t start_id = status.start_id;
  if (seen) {
    answered_start_ = start_id;
    const bool quiet = seen->in_recovery && !seen->receiver;
    tell_([observation = *seen, start_id](Knowledge& k) {
      if (k.supervisor.start_id != start_id || observation.at < k.server_changed_at) return;
      take_observation(k, observation);
    });
    if (quiet) look_for_removed_wal();
    return;
  }
  const bool answered_before = answered_start_ == start_id;
  const bool cold = seen.error().one_line().find("Hot standby mode is disabled") != std::string::npos;
  tell_([start_id, answered_before, cold, began, text = seen.error().one_line()](Knowledge& k) {
    if (k.supervisor.start_id != start_id || began < k.server_changed_at) return;
    core::Server& server = k.situation.server;
    server.cold = cold;
    server.state = cold              ? core::ServerState::standby
                   : answered_before ? core::ServerState::unknown
                                     : core::ServerState::starting;
    server.trouble = text;
  });
}

// Files change only by our own operations, which report what they did: one look per stop is enough.
void Observing::look_at_stopped(const supervisor::Status& status) {
  const std::string run = status.supervisor_run + "/" + std::to_string(status.start_id);
  if (files_seen_of_ == run) return;
  const Instant began = boot_now();
  const auto& server = setup_.server;
  auto data = postgres::inspect(server, setup_.major);
  if (!data) {
    tell_([text = data.error().one_line(), began](Knowledge& k) {
      if (began < k.server_changed_at) return;
      k.situation.server.state = core::ServerState::unknown;
      k.situation.server.trouble = text;
    });
    return;
  }
  const bool exists = data->kind == postgres::DataKind::ours || data->kind == postgres::DataKind::incomplete;
  std::optional<Incarnation> incarnation;
  SystemId system_id;
  bool clean = status.exit && status.exit->clean;
  if (exists) {
    auto read = postgres::read_incarnation(server.data, server.node);
    if (read) incarnation = *read;
    auto control = postgres::read_control_file(server, server.data, boot_now() + Millis{5000});
    if (control) system_id = control->system_id;
    if (control && !status.exit) clean = control->cleanly_stopped();
  }
  const auto kind = data->kind;
  files_seen_of_ = run;
  tell_([kind, exists, incarnation, system_id, clean, began, why = data->why](Knowledge& k) {
    if (began < k.server_changed_at) return;
    core::Server& here = k.situation.server;
    here.state = exists ? core::ServerState::stopped : core::ServerState::absent;
    here.incarnation = incarnation;
    here.system_id = system_id;
    here.clean = clean;
    here.rebuilding = kind == postgres::DataKind::incomplete;
    if (!why.empty()) here.trouble = why;
  });
}

// The reason why a walreceiver gets no WAL stands in the log alone.
void Observing::look_for_removed_wal() {
  if (boot_now() - log_looked_at_ < Millis{1000}) return;
  log_looked_at_ = boot_now();
  const auto path = setup_.settings.state_directory / "log" / "postgres.log";
  std::error_code failure;
  const auto size = std::filesystem::file_size(path, failure);
  if (failure) return;
  // What stands there from before is not about now; PostgreSQL repeats itself with every try.
  if (log_read_to_ == 0 || log_read_to_ > size) log_read_to_ = size;
  constexpr std::uintmax_t most = 64 * 1024;
  if (size - log_read_to_ > most) log_read_to_ = size - most;
  std::ifstream log(path);
  log.seekg(static_cast<std::streamoff>(log_read_to_));
  std::string text(static_cast<std::size_t>(size - log_read_to_), '\0');
  log.read(text.data(), static_cast<std::streamsize>(text.size()));
  log_read_to_ = size;
  const bool removed = text.find("has already been removed") != std::string::npos ||
                       text.find("can no longer get changes from replication slot") != std::string::npos;
  const bool diverged = text.find("is not in this server's history") != std::string::npos ||
                        text.find("forked off current database system timeline") != std::string::npos ||
                        text.find("is ahead of the WAL flush position") != std::string::npos;
  if (!removed && !diverged) return;
  tell_([removed, diverged](Knowledge& k) {
    core::Server& server = k.situation.server;
    if (server.receiving || !server.upstream) return;
    server.wal_removed = server.wal_removed || removed;
    server.diverged = server.diverged || diverged;
  });
}

}  // namespace evergres::agent
