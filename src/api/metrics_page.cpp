#include "api/metrics_page.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <ctime>

#include "api/documents.hpp"
#include "api/health.hpp"
#include "metrics/page.hpp"

namespace evergres::api {
namespace {

using agent::View;
using metrics::Metric;
using metrics::Page;

double seconds(Nanos span) {
  return static_cast<double>(span.count()) / 1e9;
}

/// "2026-11-21 06:28:24.123456+00:00" as seconds since 1970; 0 for another text.
double unix_seconds(const std::string& text) {
  std::tm parts{};
  double second = 0;
  const int read =
      std::sscanf(text.c_str(), "%d-%d-%d %d:%d:%lf+00:00", &parts.tm_year, &parts.tm_mon,
                  &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &second);
  if (read != 6) return 0;
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  return static_cast<double>(::timegm(&parts)) + second;
}

void add_postgres(Page& page, const View& view) {
  const core::Server& server = view.server;
  const bool primary = server.state == core::ServerState::primary;
  const bool standby = is_running_standby(view);
  const std::uint64_t end = server.position ? server.position->lsn.value : 0;
  const std::uint64_t replay = server.replay ? server.replay->value : 0;
  page.add_flag(Metric::postgres_running, is_running(view));
  page.add_flag(Metric::primary, is_open_leader(view));
  page.add_flag(Metric::replica, standby);
  page.add_flag(Metric::standby_leader, false);
  page.add_flag(Metric::sync_standby, is_sync_standby(view));
  page.add_flag(Metric::quorum_standby, is_quorum_standby(view));
  page.add(Metric::xlog_location, primary ? end : std::uint64_t{0});
  page.add(Metric::xlog_received_location, standby ? end : std::uint64_t{0});
  page.add(Metric::xlog_replayed_location, standby ? replay : std::uint64_t{0});
  page.add_flag(Metric::postgres_streaming, server.receiving);
  page.add(Metric::postgres_timeline,
           std::uint64_t{server.position ? server.position->timeline.value : 0});
  page.add(Metric::postgres_state, std::int64_t{postgres_state(view).number});
}

/// Values that Patroni shows as 0 while they are not known.
void add_details(Page& page, const View& view) {
  const agent::ServerDetails none;
  const agent::ServerDetails& details = view.details ? *view.details : none;
  page.add(Metric::postgres_server_version, std::int64_t{details.version});
  page.add(Metric::postmaster_start_time, unix_seconds(details.started));
  page.add(Metric::xlog_replayed_timestamp, unix_seconds(details.replayed_at.value_or("")));
  page.add_flag(Metric::xlog_paused, details.replay_paused);
  page.add_flag(Metric::postgres_in_archive_recovery, false);
  page.add_flag(Metric::pending_restart, !view.pending_restart.empty());
  if (!details.sync_waits) return;
  page.add(Metric::sync_waits, *details.sync_waits);
  page.add(Metric::oldest_sync_wait_seconds, details.oldest_sync_wait_seconds);
}

void add_agent(Page& page, const View& view) {
  std::int64_t last_seen = 0;
  if (view.store_age) {
    last_seen = (view.wall_ms - std::chrono::duration_cast<Millis>(*view.store_age).count()) / 1000;
    page.add(Metric::store_age_seconds, seconds(*view.store_age));
  }
  page.add(Metric::dcs_last_seen, last_seen);
  page.add(Metric::loop_age_seconds, seconds(view.loop_age));
  page.add(Metric::loop_duration_seconds, seconds(view.loop_took));
  page.add(Metric::agent_restarts_total, view.agent_restarts);
  const auto& grant = view.server.grant;
  const bool lasts = grant && view.now < grant->deadline;
  page.add(Metric::grant_remaining_seconds, lasts ? seconds(grant->deadline - view.now) : 0.0);
  if (const auto used = view.tally.grant_used.value(); used && view.settings != nullptr) {
    const Nanos left = Nanos(view.settings->grant_length) - *used;
    page.add(Metric::grant_remaining_lowest_seconds, seconds(std::max(left, Nanos{0})));
  }
  if (const auto longest = view.tally.loop_took.value()) {
    page.add(Metric::loop_duration_highest_seconds, seconds(*longest));
  }
  page.add(Metric::http_changes_total, view.http_changes);
  page.add(Metric::http_authentication_failures_total, view.http_authentication_failures);
  if (!view.version.empty())
    page.add(Metric::version, std::int64_t{1}, {{"version", view.version}});
}

void add_tally(Page& page, const agent::Tally& tally) {
  page.add(Metric::terms_total, tally.terms);
  for (const auto& [rule, count] : tally.decisions) {
    page.add(Metric::decisions_total, count, {{"rule", rule}});
  }
  for (const auto& [kind, one] : tally.operations) {
    for (const auto& [ending, count] : one.ended) {
      page.add(Metric::operations_total, count,
               {{"operation", kind}, {"ending", std::string(word_of(ending))}});
    }
    page.add(Metric::operation_seconds_total, seconds(one.spent), {{"operation", kind}});
  }
}

void add_cluster(Page& page, const View& view) {
  page.add_flag(Metric::cluster_unlocked, !view.leader_is_open);
  page.add_flag(Metric::is_paused, view.paused);
  page.add_flag(Metric::failsafe_mode_is_active, false);
  page.add_flag(Metric::leader_is_open, view.leader_is_open);
  if (!view.record_known) return;
  const cluster::ClusterStatus& status = view.cluster;
  page.add(Metric::term, status.term);
  page.add(Metric::policy_voters, std::uint64_t{status.voters.size()});
  page.add(Metric::policy_acknowledgements, std::uint64_t{status.k});
  page.add(Metric::policy_acknowledgements_wanted, std::uint64_t{status.wanted_k});
  page.add(Metric::policy_unproven, std::uint64_t{status.unproven});
  if (!status.durability.empty()) {
    page.add(Metric::durability, std::int64_t{1}, {{"mode", status.durability}});
  }
  page.add_flag(Metric::degraded, status.degraded.has_value());
  page.add(Metric::weak_commit_settings,
           std::uint64_t{status.weak_settings ? status.weak_settings->size() : 0});
  page.add(Metric::weak_commit_sessions, std::uint64_t{status.weak_sessions.value_or(0)});
}

void add_slots(Page& page, const View& view) {
  if (!view.cluster.slots) return;
  for (const cluster::SlotStatus& slot : *view.cluster.slots) {
    const metrics::Labels labels{{"slot", slot.name}, {"slot_type", slot.type}};
    page.add(Metric::slot_retained_bytes, slot.retained_bytes, labels);
    page.add(Metric::slot_active, std::int64_t{slot.active ? 1 : 0}, labels);
  }
}

void add_nodes(Page& page, const View& view) {
  for (const cluster::NodeStatus& node : view.cluster.nodes) {
    const metrics::Labels member{{"member", node.name}};
    if (node.receive_lag_bytes)
      page.add(Metric::receive_lag_bytes, *node.receive_lag_bytes, member);
    if (node.replay_lag_bytes) page.add(Metric::replay_lag_bytes, *node.replay_lag_bytes, member);
    if (node.lag_seconds) page.add(Metric::replay_lag_seconds, *node.lag_seconds, member);
    if (node.seen_seconds_ago)
      page.add(Metric::node_silence_seconds, *node.seen_seconds_ago, member);
  }
}

/// "fence 31 ms": a name and its length. Phases of another shape are left out.
std::optional<std::pair<std::string, double>> phase_of(const std::string& text) {
  constexpr std::string_view unit = " ms";
  if (!text.ends_with(unit)) return std::nullopt;
  const std::string_view rest = std::string_view(text).substr(0, text.size() - unit.size());
  const auto space = rest.rfind(' ');
  if (space == std::string_view::npos) return std::nullopt;
  std::int64_t millis = 0;
  const char* const end = rest.data() + rest.size();
  const auto read = std::from_chars(rest.data() + space + 1, end, millis);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return std::pair(std::string(rest.substr(0, space)), static_cast<double>(millis) / 1e3);
}

void add_history(Page& page, const View& view) {
  if (view.history == nullptr) return;
  std::map<std::string, std::uint64_t> changes;
  for (const auto& entry : *view.history) ++changes[entry.kind];
  for (const auto& [kind, count] : changes) {
    page.add(Metric::leadership_changes_total, count, {{"kind", kind}});
  }
  std::uint64_t lost = 0;
  for (const auto& entry : *view.history) lost += entry.lost ? entry.lost->bytes.value_or(0) : 0;
  page.add(Metric::failover_lost_bytes_total, lost);
  if (view.history->empty()) return;
  const cluster::HistoryEntry& last = view.history->back();
  page.add(Metric::leadership_change_last_time_seconds, static_cast<double>(last.wall_ms) / 1e3,
           {{"kind", last.kind}, {"leader", last.to}});
  std::map<std::string, double> phases;
  for (const std::string& text : last.phases) {
    if (const auto phase = phase_of(text)) phases[phase->first] += phase->second;
  }
  for (const auto& [name, length] : phases) {
    page.add(Metric::leadership_change_last_phase_seconds, length,
             {{"kind", last.kind}, {"phase", name}});
  }
}

}  // namespace

std::string metrics_page(const View& view) {
  Page page({{"scope", view.cluster.cluster}, {"name", view.cluster.answered_by}});
  add_postgres(page, view);
  add_details(page, view);
  add_agent(page, view);
  add_tally(page, view.tally);
  add_cluster(page, view);
  add_slots(page, view);
  add_nodes(page, view);
  add_history(page, view);
  return page.text();
}

}  // namespace evergres::api
