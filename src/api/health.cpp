#include "api/health.hpp"

#include <algorithm>

namespace evergres::api {
namespace {

using agent::View;

/// Patroni's default of maximum_lag_on_failover, which /readiness uses.
constexpr std::uint64_t readiness_lag = 1U << 20U;

constexpr bool is_about_leadership(Check check) {
  return check == Check::primary || check == Check::leader || check == Check::standby_leader;
}

constexpr bool takes_leader(Check check) {
  return check == Check::read_only || check == Check::read_only_sync ||
         check == Check::read_only_quorum;
}

const std::string* value_of(const Query& query, const char* name) {
  const auto found = query.values.find(name);
  return found == query.values.end() ? nullptr : &found->second;
}

/// An unknown end of the leader, or of ourselves, is no proof of a small lag.
bool lags_at_most(const View& view, const std::optional<Lsn>& own, std::uint64_t limit) {
  return own && view.leader_end && bytes_between(*own, *view.leader_end) <= limit;
}

Result<bool> state_matches(const Query& query, const View& view) {
  const std::string* wanted = value_of(query, "replication_state");
  if (wanted == nullptr) return true;
  if (*wanted == "streaming") return view.server.receiving;
  if (*wanted == "in archive recovery") return false;  // nothing is restored from archives yet
  return Error(ErrorCode::usage, "\"" + *wanted + "\" is no value for replication_state",
               "It is \"streaming\" or \"in archive recovery\".");
}

Result<bool> is_usable_replica(const Query& query, const View& view) {
  bool usable = is_running_standby(view) && view.server.gate_open && !view.yields &&
                !view.tags.contains("noloadbalance");
  auto matches = state_matches(query, view);
  if (!matches) return matches;
  usable = usable && *matches;
  if (const std::string* text = value_of(query, "lag"); text != nullptr) {
    auto limit = parse_bytes("lag", *text);
    if (!limit) return limit.error();
    usable = usable && lags_at_most(view, view.server.replay, *limit);
  }
  return usable;
}

/// The record says who votes; it must be of now.
bool is_in_touch(const View& view) {
  const bool store = view.store_age && view.settings != nullptr &&
                     *view.store_age <= 2 * view.settings->grant_length;
  return view.record_known && (store || view.server.receiving);
}

bool is_of_its_kind(Check check, const View& view) {
  switch (check) {
    case Check::sync:
    case Check::read_only_sync: return is_in_touch(view) && is_sync_standby(view);
    case Check::quorum:
    case Check::read_only_quorum: return is_in_touch(view) && is_quorum_standby(view);
    case Check::async: return is_in_touch(view) && !is_quorum_standby(view);
    default: return true;
  }
}

bool tags_match(const Query& query, const View& view) {
  return std::all_of(query.values.begin(), query.values.end(), [&](const auto& value) {
    constexpr std::string_view prefix = "tag_";
    if (!value.first.starts_with(prefix)) return true;
    const auto tag = view.tags.find(value.first.substr(prefix.size()));
    return tag != view.tags.end() && tag->second == value.second;
  });
}

/// Patroni gives a primary one ttl and a replica two; our lease is the grant.
bool is_alive(const View& view) {
  if (view.paused) return true;
  if (view.settings == nullptr) return false;
  const bool primary = view.server.state == core::ServerState::primary;
  return view.loop_age <= (primary ? 1 : 2) * view.settings->grant_length;
}

Result<bool> is_ready(const Query& query, const View& view) {
  const std::string* mode = value_of(query, "mode");
  if (mode != nullptr && *mode != "apply" && *mode != "write") {
    return Error(ErrorCode::usage, "\"" + *mode + "\" is no value for mode",
                 "It is \"apply\" (replayed WAL, the default) or \"write\" (received WAL).");
  }
  std::uint64_t limit = readiness_lag;
  if (const std::string* text = value_of(query, "lag"); text != nullptr) {
    auto parsed = parse_bytes("lag", *text);
    if (!parsed) return parsed.error();
    limit = *parsed;
  }
  if (is_open_leader(view)) return true;
  std::optional<Lsn> own = view.server.replay;
  if (mode != nullptr && *mode == "write") {
    own = view.server.position ? std::optional(view.server.position->lsn) : std::nullopt;
  }
  return is_running_standby(view) && view.server.receiving && !view.yields &&
         lags_at_most(view, own, limit);
}

Result<bool> passes_without_tags(Check check, const Query& query, const View& view) {
  switch (check) {
    case Check::primary:
    case Check::leader: return is_open_leader(view);
    case Check::standby_leader: return false;  // there are no standby clusters
    case Check::health: return is_running(view);
    case Check::liveness: return is_alive(view);
    case Check::readiness: return is_ready(query, view);
    default: break;
  }
  auto usable = is_usable_replica(query, view);
  if (!usable) return usable;
  if (takes_leader(check) && is_open_leader(view)) return true;
  return *usable && is_of_its_kind(check, view);
}

}  // namespace

bool is_open_leader(const View& view) {
  const auto& grant = view.server.grant;
  const bool granted = grant && grant->kind == core::GrantKind::lead &&
                       grant->term.value == view.cluster.term && view.now < grant->deadline;
  return granted && view.named_leader && !view.yields && view.server.gate_open &&
         view.server.state == core::ServerState::primary;
}

bool is_running_standby(const View& view) {
  return view.server.state == core::ServerState::standby && !view.server.cold;
}

bool is_running(const View& view) {
  return view.server.state == core::ServerState::primary || is_running_standby(view);
}

bool is_quorum_standby(const View& view) {
  const auto& voters = view.cluster.voters;
  return is_running_standby(view) && view.record_known && view.cluster.k > 0 &&
         std::find(voters.begin(), voters.end(), view.cluster.answered_by) != voters.end();
}

bool is_sync_standby(const View& view) {
  return is_quorum_standby(view) && view.cluster.unproven == 0 &&
         view.cluster.k == view.cluster.voters.size();
}

Result<bool> passes(Check check, const Query& query, const View& view) {
  auto yes = passes_without_tags(check, query, view);
  if (!yes || !*yes || is_about_leadership(check)) return yes;
  const bool is_probe = check == Check::liveness || check == Check::readiness;
  return is_probe || tags_match(query, view);
}

}  // namespace evergres::api
