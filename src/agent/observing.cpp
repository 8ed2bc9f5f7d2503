#include "agent/observing.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "agent/differences.hpp"
#include "agent/learning.hpp"
#include "agent/made_slots.hpp"
#include "core/view.hpp"
#include "postgres/control_file.hpp"
#include "postgres/data_directory.hpp"
#include "postgres/promotion.hpp"
#include "postgres/weak_commits.hpp"

namespace evergres::agent {
namespace {

/// What somebody changed in the rendered postgresql.conf.
Lines edited_lines(const Setup& setup, const cluster::Spec* spec) {
  postgres::Configuration configuration;
  configuration.cluster_name = setup.settings.cluster;
  configuration.parameters = setup.settings.parameters;
  configuration.certificates = usable_certificates(setup.settings.state_directory);
  fill_in(configuration, spec);
  return drift_of(setup.server, postgres::render_settings(setup.server, configuration));
}

}  // namespace

Observing::Observing(const Setup& setup, std::shared_ptr<SharedObserver> observer, Tell tell)
    : setup_(setup),
      tell_(std::move(tell)),
      observer_(std::move(observer)),
      certificates_(setup.settings),
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
    bound_log();
    sweep();
    if (const auto kept = certificates_.look(); !kept) {
      tell_([text = kept.error().one_line()](Knowledge& k) { k.recent_errors.push_back(text); });
    }
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
  auto seen = observer_->observe(began + Millis{1000});
  const std::uint64_t start_id = status.start_id;
  if (seen) {
    if (answered_start_ != start_id) note_whole();
    time_replies(*seen);
    // Soon, but not while an opening may be under way.
    if (answered_start_ != start_id || was_in_recovery_ != seen->in_recovery)
      seldom_looked_at_ = boot_now() - Millis{9'000};
    was_in_recovery_ = seen->in_recovery;
    answered_start_ = start_id;
    const bool quiet = seen->in_recovery && !seen->receiver;
    tell_([observation = *seen, start_id](Knowledge& k) {
      if (k.supervisor.start_id != start_id || observation.at < k.server_changed_at) return;
      learn_observation(k, observation);
    });
    if (quiet) look_for_removed_wal();
    // Never both: the next observation is what keeps a leader's names proven.
    const bool looked = look_for_drift(start_id);
    if (!looked) look_seldom(start_id, seen->in_recovery);
    return;
  }
  const bool answered_before = answered_start_ == start_id;
  const bool cold =
      seen.error().one_line().find("Hot standby mode is disabled") != std::string::npos;
  tell_([start_id, answered_before, cold, began, text = seen.error().one_line()](Knowledge& k) {
    if (k.supervisor.start_id != start_id || began < k.server_changed_at) return;
    learn_silence(k, answered_before, cold, began, text);
  });
}

// A rewound server answers only once it is as whole as its source was (minRecoveryPoint). The agent
// that rewound it may have been killed before it noted that; a later stop would take the data of a
// voter, or of a leader, for half a copy. On the thread that begins operations, and none runs: the
// mark of a rewind that begins now stays.
void Observing::note_whole() {
  const auto mark = postgres::read_rebuilding(setup_.server);
  if (mark && !*mark) return;
  tell_([&server = setup_.server](Knowledge& k) {
    if (k.situation.operation) return;
    const auto noted = postgres::remove_rebuilding(server);
    if (!noted) spdlog::warn("{}", noted.error().one_line());
  });
}

// reply_time is of the standby's clock, which may differ from ours or jump: only whether it moves
// says something. An idle standby replies each second (wal_receiver_status_interval).
void Observing::time_replies(postgres::Observation& seen) {
  constexpr std::int64_t moved_ms = 200;  // more than the time between the query's clock and ours
  std::map<std::string, Reply> replies;
  const std::int64_t wall = wall_now_ms();
  for (auto& sender : seen.senders) {
    if (!sender.reply_age_ms) continue;
    const std::string key = std::to_string(sender.pid) + " " + sender.application_name;
    Reply reply{wall - *sender.reply_age_ms, seen.at};
    if (const auto before = replies_.find(key); before != replies_.end()) {
      const std::int64_t moved = reply.time_ms - before->second.time_ms;
      if (moved > -moved_ms && moved < moved_ms) reply = before->second;
    }
    sender.reply_age_ms = (seen.at - reply.seen).count() / 1'000'000;
    replies.emplace(key, reply);
  }
  replies_ = std::move(replies);
}

// ALTER SYSTEM changes a file that we own, and editors change the other; each few seconds both are
// read, and a new connection shows what is in force.
bool Observing::look_for_drift(std::uint64_t start_id) {
  std::optional<std::string> names;
  std::shared_ptr<const cluster::Spec> spec;
  {
    const std::lock_guard lock(mutex_);
    names = expected_names_;
    spec = spec_;
  }
  const Instant now = boot_now();
  if (!names || now - drift_looked_at_ < Millis{5000}) return false;
  drift_looked_at_ = now;
  const Instant deadline = now + Millis{2000};
  postgres::SafetySettings safety;
  safety.synchronous_standby_names = *names;
  safety.primary_slot_name = core::slot_name(setup_.settings.node);
  auto session = postgres::Session::connect(setup_.server, {}, deadline);
  if (!session) return true;
  auto drift = postgres::differing_safety(*session, safety, deadline);
  auto altered = postgres::read_altered(setup_.server, safety);
  if (!drift) return true;
  if (!altered) {  // then it is written anew
    drift->push_back(altered.error().one_line());
    altered = std::map<std::string, std::string>();
  }
  // What nobody may alter is written over like the safety settings.
  std::erase_if(*altered, [&](const auto& setting) {
    const bool ours = postgres::find_owned(setting.first) != nullptr;
    if (ours) drift->push_back(setting.first + " was set by ALTER SYSTEM");
    return ours;
  });
  tell_([start_id, now, drift = *drift, altered = *altered,
         edited = edited_lines(setup_, spec.get())](Knowledge& k) {
    const bool changing = k.situation.operation.has_value() || now < k.server_changed_at;
    if (k.supervisor.start_id != start_id || changing) return;
    k.situation.server.drift = drift;
    k.settings.altered = altered;
    k.settings.edited = edited;
  });
  return true;
}

// Catalogues and slots change seldom, and nobody waits for this: it gives up rather than hold up
// the next look. A standby is asked only where permanent slots are declared, or were.
void Observing::look_seldom(std::uint64_t start_id, bool in_recovery) {
  const Instant now = boot_now();
  if (!seldom_due_ && now - seldom_looked_at_ < Millis{10'000}) return;
  seldom_due_ = false;
  seldom_looked_at_ = now;
  if (in_recovery && !cares_for_slots()) return;
  const Instant deadline = now + Millis{500};
  auto session = postgres::Session::connect(setup_.server, {}, deadline);
  if (!session) return;
  look_for_slots(*session, start_id, deadline);
  if (!in_recovery) look_for_weak_commits(*session, deadline);
}

bool Observing::cares_for_slots() {
  {
    const std::lock_guard lock(mutex_);
    if (spec_ && !spec_->settings.slots.empty()) return true;
  }
  const auto made = read_made_slots(setup_.settings.state_directory);
  return made && !made->empty();
}

void Observing::look_for_slots(postgres::Session& session, std::uint64_t start_id,
                               Instant deadline) {
  const Instant at = boot_now();
  auto slots = look_at_slots(setup_.settings.state_directory, session, deadline);
  if (!slots) return;
  tell_([start_id, at, slots = std::move(*slots)](Knowledge& k) {
    if (k.supervisor.start_id == start_id && at >= k.server_changed_at)
      learn_all_slots(k, slots, at);
  });
}

void Observing::look_for_weak_commits(postgres::Session& session, Instant deadline) {
  auto found = postgres::weak_commits(session, local_is_enough_, deadline);
  if (!found) return;
  std::optional<core::WeakCommits> weak;
  if (!found->settings.empty()) weak = core::WeakCommits{found->sessions, found->settings};
  tell_([weak](Knowledge& k) { k.weak_commits = weak; });
}

// Files change only by our own operations, which report what they did: one look per stop is enough.
void Observing::look_at_stopped(const supervisor::Status& status) {
  const std::string run = status.supervisor_run + "/" + std::to_string(status.start_id);
  if (files_seen_of_ == run || files_in_flux_) return;
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
  const bool exists =
      data->kind == postgres::DataKind::ours || data->kind == postgres::DataKind::incomplete;
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
    const bool in_flux =
        k.situation.operation && (k.situation.operation->kind == core::Clone::kind ||
                                  k.situation.operation->kind == core::Rewind::kind);
    if (began < k.server_changed_at || in_flux) return;
    core::Server& here = k.situation.server;
    here.state = exists ? core::ServerState::stopped : core::ServerState::absent;
    here.incarnation = incarnation;
    here.system_id = system_id;
    here.clean = clean;
    here.rebuilding = kind == postgres::DataKind::incomplete;
    if (!why.empty()) here.trouble = why;
  });
}

// PostgreSQL appends to one file (O_APPEND, so that it may be cut under it), and a standby without
// upstream says so ten times a second.
void Observing::bound_log() {
  constexpr std::uintmax_t largest = 64U << 20U;
  if (boot_now() - log_bounded_at_ < Millis{10'000}) return;
  log_bounded_at_ = boot_now();
  const auto path = setup_.settings.state_directory / "log" / "postgres.log";
  std::error_code failure;
  if (std::filesystem::file_size(path, failure) <= largest || failure) return;
  auto older = path;
  older.replace_filename("postgres.1.log");
  std::filesystem::copy_file(path, older, std::filesystem::copy_options::overwrite_existing,
                             failure);
  std::filesystem::resize_file(path, 0, failure);
}

// Data directories that a clone replaced, and copies that came to nothing: on a thread of its own,
// for that may take minutes.
void Observing::sweep() {
  if (sweeping_ || boot_now() - swept_at_ < Millis{60'000}) return;
  swept_at_ = boot_now();
  const auto found = postgres::has_replaced(setup_.server);
  if (!found || !*found) return;
  sweeping_ = true;
  sweeper_ = std::jthread([this](const std::stop_token& stop) {
    spdlog::info("removing what a clone left beside {}", setup_.server.data.string());
    const auto removed = postgres::remove_replaced(setup_.server, stop);
    if (!removed) spdlog::warn("{}", removed.error().one_line());
    sweeping_ = false;
  });
}

// The reason why a walreceiver gets no WAL stands in the log alone.
void Observing::look_for_removed_wal() {
  const auto said =
      upstream_words_.read(setup_.settings.state_directory / "log" / "postgres.log", boot_now());
  if (said) tell_([said = *said](Knowledge& k) { learn_refusal(k.situation.server, said); });
}

}  // namespace evergres::agent
