#include "api/documents.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>

#include "api/health.hpp"
#include "base/lsn.hpp"
#include "core/intent.hpp"

namespace evergres::api {
namespace {

namespace json = boost::json;
using agent::View;

/// Patroni's words for PostgreSQL's role. "primary" is said only by the open leader: nobody should
/// take a server for it that may not acknowledge.
const char* role_of(const View& view) {
  if (is_open_leader(view)) return "primary";
  if (view.server.state == core::ServerState::absent) return "uninitialized";
  if (view.server.state != core::ServerState::primary) return "replica";
  return view.named_heir || view.named_leader ? "promoted" : "demoted";
}

json::value text_or_null(const std::optional<std::string>& text) {
  return text ? json::value(*text) : json::value(nullptr);
}

json::object wal_positions(const View& view) {
  json::object xlog;
  const core::Server& server = view.server;
  if (server.state == core::ServerState::primary) {
    if (server.position) xlog["location"] = server.position->lsn.value;
    return xlog;
  }
  if (server.position) xlog["received_location"] = server.position->lsn.value;
  if (server.replay) xlog["replayed_location"] = server.replay->value;
  if (view.details) {
    xlog["replayed_timestamp"] = text_or_null(view.details->replayed_at);
    xlog["paused"] = view.details->replay_paused;
  }
  return xlog;
}

/// The walsenders. The application name of a member tells its node.
json::array senders_of(const agent::ServerDetails& details) {
  json::array senders;
  for (const agent::SenderDetails& sender : details.senders) {
    json::object row;
    row["usename"] = sender.user;
    row["application_name"] = sender.application_name;
    row["client_addr"] = text_or_null(sender.client_address);
    row["state"] = sender.state;
    row["sync_state"] = sender.sync_state;
    row["sync_priority"] = sender.sync_priority;
    senders.push_back(std::move(row));
  }
  return senders;
}

/// Those whose values may be told.
json::object open_parameters(const std::map<std::string, std::string>& parameters) {
  json::object open;
  for (const auto& [name, value] : parameters) {
    if (!may_be_secret(name)) open[name] = value;
  }
  return open;
}

/// Of settings whose values may be secret only the name is told.
json::object pending_reasons(const View& view) {
  json::object reasons;
  for (const agent::PendingSetting& one : view.pending_restart) {
    json::object values;
    if (!may_be_secret(one.name)) {
      values["old_value"] = one.in_force;
      values["new_value"] = one.after_restart;
    }
    reasons[one.name] = std::move(values);
  }
  return reasons;
}

void add_details(json::object& body, const View& view) {
  const agent::ServerDetails& details = *view.details;
  body["postmaster_start_time"] = details.started;
  body["server_version"] = details.version;
  if (details.sender_end) body["latest_end_lsn"] = details.sender_end->value;
  if (!view.pending_restart.empty()) {
    body["pending_restart"] = true;
    body["pending_restart_reason"] = pending_reasons(view);
  }
  if (auto senders = senders_of(details); !senders.empty()) body["replication"] = senders;
}

/// A tag is a text; what can be a truth or a whole number is shown as one, as in node.yaml.
json::value tag_value(const std::string& text) {
  if (text == "true" || text == "false") return text == "true";
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  const bool is_plain = read.ec == std::errc() && read.ptr == end && std::to_string(number) == text;
  return is_plain ? json::value(number) : json::value(text);
}

json::object tags_of(const std::map<std::string, std::string>& texts) {
  json::object tags;
  for (const auto& [name, text] : texts) tags[name] = tag_value(text);
  return tags;
}

json::object own_part(const View& view) {
  json::object own;
  own["term"] = view.cluster.term;
  own["phase"] = view.cluster.phase;
  if (view.cluster.leader) own["leader"] = *view.cluster.leader;
  own["gate_open"] = view.server.gate_open;
  if (view.cluster.degraded) own["degraded"] = *view.cluster.degraded;
  if (view.cluster.store_trouble) own["store_trouble"] = *view.cluster.store_trouble;
  if (view.operation) own["operation"] = *view.operation;
  return own;
}

const char* member_role(const std::string& role) {
  if (role == "leader") return "leader";
  return role == "voter" ? "quorum_standby" : "replica";
}

std::string member_state(const std::string& state) {
  if (state == "waiting") return "running";
  if (state == "silent") return "unknown";
  if (state == "fenced") return "stopped";
  return state == "cloning" ? "creating replica" : state;
}

void put_position(json::object& member, const std::string& prefix,
                  const std::optional<std::string>& lsn, const std::optional<std::uint64_t>& lag) {
  const std::string lsn_name = prefix + "lsn";
  const std::string lag_name = prefix + "lag";
  if (lsn && lag) {
    member[lsn_name] = *lsn;
    member[lag_name] = *lag;
  } else {
    member[lsn_name] = lsn ? *lsn : "unknown";
    member[lag_name] = "unknown";
  }
}

json::object member_document(const View& view, const cluster::NodeStatus& node) {
  json::object member;
  member["name"] = node.name;
  member["role"] = member_role(node.role);
  member["state"] = member_state(node.state);
  const auto url = view.api_urls.find(node.name);
  if (url != view.api_urls.end()) member["api_url"] = url->second;
  if (!node.host.empty()) {
    member["host"] = node.host;
    member["port"] = node.port;
  }
  if (node.timeline) member["timeline"] = *node.timeline;
  if (node.settings && !node.settings->pending_restart.empty()) member["pending_restart"] = true;
  if (node.tags && !node.tags->empty()) member["tags"] = tags_of(*node.tags);
  if (node.role == "leader") return member;
  put_position(member, "receive_", node.receive_lsn, node.receive_lag_bytes);
  put_position(member, "replay_", node.replay_lsn, node.replay_lag_bytes);
  put_position(member, "", node.receive_lsn, node.receive_lag_bytes);
  return member;
}

/// The timeline that a leadership left: what its server's history file calls it.
std::uint32_t timeline_before(const View& view, std::uint32_t timeline) {
  for (const core::Lineage& one : view.lineage) {
    if (one.timeline.value == timeline) return one.parent.value;
  }
  return timeline > 0 ? timeline - 1 : 0;
}

/// "2026-11-21 06:28:24.123+00" becomes "2026-11-21T06:28:24.123+00:00".
std::string iso_time(std::int64_t wall_ms) {
  std::string text = wall_text(wall_ms) + ":00";
  std::replace(text.begin(), text.end(), ' ', 'T');
  return text;
}

}  // namespace

bool may_be_secret(const std::string& name) {
  constexpr std::array words{"command", "conninfo", "pass", "secret", "key", "."};
  return std::any_of(words.begin(), words.end(),
                     [&](const char* word) { return name.find(word) != std::string::npos; });
}

PostgresState postgres_state(const View& view) {
  using enum core::ServerState;
  if (view.operation == core::Clone::kind) return {"creating replica", 4};
  if (is_running(view)) return {"running", 5};
  switch (view.server.state) {
    case starting:
    case standby:  // it answers no SQL yet
      return {"starting", 6};
    case stopping: return {"stopping", 11};
    case stopped:
    case absent: return {"stopped", 12};
    default: return {"unknown", -1};
  }
}

json::value node_document(const View& view) {
  json::object body;
  body["state"] = postgres_state(view).word;
  body["role"] = role_of(view);
  if (is_running(view)) {
    body["xlog"] = wal_positions(view);
    if (view.server.position) body["timeline"] = view.server.position->timeline.value;
    if (view.server.receiving) body["replication_state"] = "streaming";
    if (view.details) add_details(body, view);
  }
  if (is_sync_standby(view)) body["sync_standby"] = true;
  if (is_quorum_standby(view)) body["quorum_standby"] = true;
  if (view.paused) body["pause"] = true;
  if (!view.leader_is_open) body["cluster_unlocked"] = true;
  if (view.store_age) {
    body["dcs_last_seen"] =
        (view.wall_ms - std::chrono::duration_cast<Millis>(*view.store_age).count()) / 1000;
  }
  if (!view.tags.empty()) body["tags"] = tags_of(view.tags);
  if (!view.cluster.system_id.empty()) body["database_system_identifier"] = view.cluster.system_id;
  json::object names;
  names["version"] = view.version;
  names["scope"] = view.cluster.cluster;
  names["name"] = view.cluster.answered_by;
  body["patroni"] = std::move(names);
  body["evergres"] = own_part(view);
  return body;
}

json::value cluster_document(const View& view) {
  json::array members;
  for (const auto& node : view.cluster.nodes) members.push_back(member_document(view, node));
  json::object body;
  body["members"] = std::move(members);
  if (view.paused) body["pause"] = true;
  body["scope"] = view.cluster.cluster;
  return body;
}

json::value history_document(const View& view) {
  json::array rows;
  if (view.history == nullptr) return rows;
  for (const cluster::HistoryEntry& entry : *view.history) {
    json::array row;
    row.push_back(timeline_before(view, entry.timeline));
    row.push_back(Lsn::parse(entry.switch_lsn).value_or(Lsn{}).value);
    row.push_back(json::value(entry.kind + ": " + entry.reason));
    row.push_back(json::value(iso_time(entry.wall_ms)));
    row.push_back(json::value(entry.to));
    rows.push_back(std::move(row));
  }
  return rows;
}

namespace {

/// As Patroni shows its permanent slots.
json::object slots_document(const config::ClusterSettings& settings) {
  json::object slots;
  for (const auto& [name, slot] : settings.slots) {
    json::object one;
    one["type"] = slot.logical ? "logical" : "physical";
    if (slot.logical) one["database"] = slot.database;
    if (slot.logical) one["plugin"] = slot.plugin;
    slots[name] = std::move(one);
  }
  return slots;
}

}  // namespace

std::optional<json::value> config_document(const View& view) {
  if (!view.record_known || view.settings == nullptr) return std::nullopt;
  const config::NodeSettings& settings = *view.settings;
  const std::map<std::string, std::string> none;
  json::object postgresql;
  postgresql["parameters"] =
      open_parameters(view.cluster_settings ? view.cluster_settings->settings.parameters : none);
  postgresql["use_pg_rewind"] = true;
  postgresql["use_slots"] = true;
  json::object body;
  const std::string& mode = view.cluster.durability;
  body["synchronous_mode"] = mode == "async" ? json::value(false) : json::value("quorum");
  body["synchronous_mode_strict"] = mode == "strict";
  body["synchronous_node_count"] = view.cluster.wanted_k;
  body["pause"] = view.paused;
  body["postgresql"] = std::move(postgresql);
  if (view.cluster_settings && !view.cluster_settings->settings.slots.empty())
    body["slots"] = slots_document(view.cluster_settings->settings);
  json::object own;
  own["suspect_after_ms"] = settings.suspect_after.count();
  own["voter_timeout_ms"] = settings.voter_timeout.count();
  own["grant_length_ms"] = settings.grant_length.count();
  own["promote_timeout_ms"] = settings.promote_timeout.count();
  own["node_parameters"] = open_parameters(settings.parameters);
  body["evergres"] = std::move(own);
  return body;
}

}  // namespace evergres::api
