#include "cli/change.hpp"

#include <gtest/gtest.h>

namespace evergres::cli {
namespace {

cluster::ClusterStatus settled() {
  cluster::ClusterStatus is;
  is.phase = "leading";
  is.leader = "n1";
  is.voters = {"n2"};
  for (const char* name : {"n1", "n2"}) {
    cluster::NodeStatus node;
    node.name = name;
    node.state = is.nodes.empty() ? "running" : "streaming";
    is.nodes.push_back(node);
  }
  return is;
}

TEST(NotSettled, IsEmptyWhenNothingIsMissing) {
  EXPECT_EQ(not_settled(settled(), 1), "");
}

TEST(NotSettled, NamesTheStageThatIsWaitedFor) {
  auto is = settled();
  EXPECT_EQ(not_settled(is, 2), "voters (1 of 2)");
  is.nodes[1].state = "stopped";
  EXPECT_EQ(not_settled(is, 2), "n2 (stopped)");
  is.nodes[1].doing = "rewinding from n1";
  EXPECT_EQ(not_settled(is, 2), "n2 (rewinding from n1)");
  is.request = "restart to n2";
  EXPECT_EQ(not_settled(is, 2), "the request: restart to n2");
  is.phase = "electing";
  EXPECT_EQ(not_settled(is, 2), "a leader (electing)");
}

TEST(NotSettled, DoesNotWaitForWhatAnOperatorTookOut) {
  auto is = settled();
  is.nodes[1].state = "stopped";
  is.nodes[1].fenced_by = "fenced by an operator";
  EXPECT_EQ(not_settled(is, 0), "");
}

}  // namespace
}  // namespace evergres::cli
