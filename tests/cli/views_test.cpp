#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "cli/status_table.hpp"
#include "cli/view.hpp"

namespace evergres::cli {
namespace {

cluster::NodeStatus node(const char* name, const char* role, const char* state) {
  cluster::NodeStatus is;
  is.name = name;
  is.host = "127.0.0.1";
  is.port = 54320;
  is.role = role;
  is.state = state;
  is.timeline = 2;
  is.receive_lsn = "0/6053720";
  is.replay_lsn = "0/6053720";
  if (std::string(role) != "leader") {
    is.receive_lag_bytes = 0;
    is.replay_lag_bytes = 20480;
  }
  return is;
}

cluster::ClusterStatus four_nodes() {
  cluster::ClusterStatus is;
  is.cluster = "demo";
  is.system_id = "7";
  is.term = 14;
  is.phase = "leading";
  is.leader = "n2";
  is.durability = "quorum";
  is.k = is.wanted_k = 1;
  is.voters = {"n3"};
  is.nodes = {node("n1", "replica", "streaming"), node("n2", "leader", "running"),
              node("n3", "voter", "streaming"), node("n4", "replica", "silent")};
  return is;
}

TEST(Topology, PutsVotersFirstAndNodesThatFollowNobodyLast) {
  const cluster::ClusterStatus status = four_nodes();
  EXPECT_EQ(topology_text(status, false),
            "Database cluster demo   system 7   term 14   durability quorum   quorum 1/1 (any 1 of "
            "n3)\n"
            " n2     leader   running    127.0.0.1:54320  timeline 2  0/6053720\n"
            " ├─ n3  voter    streaming  127.0.0.1:54320  timeline 2  received 0 B, replayed 20 kB "
            "behind\n"
            " └─ n1  replica  streaming  127.0.0.1:54320  timeline 2  received 0 B, replayed 20 kB "
            "behind\n"
            "    n4  replica  silent     127.0.0.1:54320  timeline 2  follows nobody\n");
  EXPECT_EQ(tsv_of(topology_rows(status)),
            "node\tfollows\trole\tstate\treceive_lag_bytes\treplay_lag_bytes\n"
            "n2\t\tleader\trunning\t\t\n"
            "n3\tn2\tvoter\tstreaming\t0\t20480\n"
            "n1\tn2\treplica\tstreaming\t0\t20480\n"
            "n4\t\treplica\tsilent\t0\t20480\n");
}

TEST(Topology, ACascadedNodeStandsBelowItsUpstream) {
  cluster::ClusterStatus status = four_nodes();
  status.nodes[0].follows = "n3";
  status.nodes[3].state = "streaming";
  status.nodes[3].follows = "n2";
  const std::string text = topology_text(status, false);
  EXPECT_NE(text.find(" ├─ n3     voter"), std::string::npos) << text;
  EXPECT_NE(text.find("    └─ n1  replica"), std::string::npos) << text;
  EXPECT_NE(text.find(" └─ n4     replica"), std::string::npos) << text;
  EXPECT_NE(tsv_of(topology_rows(status)).find("n1\tn3\treplica"), std::string::npos);
  status.nodes[2].follows = "n1";  // they spoke at different moments
  EXPECT_EQ(topology_of(status).followers.size(), 3U);
}

TEST(Topology, WithoutALeaderNobodyFollows) {
  cluster::ClusterStatus status = four_nodes();
  status.phase = "electing";
  status.leader.reset();
  status.nodes[1].role = "replica";
  const Topology tree = topology_of(status);
  EXPECT_EQ(tree.leader, nullptr);
  EXPECT_TRUE(tree.followers.empty());
  EXPECT_EQ(tree.others.size(), 4U);
  EXPECT_NE(topology_text(status, false).find("nobody leads"), std::string::npos);
}

TEST(StatusTable, SaysThatTheClusterIsPaused) {
  cluster::ClusterStatus status = four_nodes();
  EXPECT_EQ(status_table(status, false).find("PAUSED"), std::string::npos);
  status.paused = true;
  EXPECT_NE(status_table(status, false)
                .find(" PAUSED: no automatic failover; `evergres resume` ends it.\n"),
            std::string::npos);
}

TEST(History, OneTermShowsPhasesAndFacts) {
  cluster::HistoryEntry entry;
  entry.term = 3;
  entry.timeline = 4;
  entry.switch_lsn = "0/5000";
  entry.kind = "failover";
  entry.from = "n1";
  entry.to = "n2";
  entry.reason = "n1 has been silent for longer than suspect_after";
  entry.wall_ms = 0;
  entry.phases = {"fence 31 ms", "promote 52 ms"};
  entry.facts = {"n2: fenced at 0/5000 on timeline 3", "n3: fenced without a position (\x1b[2J)"};
  EXPECT_EQ(history_detail(entry, false),
            "Term 3: failover   n1 -> n2\n"
            " opened     " +
                wall_text(0) +
                "\n"
                " timeline   4\n"
                " begins at  0/5000\n"
                " because    n1 has been silent for longer than suspect_after\n"
                " phases\n"
                "   fence 31 ms\n"
                "   promote 52 ms\n"
                " what the coordinator knew when it chose\n"
                "   n2: fenced at 0/5000 on timeline 3\n"
                "   n3: fenced without a position ( [2J)\n");
}

TEST(Forms, YamlQuotesWhatAReaderCouldMistake) {
  const boost::json::value value = boost::json::parse(
      R"({"cluster":"demo","on":"yes","term":14,"lag":null,"empty":[],"none":{},
          "nodes":[{"name":"n1","lsn":"0/60"},{"name":"n2","facts":["a b","c"]}],"deep":[[1,2],3]})");
  EXPECT_EQ(yaml_text(value),
            "cluster: demo\n"
            "\"on\": \"yes\"\n"
            "term: 14\n"
            "lag: null\n"
            "empty: []\n"
            "none: {}\n"
            "nodes:\n"
            "  - name: n1\n"
            "    lsn: \"0/60\"\n"
            "  - name: n2\n"
            "    facts:\n"
            "      - \"a b\"\n"
            "      - c\n"
            "deep:\n"
            "  - - 1\n"
            "    - 2\n"
            "  - 3\n");
}

TEST(Forms, TsvHasOneLinePerRowWhateverTheTextSays) {
  const std::vector<Row> rows{{{"CAN LEAD"}, {"B"}}, {{"no:\ta\nb", Colour::red}, {""}}};
  EXPECT_EQ(tsv_of(rows), "can_lead\tb\nno: a b\t\n");
  EXPECT_EQ(text_in_form("tsv", "table", rows, nullptr), tsv_of(rows));
  EXPECT_EQ(text_in_form("table", "table", rows, nullptr), "table");
  EXPECT_EQ(text_in_form("json", "table", rows, boost::json::object{{"a", 1}}), "{\"a\":1}\n");
}

}  // namespace
}  // namespace evergres::cli
