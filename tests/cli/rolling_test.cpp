#include "cli/rolling.hpp"

#include <gtest/gtest.h>

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
