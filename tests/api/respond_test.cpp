#include <boost/json.hpp>

#include "api/node.hpp"
#include "api/query.hpp"
#include "core/intent.hpp"

namespace evergres::api::test {
namespace {

using agent::View;
using cluster::HistoryEntry;
namespace json = boost::json;

json::value body_of(const View& view, const std::string& target) {
  const auto answer = ask(view, target);
  EXPECT_EQ(answer.content_type, "application/json") << target;
  return json::parse(answer.body);
}

std::shared_ptr<const std::vector<HistoryEntry>> history() {
  HistoryEntry first;
  first.term = 1;
  first.timeline = 2;
  first.switch_lsn = "0/3000000";
  first.kind = "bootstrap";
  first.to = "n2";
  first.reason = "the cluster was made";
  first.wall_ms = 1'600'000'000'000;
  HistoryEntry last = first;
  last.term = 7;
  last.timeline = 4;
  last.switch_lsn = "0/4000000";
  last.kind = "failover";
  last.from = "n2";
  last.to = "n1";
  last.reason = "n2 is silent";
  last.wall_ms = 1'600'000'060'250;
  last.phases = {"fence 31 ms", "ask to promote 50 ms", "a phase without a length"};
  return std::make_shared<const std::vector<HistoryEntry>>(std::vector{first, last});
}

TEST(Respond, TheLeadersDocument) {
  View view = leader();
  view.details->senders = {
      {"evg_n2_ab_t7", "evergres_replication", "10.0.0.2", "streaming", "quorum", 1},
      {"pg_basebackup", "postgres", std::nullopt, "backup", "async", 0}};
  EXPECT_EQ(body_of(view, "/primary"), json::parse(R"({
    "state": "running", "role": "primary", "timeline": 4, "xlog": {"location": 83886080},
    "server_version": 150014, "postmaster_start_time": "2026-11-21 06:28:24.123456+00:00",
    "replication": [
      {"usename": "evergres_replication", "application_name": "evg_n2_ab_t7",
       "client_addr": "10.0.0.2", "state": "streaming", "sync_state": "quorum", "sync_priority": 1},
      {"usename": "postgres", "application_name": "pg_basebackup", "client_addr": null,
       "state": "backup", "sync_state": "async", "sync_priority": 0}],
    "dcs_last_seen": 1700000000, "database_system_identifier": "7268616322854375442",
    "patroni": {"version": "0.1.0", "scope": "shop", "name": "n1"},
    "evergres": {"term": 7, "phase": "leading", "leader": "n1", "gate_open": true}})"));
  EXPECT_EQ(body_of(view, "/patroni"), body_of(view, "/primary"));
}

TEST(Respond, AStandbysDocument) {
  View view = standby();
  view.paused = true;
  view.leader_is_open = false;
  view.tags = {{"zone", "a"}, {"nosync", "true"}, {"rack", "12"}, {"version", "1.0"}};
  EXPECT_EQ(body_of(view, "/replica"), json::parse(R"({
    "state": "running", "role": "replica", "timeline": 4, "replication_state": "streaming",
    "xlog": {"received_location": 83886080, "replayed_location": 81788928,
             "replayed_timestamp": "2026-11-21 07:00:00.000001+00:00", "paused": false},
    "server_version": 150014, "postmaster_start_time": "2026-11-21 06:28:24.123456+00:00",
    "latest_end_lsn": 83886080,
    "quorum_standby": true, "pause": true, "cluster_unlocked": true,
    "tags": {"nosync": true, "rack": 12, "version": "1.0", "zone": "a"},
    "dcs_last_seen": 1700000000, "database_system_identifier": "7268616322854375442",
    "patroni": {"version": "0.1.0", "scope": "shop", "name": "n2"},
    "evergres": {"term": 7, "phase": "leading", "leader": "n1", "gate_open": true}})"));
}

TEST(Respond, WhatWaitsForARestartIsTold) {
  View view = leader();
  view.pending_restart = {{"max_connections", "100", "150"},
                          {"ssl_passphrase_command", "echo hidden", ""}};
  view.cluster.nodes[1].settings.emplace().pending_restart = {"max_connections: 100 -> 150"};
  const json::value body = body_of(view, "/patroni");
  EXPECT_EQ(body.at("pending_restart"), true);
  EXPECT_EQ(body.at("pending_restart_reason"),
            json::parse(R"({"max_connections": {"old_value": "100", "new_value": "150"},
                            "ssl_passphrase_command": {}})"));
  const json::value members = body_of(view, "/cluster").at("members");
  EXPECT_EQ(members.as_array()[1].at("pending_restart"), true);
  EXPECT_FALSE(members.as_array()[2].as_object().contains("pending_restart"));
}

TEST(Respond, APrimaryThatMayNotLeadIsNotCalledOne) {
  View view = leader();
  view.server.grant->deadline = view.now;
  view.named_leader = false;
  EXPECT_EQ(body_of(view, "/patroni").at("role"), "demoted");
  view.named_heir = true;
  EXPECT_EQ(body_of(view, "/patroni").at("role"), "promoted");
}

TEST(Respond, StatesHavePatronisWords) {
  using enum core::ServerState;
  const std::vector<std::pair<core::ServerState, std::string>> cases{
      {unknown, "unknown"},   {absent, "stopped"},  {stopped, "stopped"}, {starting, "starting"},
      {stopping, "stopping"}, {standby, "running"}, {primary, "running"}};
  for (const auto& [state, word] : cases) {
    View view = api::test::standby();
    view.server.state = state;
    EXPECT_EQ(body_of(view, "/patroni").at("state"), json::value(word));
    EXPECT_EQ(ask(view, "/health").status, word == "running" ? 200U : 503U);
  }
  View view = api::test::standby();
  view.operation = core::Clone::kind;
  view.server.state = absent;
  EXPECT_EQ(body_of(view, "/patroni").at("role"), "uninitialized");
  EXPECT_EQ(body_of(view, "/patroni").at("state"), "creating replica");
}

TEST(Respond, TheClustersDocument) {
  View view = standby();
  view.cluster.nodes[2].receive_lag_bytes.reset();
  EXPECT_EQ(body_of(view, "/cluster"), json::parse(R"({"members": [
    {"name": "n1", "role": "leader", "state": "running", "host": "127.0.0.1", "port": 15432,
     "timeline": 4, "api_url": "http://127.0.0.1:8008/patroni"},
    {"name": "n2", "role": "quorum_standby", "state": "streaming", "host": "127.0.0.1",
     "port": 15432, "timeline": 4, "receive_lsn": "0/5000000", "receive_lag": 0,
     "replay_lsn": "0/4FFFFF0", "replay_lag": 16, "lsn": "0/5000000", "lag": 0},
    {"name": "n3", "role": "quorum_standby", "state": "running", "host": "127.0.0.1",
     "port": 15432, "timeline": 4, "receive_lsn": "0/5000000", "receive_lag": "unknown",
     "replay_lsn": "0/4FFFFF0", "replay_lag": 16, "lsn": "0/5000000", "lag": "unknown"}],
    "scope": "shop"})"));
}

TEST(Respond, TheHistoryNamesTheTimelineThatEnded) {
  View view = standby();
  EXPECT_EQ(body_of(view, "/history"), json::array());
  view.history = history();
  EXPECT_EQ(body_of(view, "/history"), json::parse(R"([
    [1, 50331648, "bootstrap: the cluster was made", "2020-09-13T12:26:40.000+00:00", "n2"],
    [2, 67108864, "failover: n2 is silent", "2020-09-13T12:27:40.250+00:00", "n1"]])"));
}

TEST(Respond, TheConfigurationShowsNothingThatMayBeSecret) {
  const auto answer = ask(standby(), "/config");
  const json::value body = json::parse(answer.body);
  EXPECT_EQ(body.at("synchronous_mode"), "quorum");
  EXPECT_EQ(body.at("synchronous_mode_strict"), false);
  EXPECT_EQ(body.at("synchronous_node_count"), 1);
  EXPECT_EQ(body.at("postgresql").at("parameters"), json::object());
  EXPECT_EQ(body.at("evergres").at("node_parameters"), json::parse(R"({"work_mem": "8MB"})"));
  EXPECT_EQ(answer.body.find("password"), std::string::npos);
  View view = standby();
  auto spec = std::make_shared<cluster::Spec>();
  spec->settings.parameters = {{"jit", "off"}, {"my.password", "hidden"}};
  view.cluster_settings = spec;
  const auto shown = ask(view, "/config");
  EXPECT_EQ(json::parse(shown.body).at("postgresql").at("parameters"),
            json::parse(R"({"jit": "off"})"));
  EXPECT_EQ(shown.body.find("hidden"), std::string::npos);
  view.record_known = false;
  EXPECT_EQ(ask(view, "/config").status, 502U);
}

TEST(Respond, ProbesHaveNoBody) {
  for (const char* target : {"/liveness", "/readiness"}) {
    EXPECT_EQ(ask(standby(), target).body, "");
  }
  EXPECT_EQ(ask(leader(), "/primary", "OPTIONS").body, "");
}

TEST(Respond, MetricsOfALeader) {
  View view = leader();
  view.history = history();
  view.loop_took = Millis{2};
  view.details->sync_waits = 3;
  view.details->oldest_sync_wait_seconds = 1.5;
  view.http_authentication_failures = 5;
  view.tally.terms = 2;
  view.tally.decisions["lead"] = 4;
  view.tally.operations["fence"].ended[core::Ending::timed_out] = 1;
  view.tally.operations["fence"].spent = Millis{250};
  view.tally.loop_took.note(Millis{7}, view.now);
  view.tally.grant_used.note(Millis{1500}, view.now);
  const std::string page = ask(view, "/metrics").body;
  const std::string names = R"({scope="shop",name="n1")";
  for (const std::string& line : {
           "patroni_primary" + names + "} 1",
           "evergres_primary" + names + "} 1",
           "patroni_replica" + names + "} 0",
           "patroni_xlog_location" + names + "} 83886080",
           "patroni_postgres_state" + names + "} 5",
           "patroni_cluster_unlocked" + names + "} 0",
           "patroni_dcs_last_seen" + names + "} 1700000000",
           "evergres_term" + names + "} 7",
           "patroni_postgres_server_version" + names + "} 150014",
           "patroni_postmaster_start_time" + names + "} 1795242504.123456",
           "patroni_pending_restart" + names + "} 0",
           "evergres_sync_waits" + names + "} 3",
           "evergres_oldest_sync_wait_seconds" + names + "} 1.5",
           "evergres_durability" + names + R"(,mode="quorum"} 1)",
           "evergres_http_authentication_failures_total" + names + "} 5",
           "evergres_terms_total" + names + "} 2",
           "evergres_decisions_total" + names + R"(,rule="lead"} 4)",
           "evergres_operations_total" + names + R"(,operation="fence",ending="timed_out"} 1)",
           "evergres_operation_seconds_total" + names + R"(,operation="fence"} 0.25)",
           "evergres_loop_duration_highest_seconds" + names + "} 0.007",
           "evergres_grant_remaining_lowest_seconds" + names + "} 3.5",
           "evergres_version_info" + names + R"(,version="0.1.0"} 1)",
           "evergres_policy_voters" + names + "} 2",
           "evergres_grant_remaining_seconds" + names + "} 4",
           "evergres_store_age_seconds" + names + "} 0.4",
           "evergres_loop_duration_seconds" + names + "} 0.002",
           "evergres_replay_lag_bytes" + names + R"(,member="n2"} 16)",
           "evergres_leadership_changes_total" + names + R"(,kind="failover"} 1)",
           "evergres_leadership_change_last_phase_seconds" + names +
               R"(,kind="failover",phase="fence"} 0.031)",
           "evergres_leadership_change_last_phase_seconds" + names +
               R"(,kind="failover",phase="ask to promote"} 0.05)",
       }) {
    EXPECT_NE(page.find("\n" + line + "\n"), std::string::npos) << line << "\nis not in\n" << page;
  }
  EXPECT_EQ(page.find("a phase without"), std::string::npos);
}

TEST(Respond, MetricsOfAnAgentThatKnowsNothing) {
  View view;
  view.cluster.cluster = "shop";
  view.cluster.answered_by = "n1";
  const std::string page = ask(view, "/metrics").body;
  for (const char* line : {"patroni_primary{scope=\"shop\",name=\"n1\"} 0\n",
                           "patroni_postgres_running{scope=\"shop\",name=\"n1\"} 0\n",
                           "patroni_postgres_state{scope=\"shop\",name=\"n1\"} -1\n",
                           "patroni_cluster_unlocked{scope=\"shop\",name=\"n1\"} 1\n"}) {
    EXPECT_NE(page.find(line), std::string::npos) << line;
  }
  EXPECT_EQ(page.find("evergres_term{"), std::string::npos) << "an unknown term is no term 0";
  EXPECT_EQ(page.find("evergres_store_age"), std::string::npos);
}

TEST(Query, HostileTargetsAreText) {
  EXPECT_EQ(parse_target("/a?%").values.size(), 0U);
  EXPECT_EQ(parse_target("/a?x=%zz%4").values.at("x"), "%zz%4");
  EXPECT_EQ(parse_target("/a?x=%00").values.at("x"), std::string(1, '\0'));
  EXPECT_EQ(parse_target("/a?=y").values.at(""), "y");
  EXPECT_EQ(parse_target("/a?&&&=&x").values.size(), 0U);
  EXPECT_EQ(parse_target("/a?x=http://b").path, "/a");
  EXPECT_EQ(parse_target("//").path, "/");
  EXPECT_EQ(parse_target("http://").path, "/");
}

}  // namespace
}  // namespace evergres::api::test
