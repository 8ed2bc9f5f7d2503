#include "cli/status_table.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/error.hpp"
#include "cli/demo/readiness.hpp"
#include "cli/exit_codes.hpp"

namespace evergres::cli {
namespace {

cluster::NodeStatus node(const char* name, int port, const char* role, const char* state) {
  cluster::NodeStatus is;
  is.name = name;
  is.host = "127.0.0.1";
  is.port = port;
  is.role = role;
  is.state = state;
  is.timeline = 2;
  is.receive_lsn = "0/6053720";
  is.replay_lsn = "0/6053720";
  is.receive_lag_bytes = 0;
  is.replay_lag_bytes = 0;
  is.lag_seconds = 0;
  return is;
}

cluster::ClusterStatus healthy() {
  cluster::ClusterStatus is;
  is.cluster = "demo";
  is.system_id = "7423474350493388827";
  is.term = 14;
  is.phase = "leading";
  is.leader = "n1";
  is.timeline = 2;
  is.durability = "quorum";
  is.k = 1;
  is.wanted_k = 1;
  is.voters = {"n2", "n3"};
  is.nodes = {node("n1", 54320, "leader", "running"), node("n2", 54321, "voter", "streaming"),
              node("n3", 54322, "voter", "streaming")};
  is.nodes[0].receive_lag_bytes.reset();
  is.nodes[0].replay_lag_bytes.reset();
  is.nodes[0].lag_seconds.reset();
  return is;
}

TEST(StatusTable, ShowsAHealthyCluster) {
  EXPECT_EQ(
      status_table(healthy(), false),
      "Database cluster demo   system 7423474350493388827   term 14   timeline 2   durability "
      "quorum   quorum 1/1 (any 1 of n2, n3)\n"
      " NODE  ADDRESS          ROLE    STATE      TL  RECEIVE LSN  LAG  REPLAY LSN  LAG  CAN "
      "LEAD\n"
      " n1    127.0.0.1:54320  leader  running     2  0/6053720      -  0/6053720     -  -\n"
      " n2    127.0.0.1:54321  voter   streaming   2  0/6053720    0 B  0/6053720   0 B  yes\n"
      " n3    127.0.0.1:54322  voter   streaming   2  0/6053720    0 B  0/6053720   0 B  "
      "yes\n");
}

TEST(StatusTable, ShowsWhatIsWrongAndWhatGoesOn) {
  cluster::ClusterStatus is = healthy();
  is.phase = "electing";
  is.leader.reset();
  is.k = 0;
  is.voters.clear();
  is.unproven = 1;
  is.degraded = "DEGRADED: commits are on n1 alone; nobody else may lead";
  is.store_trouble = "locked for 12 s";
  is.request = "switchover to n2";
  is.nodes.resize(2);
  is.nodes[0] = cluster::NodeStatus{};
  is.nodes[0].name = "n1";
  is.nodes[0].host = "127.0.0.1";
  is.nodes[0].port = 54320;
  is.nodes[0].role = "unknown";
  is.nodes[0].state = "silent";
  is.nodes[0].seen_seconds_ago = 75;
  is.nodes[0].why_not = "it is silent";
  is.nodes[1].doing = "cloning 12 of 31 MB (38 %)";
  is.nodes[1].receive_lag_bytes = 201'000'000;
  is.nodes[1].lag_seconds = 250;
  is.nodes[1].why_not = "192 MB behind\x1b[2J";  // an agent may not clear the screen
  EXPECT_EQ(
      status_table(is, false),
      "Database cluster demo   system 7423474350493388827   term 14   timeline 2   durability "
      "quorum   quorum 0/1   electing\n"
      " NODE  ADDRESS          ROLE     STATE                         TL  RECEIVE LSN     LAG  "
      "REPLAY LSN         LAG  CAN LEAD\n"
      " n1    127.0.0.1:54320  unknown  silent (seen 1 min 15 s ago)   -  -                 -  "
      "-                    -  no: it is silent\n"
      " n2    127.0.0.1:54321  voter    streaming                      2  0/6053720    192 MB  "
      "0/6053720   4 min 10 s  no: 192 MB behind [2J\n"
      " n2: cloning 12 of 31 MB (38 %)\n"
      " Asked for: switchover to n2\n"
      " Policy changes not yet proven: 1\n"
      " Nobody leads.\n"
      " DEGRADED: commits are on n1 alone; nobody else may lead\n"
      " Store: locked for 12 s\n");
}

TEST(StatusTable, ShowsTagsAndWhoWasTakenOut) {
  cluster::ClusterStatus status = healthy();
  status.nodes[1].tags = {{"failover_priority", "2"}, {"nosync", "true"}};
  status.nodes[2].fenced_by = "fenced by operator anna@db1 at noon: new disks";
  status.weak_settings = {"role app: off"};
  status.weak_sessions = 3;
  const std::string text = status_table(status, false);
  EXPECT_NE(text.find("CAN LEAD  TAGS\n"), std::string::npos) << text;
  EXPECT_NE(text.find("yes       failover_priority: 2, nosync\n"), std::string::npos) << text;
  EXPECT_NE(text.find(" n3: fenced by operator anna@db1 at noon: new disks\n"), std::string::npos);
  EXPECT_NE(text.find("weaker than the durability for role app: off (3 sessions)"),
            std::string::npos);
}

TEST(StatusTable, ColoursOnlyWhenAsked) {
  EXPECT_EQ(status_table(healthy(), false).find('\033'), std::string::npos);
  EXPECT_NE(status_table(healthy(), true).find("\033[32mstreaming\033[0m"), std::string::npos);
}

TEST(StatusTable, Bytes) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(9999), "9999 B");
  EXPECT_EQ(bytes_text(17'000), "17 kB");
  EXPECT_EQ(bytes_text(~std::uint64_t{0}), "16384 PB");
}

TEST(HistoryTable, ShowsOneLinePerTerm) {
  cluster::HistoryEntry entry;
  entry.term = 2;
  entry.timeline = 3;
  entry.kind = "failover";
  entry.from = "n1";
  entry.to = "n2";
  entry.switch_lsn = "0/5000060";
  entry.reason = "n1 was silent for 1.2 s";
  entry.phases = {"fence 31 ms", "promote 52 ms"};
  entry.wall_ms = 1'700'000'000'123;
  EXPECT_EQ(history_table({entry}, false),
            " TERM  TL  OPENED                      WHAT      FROM  TO  SWITCH LSN  REASON\n"
            "    2   3  2023-11-14 22:13:20.123+00  failover  n1    n2  0/5000060   n1 was silent "
            "for 1.2 s [fence 31 ms, promote 52 ms]\n");
}

TEST(HistoryTable, SaysWhatAFailoverLost) {
  cluster::HistoryEntry entry;
  entry.term = 2;
  entry.to = "n2";
  entry.reason = "n1 was silent";
  entry.lost = cluster::LostTail{"n1", "0/1000", "0/1800", 2048, 1400, false};
  const auto reason = [&] { return history_rows({entry}).back().back().text; };
  EXPECT_EQ(reason(),
            "n1 was silent; lost 2048 bytes of n1 (0/1000 to 0/1800), and what it wrote in its "
            "last 1.4 s");
  entry.lost->measured = true;
  EXPECT_EQ(reason(), "n1 was silent; lost 2048 bytes of n1 (0/1000 to 0/1800), measured");
  entry.lost = cluster::LostTail{"n1", "0/1000", {}, {}, 0, false};
  EXPECT_EQ(reason(), "n1 was silent; lost an unknown amount of n1 after 0/1000");
}

TEST(Readiness, NamesTheFirstThingThatIsMissing) {
  cluster::ClusterStatus is = healthy();
  EXPECT_EQ(demo::lacks(is, 3), "");
  EXPECT_EQ(demo::lacks(is, 4), "1 more to join");
  is.unproven = 1;
  EXPECT_EQ(demo::lacks(is, 3), "the proof of the policy");
  is.voters = {"n2"};
  EXPECT_EQ(demo::lacks(is, 3), "voters (1 of 2)");
  is.nodes[2].state = "cloning";
  is.nodes[2].doing = "cloning 12 of 31 MB (38 %)";
  EXPECT_EQ(demo::lacks(is, 3), "n3 (cloning 12 of 31 MB (38 %))");
  is.phase = "electing";
  EXPECT_EQ(demo::lacks(is, 3), "a leader (electing)");
}

TEST(ExitCodes, TheTableNamesEveryCodeOnce) {
  const std::string text = exit_codes_text();
  for (int i = 0; i <= static_cast<int>(ErrorCode::authentication); ++i) {
    const std::string word(error_code_info(static_cast<ErrorCode>(i)).word);
    const std::size_t first = text.find("     " + word + " ");
    EXPECT_NE(first, std::string::npos) << word;
    EXPECT_EQ(text.find("     " + word + " ", first + 1), std::string::npos) << word;
  }
}

/// `evergres print exit-codes > docs/reference/exit-codes.md` after a change.
TEST(ExitCodes, ThePageIsTheTable) {
  std::ifstream page(EVERGRES_SOURCE_DIR "/docs/reference/exit-codes.md");
  std::ostringstream text;
  text << page.rdbuf();
  EXPECT_EQ(text.str(), exit_codes_text());
}

}  // namespace
}  // namespace evergres::cli
