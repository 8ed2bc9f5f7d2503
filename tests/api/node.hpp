#pragma once

#include <gtest/gtest.h>

#include "agent/services.hpp"
#include "api/respond.hpp"

/// Views of the nodes of a healthy cluster of three: n1 leads term 7, n2 and n3 vote, one of them
/// acknowledges.
namespace evergres::api::test {

inline const config::NodeSettings& settings() {
  static const config::NodeSettings is = [] {
    config::NodeSettings made;
    made.cluster = "shop";
    made.parameters = {{"work_mem", "8MB"},
                       {"archive_command", "curl https://user:password@backup/%f"},
                       {"extension.token", "hidden"}};
    return made;
  }();
  return is;
}

inline cluster::NodeStatus node_status(const std::string& name, const std::string& role,
                                       const std::string& state) {
  cluster::NodeStatus node;
  node.name = name;
  node.host = "127.0.0.1";
  node.port = 15432;
  node.role = role;
  node.state = state;
  node.timeline = 4;
  node.receive_lsn = "0/5000000";
  node.replay_lsn = "0/4FFFFF0";
  if (role != "leader") {
    node.receive_lag_bytes = 0;
    node.replay_lag_bytes = 16;
    node.lag_seconds = 0.5;
  }
  return node;
}

inline agent::View any_node(const std::string& name) {
  agent::View view;
  view.now = Instant{1'000'000'000'000};
  view.wall_ms = 1'700'000'000'500;
  view.settings = &settings();
  view.version = "0.1.0";
  view.record_known = true;
  view.leader_is_open = true;
  view.store_age = Millis{400};
  auto& status = view.cluster;
  status.cluster = "shop";
  status.answered_by = name;
  status.system_id = "7268616322854375442";
  status.term = 7;
  status.phase = "leading";
  status.leader = "n1";
  status.durability = "quorum";
  status.k = 1;
  status.wanted_k = 1;
  status.voters = {"n2", "n3"};
  status.nodes = {node_status("n1", "leader", "running"), node_status("n2", "voter", "streaming"),
                  node_status("n3", "voter", "waiting")};
  view.api_urls["n1"] = "http://127.0.0.1:8008/patroni";
  agent::ServerDetails details;
  details.version = 150014;
  details.started = "2026-11-21 06:28:24.123456+00:00";
  view.details = details;
  view.server.gate_open = true;
  view.server.position = core::Position{TimelineId{4}, Lsn{0x5000000}};
  view.leader_end = Lsn{0x5000000};
  core::Lineage lineage;
  lineage.term = Term{7};
  lineage.timeline = TimelineId{4};
  lineage.parent = TimelineId{2};
  view.lineage = {lineage};
  return view;
}

inline agent::View leader() {
  agent::View view = any_node("n1");
  view.named_leader = true;
  view.server.state = core::ServerState::primary;
  view.server.grant = core::Grant{core::GrantKind::lead, Term{7}, view.now + Millis{4000}};
  view.server.replay = Lsn{0x5000000};
  view.details->sync_waits = 0;
  return view;
}

/// It has not replayed the last 2 MB.
inline agent::View standby() {
  agent::View view = any_node("n2");
  view.server.state = core::ServerState::standby;
  view.server.receiving = true;
  view.server.replay = Lsn{0x5000000 - (2U << 20U)};
  view.details->replayed_at = "2026-11-21 07:00:00.000001+00:00";
  view.details->sender_end = Lsn{0x5000000};
  return view;
}

inline net::HttpAnswer ask(const agent::View& view, const std::string& target,
                           const std::string& method = "GET") {
  net::HttpRequest request;
  request.method = method;
  request.target = target;
  return respond(request, view);
}

}  // namespace evergres::api::test
