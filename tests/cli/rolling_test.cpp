#include "cli/rolling.hpp"

#include <gtest/gtest.h>

#include <map>

namespace evergres::cli {
namespace {

using Names = std::vector<std::string>;

cluster::ClusterStatus three_nodes() {
  cluster::ClusterStatus status;
  status.leader = "n1";
  for (const auto& [name, role] : {std::pair{"n1", "leader"}, {"n2", "voter"}, {"n3", "replica"}}) {
    cluster::NodeStatus node;
    node.name = name;
    node.role = role;
    node.state = node.role == "leader" ? "running" : "streaming";
    status.nodes.push_back(node);
  }
  return status;
}

TEST(Rolling, StandbysFirstLeaderLastEachOnce) {
  EXPECT_EQ(*rolling_order(three_nodes(), {}), (Names{"n3", "n2", "n1"}));
  EXPECT_EQ(*rolling_order(three_nodes(), {{"n1", "n2", "n1"}, "", false}), (Names{"n2", "n1"}));
  EXPECT_EQ(*rolling_order(three_nodes(), {{}, "standby", false}), (Names{"n3", "n2"}));
  EXPECT_EQ(*rolling_order(three_nodes(), {{}, "leader", false}), (Names{"n1"}));
}

TEST(Rolling, RefusesWhatCannotEnd) {
  const auto unknown = rolling_order(three_nodes(), {{"n9"}, "", false});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().message(), "there is no node \"n9\"");
  cluster::ClusterStatus status = three_nodes();
  status.nodes[2].state = "silent";
  const auto silent = rolling_order(status, {});
  ASSERT_FALSE(silent);
  EXPECT_EQ(silent.error().code(), ErrorCode::refused);
  EXPECT_EQ(silent.error().message(), "\"n3\" is silent, so it cannot be restarted");
  EXPECT_TRUE(rolling_order(status, {{"n2"}, "", false}));
}

cluster::ClusterStatus with_pending(const std::map<std::string, std::string>& lines) {
  cluster::ClusterStatus status = three_nodes();
  for (auto& node : status.nodes) {
    node.settings.emplace();
    const auto found = lines.find(node.name);
    if (found != lines.end()) node.settings->pending_restart = {found->second};
  }
  return status;
}

TEST(Rolling, OnlyWhatWaitsForARestart) {
  const RollingChoice pending{{}, "", true};
  EXPECT_EQ(*rolling_order(with_pending({}), pending), Names{});
  EXPECT_EQ(*rolling_order(with_pending({{"n2", "shared_buffers: 128MB -> 1GB"}}), pending),
            Names{"n2"});
}

TEST(Rolling, ALimitIsRaisedOnStandbysFirstAndLoweredOnTheLeaderFirst) {
  const std::string up = "max_connections: 100 -> 150";
  const std::string down = "max_connections: 150 -> 100";
  const auto raise = with_pending({{"n1", up}, {"n2", up}, {"n3", up}});
  const auto lower = with_pending({{"n1", down}, {"n2", down}, {"n3", down}});
  const RollingChoice pending{{}, "", true};
  EXPECT_EQ(*rolling_order(raise, pending), (Names{"n3", "n2", "n1"}));
  EXPECT_EQ(*rolling_order(lower, pending), (Names{"n1", "n2", "n3"}));
  EXPECT_EQ(*rolling_order(lower, {}), (Names{"n1", "n2", "n3"}));
  EXPECT_EQ(*rolling_order(raise, {{"n2"}, "", false}), Names{"n2"});
  EXPECT_EQ(*rolling_order(lower, {{"n1"}, "", false}), Names{"n1"});
  const auto too_early = rolling_order(raise, {{"n1", "n2"}, "", false});
  ASSERT_FALSE(too_early);
  EXPECT_EQ(too_early.error().message(), "n3 must be restarted first");
  EXPECT_EQ(rolling_order(lower, {{"n3"}, "", false}).error().message(),
            "n1 must be restarted first");
  // The leader has the lower value already: the standbys may follow.
  EXPECT_EQ(*rolling_order(with_pending({{"n2", down}, {"n3", down}}), pending),
            (Names{"n2", "n3"}));
  EXPECT_EQ(rolling_order(with_pending({{"n1", up}, {"n2", "max_wal_senders: 16 -> 8"}}), pending)
                .error()
                .code(),
            ErrorCode::refused);
}

TEST(Rolling, SaysWhatItAffects) {
  EXPECT_EQ(rolling_impact(three_nodes(), {"n3", "n2", "n1"}),
            "n3, n2: PostgreSQL restarts, one after the other; readers there are disconnected. "
            "The leader n1 restarts: all its sessions end, writes pause for about two seconds.");
  EXPECT_EQ(rolling_impact(three_nodes(), {"n2"}),
            "n2: PostgreSQL restarts; readers there are disconnected.");
  EXPECT_EQ(rolling_impact(three_nodes(), {"n1"}),
            "The leader n1 restarts: all its sessions end, writes pause for about two seconds.");
}

}  // namespace
}  // namespace evergres::cli
