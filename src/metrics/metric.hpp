#pragma once

#include <array>
#include <string_view>

/// The names of everything that `/metrics` shows, declared once. Prometheus' rules for names, types
/// and help are checked by tests/metrics/.
namespace evergres::metrics {

enum class Type { gauge, counter };

/// Under which names a metric is shown. `both`: its meaning is exactly that of Patroni's metric of
/// the same name, so that dashboards made for Patroni keep working.
enum class Prefix { evergres, both, patroni };

enum class Metric {
  postgres_running,
  primary,
  replica,
  standby_leader,
  sync_standby,
  quorum_standby,
  xlog_location,
  xlog_received_location,
  xlog_replayed_location,
  postgres_streaming,
  postgres_timeline,
  postgres_state,
  postgres_server_version,
  postmaster_start_time,
  xlog_replayed_timestamp,
  xlog_paused,
  postgres_in_archive_recovery,
  pending_restart,
  sync_waits,
  oldest_sync_wait_seconds,
  cluster_unlocked,
  dcs_last_seen,
  is_paused,
  failsafe_mode_is_active,
  leader_is_open,
  term,
  policy_voters,
  policy_acknowledgements,
  policy_acknowledgements_wanted,
  policy_unproven,
  durability,
  degraded,
  weak_commit_settings,
  weak_commit_sessions,
  slot_retained_bytes,
  slot_active,
  grant_remaining_seconds,
  grant_remaining_lowest_seconds,
  store_age_seconds,
  loop_age_seconds,
  loop_duration_seconds,
  loop_duration_highest_seconds,
  receive_lag_bytes,
  replay_lag_bytes,
  replay_lag_seconds,
  node_silence_seconds,
  agent_restarts_total,
  leadership_changes_total,
  failover_lost_bytes_total,
  leadership_change_last_time_seconds,
  leadership_change_last_phase_seconds,
  terms_total,
  decisions_total,
  operations_total,
  operation_seconds_total,
  http_changes_total,
  http_authentication_failures_total,
  version,
};

/// One row of the table: what Prometheus calls a family.
struct Family {
  Metric metric;
  std::string_view name;  ///< without its prefix
  Type type;
  Prefix prefix;
  std::string_view help;
};

/// Every Metric once, in the order of the enumeration, which is the order of the page.
inline constexpr std::array families{
    Family{Metric::postgres_running, "postgres_running", Type::gauge, Prefix::both,
           "1 if PostgreSQL of this node runs and answers, else 0."},
    Family{Metric::primary, "primary", Type::gauge, Prefix::both,
           "1 if this node is the open leader and its grant lasts, else 0."},
    Family{Metric::replica, "replica", Type::gauge, Prefix::both,
           "1 if PostgreSQL of this node runs as a standby, else 0."},
    Family{Metric::standby_leader, "standby_leader", Type::gauge, Prefix::patroni,
           "Always 0: there are no standby clusters."},
    Family{Metric::sync_standby, "sync_standby", Type::gauge, Prefix::both,
           "1 if every commit waits for this node, else 0."},
    Family{Metric::quorum_standby, "quorum_standby", Type::gauge, Prefix::both,
           "1 if this node is one of the voters that commits wait for, else 0."},
    Family{Metric::xlog_location, "xlog_location", Type::gauge, Prefix::both,
           "End of durable WAL in bytes; 0 unless PostgreSQL of this node runs as a primary."},
    Family{Metric::xlog_received_location, "xlog_received_location", Type::gauge, Prefix::both,
           "End of durable received WAL in bytes; 0 unless this node is a standby."},
    Family{Metric::xlog_replayed_location, "xlog_replayed_location", Type::gauge, Prefix::both,
           "End of replayed WAL in bytes; 0 unless this node is a standby."},
    Family{Metric::postgres_streaming, "postgres_streaming", Type::gauge, Prefix::both,
           "1 if a walreceiver of this node streams, else 0."},
    Family{Metric::postgres_timeline, "postgres_timeline", Type::gauge, Prefix::both,
           "Timeline of the end of WAL of this node; 0 if it is not known."},
    Family{Metric::postgres_state, "postgres_state", Type::gauge, Prefix::both,
           "State of PostgreSQL: 4 creating replica, 5 running, 6 starting, 11 stopping, 12 "
           "stopped; -1 unknown."},
    Family{Metric::postgres_server_version, "postgres_server_version", Type::gauge, Prefix::both,
           "Version of PostgreSQL: 150014 is 15.14; 0 if it is not known."},
    Family{Metric::postmaster_start_time, "postmaster_start_time", Type::gauge, Prefix::both,
           "Unix time in seconds at which PostgreSQL was started; 0 if it is not known."},
    Family{Metric::xlog_replayed_timestamp, "xlog_replayed_timestamp", Type::gauge, Prefix::both,
           "Unix time in seconds of the last replayed commit; 0 if there is none."},
    Family{Metric::xlog_paused, "xlog_paused", Type::gauge, Prefix::both,
           "1 if replay of WAL is paused, else 0."},
    Family{Metric::postgres_in_archive_recovery, "postgres_in_archive_recovery", Type::gauge,
           Prefix::patroni, "Always 0: standbys only stream."},
    Family{Metric::pending_restart, "pending_restart", Type::gauge, Prefix::both,
           "1 if a setting of this node waits for a restart of PostgreSQL, else 0."},
    Family{Metric::sync_waits, "sync_waits", Type::gauge, Prefix::evergres,
           "Sessions of this primary that wait for the acknowledgement of a commit."},
    Family{Metric::oldest_sync_wait_seconds, "oldest_sync_wait_seconds", Type::gauge,
           Prefix::evergres,
           "Age of the oldest statement of these sessions; 0 if none waits."},
    Family{Metric::cluster_unlocked, "cluster_unlocked", Type::gauge, Prefix::both,
           "1 if the record shows no open leader, or is not known; else 0."},
    Family{Metric::dcs_last_seen, "dcs_last_seen", Type::gauge, Prefix::both,
           "Unix time in seconds of the last successful read of the store; 0 if there was none."},
    Family{Metric::is_paused, "is_paused", Type::gauge, Prefix::both,
           "1 if automatic failover is switched off, else 0."},
    Family{Metric::failsafe_mode_is_active, "failsafe_mode_is_active", Type::gauge, Prefix::patroni,
           "Always 0: without the store a leader asks its voters."},
    Family{Metric::leader_is_open, "leader_is_open", Type::gauge, Prefix::evergres,
           "1 if the record shows an open leader, whoever it is; else 0."},
    Family{Metric::term, "term", Type::gauge, Prefix::evergres, "Term of the record."},
    Family{Metric::policy_voters, "policy_voters", Type::gauge, Prefix::evergres,
           "Standbys that may acknowledge commits."},
    Family{Metric::policy_acknowledgements, "policy_acknowledgements", Type::gauge,
           Prefix::evergres, "How many voters must acknowledge a commit."},
    Family{Metric::policy_acknowledgements_wanted, "policy_acknowledgements_wanted", Type::gauge,
           Prefix::evergres, "How many voters should have to acknowledge a commit."},
    Family{Metric::policy_unproven, "policy_unproven", Type::gauge, Prefix::evergres,
           "Policies that are recorded and not yet proven."},
    Family{Metric::durability, "durability", Type::gauge, Prefix::evergres,
           "1 for the durability mode of the policy in force."},
    Family{Metric::degraded, "degraded", Type::gauge, Prefix::evergres,
           "1 if commits have fewer copies than wanted, else 0."},
    Family{Metric::weak_commit_settings, "weak_commit_settings", Type::gauge, Prefix::evergres,
           "Roles, databases and files whose synchronous_commit is weaker than the durability."},
    Family{Metric::weak_commit_sessions, "weak_commit_sessions", Type::gauge, Prefix::evergres,
           "Sessions that began under such a setting. What a session sets itself is not seen."},
    Family{Metric::slot_retained_bytes, "slot_retained_bytes", Type::gauge, Prefix::evergres,
           "Bytes of WAL that a replication slot of the leader keeps, at most 10 s old."},
    Family{Metric::slot_active, "slot_active", Type::gauge, Prefix::evergres,
           "1 if somebody streams from this slot of the leader, else 0."},
    Family{Metric::grant_remaining_seconds, "grant_remaining_seconds", Type::gauge,
           Prefix::evergres, "For how long this node may go on as primary; 0 without a grant."},
    Family{Metric::grant_remaining_lowest_seconds, "grant_remaining_lowest_seconds", Type::gauge,
           Prefix::evergres,
           "Least that remained of the grant of this leader in the last one to two minutes."},
    Family{Metric::store_age_seconds, "store_age_seconds", Type::gauge, Prefix::evergres,
           "Time since the last successful read of the store; absent before the first."},
    Family{Metric::loop_age_seconds, "loop_age_seconds", Type::gauge, Prefix::evergres,
           "Time since the agent last began to decide."},
    Family{Metric::loop_duration_seconds, "loop_duration_seconds", Type::gauge, Prefix::evergres,
           "How long the agent's last complete decision took."},
    Family{Metric::loop_duration_highest_seconds, "loop_duration_highest_seconds", Type::gauge,
           Prefix::evergres,
           "Longest decision of the last one to two minutes. It delays what takes a grant_length "
           "at most."},
    Family{Metric::receive_lag_bytes, "receive_lag_bytes", Type::gauge, Prefix::evergres,
           "WAL of the leader that a node has not received, as this node sees it."},
    Family{Metric::replay_lag_bytes, "replay_lag_bytes", Type::gauge, Prefix::evergres,
           "WAL of the leader that a node has not replayed, as this node sees it."},
    Family{Metric::replay_lag_seconds, "replay_lag_seconds", Type::gauge, Prefix::evergres,
           "Age of what a node replayed last while WAL waits for replay there, else 0."},
    Family{Metric::node_silence_seconds, "node_silence_seconds", Type::gauge, Prefix::evergres,
           "Time since this node last heard another one."},
    Family{Metric::agent_restarts_total, "agent_restarts_total", Type::counter, Prefix::evergres,
           "How often the supervisor has restarted the agent."},
    Family{Metric::leadership_changes_total, "leadership_changes_total", Type::counter,
           Prefix::evergres, "Changes of the leadership in the history, by kind."},
    Family{Metric::failover_lost_bytes_total, "failover_lost_bytes_total", Type::counter,
           Prefix::evergres, "WAL that failovers gave up with the leader, as far as it is known."},
    Family{Metric::leadership_change_last_time_seconds, "leadership_change_last_time_seconds",
           Type::gauge, Prefix::evergres, "Unix time at which the last leader opened."},
    Family{Metric::leadership_change_last_phase_seconds, "leadership_change_last_phase_seconds",
           Type::gauge, Prefix::evergres, "Phases of the last change of the leadership."},
    Family{Metric::terms_total, "terms_total", Type::counter, Prefix::evergres,
           "New terms that this run of the agent saw: elections and handovers."},
    Family{Metric::decisions_total, "decisions_total", Type::counter, Prefix::evergres,
           "Changes of this agent's decision, by rule."},
    Family{Metric::operations_total, "operations_total", Type::counter, Prefix::evergres,
           "Operations that ended in this run of the agent, by kind (fence, promote, rewind and "
           "their like) and by how they ended."},
    Family{Metric::operation_seconds_total, "operation_seconds_total", Type::counter,
           Prefix::evergres, "Time that these operations took, by kind."},
    Family{Metric::http_changes_total, "http_changes_total", Type::counter, Prefix::evergres,
           "Changes that were asked for over HTTP with the right password."},
    Family{Metric::http_authentication_failures_total, "http_authentication_failures_total",
           Type::counter, Prefix::evergres, "Requests over HTTP with a wrong user or password."},
    Family{Metric::version, "version_info", Type::gauge, Prefix::evergres,
           "1, with the version of Evergres as a label."},
};

constexpr bool every_metric_in_its_place() {
  for (std::size_t i = 0; i < families.size(); ++i) {
    if (families[i].metric != static_cast<Metric>(i)) return false;
  }
  return families.back().metric == Metric::version;
}
static_assert(every_metric_in_its_place());

}  // namespace evergres::metrics
