#include "cluster/route_word.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "cluster/json.hpp"

namespace evergres::cluster {
namespace {

RouteWord sound() {
  RouteNode node;
  node.name = NodeName("n1");
  node.host = "10.0.0.1";
  node.port = 15432;
  node.agent_host = "10.0.0.1";
  node.agent_port = 8009;
  node.endpoint_host = "db.example.org";
  node.endpoint_port = 5432;
  RouteWord word;
  word.cluster = ClusterId("c1");
  word.speaker = NodeName("n1");
  word.term = Term{4};
  word.open = true;
  word.leader = NodeName("n1");
  word.draining = true;
  word.nodes = {node};
  word.promotions = {{Term{2}, Term{1}, 700}, {Term{4}, Term{2}, std::nullopt}};
  return word;
}

TEST(RouteWord, IsReadAsItWasWritten) {
  const auto back = parse_route_word(json_text(sound()));
  ASSERT_TRUE(back) << back.error().one_line();
  EXPECT_EQ(*back, sound());
}

TEST(RouteWord, OneThatMakesNoSenseIsRefused) {
  const std::vector<std::function<void(RouteWord&)>> faults{
      [](RouteWord& w) { w.cluster = ClusterId(""); },
      [](RouteWord& w) { w.speaker = NodeName("Not a name"); },
      [](RouteWord& w) { w.leader = NodeName(""); },
      [](RouteWord& w) { w.speaker = NodeName("n2"); },  // that drains for another
      [](RouteWord& w) { w.open = false; },              // and drains
      [](RouteWord& w) { w.socket_directory = std::string(108, 'x'); },
      [](RouteWord& w) { w.machine = "a\nb"; },
      [](RouteWord& w) { w.nodes[0].name = NodeName("../n1"); },
      [](RouteWord& w) { w.nodes[0].host = ""; },
      [](RouteWord& w) { w.nodes[0].host = std::string(256, 'h'); },
      [](RouteWord& w) { w.nodes[0].port = 0; },
      [](RouteWord& w) { w.nodes[0].agent_port = 65536; },
      [](RouteWord& w) { w.nodes[0].zone = "a\x7f"; },
      [](RouteWord& w) { w.nodes[0].endpoint_host.reset(); },
      [](RouteWord& w) { w.nodes[0].endpoint_host = ""; },
      [](RouteWord& w) { w.nodes[0].endpoint_port = 0; },
      [](RouteWord& w) { w.nodes.assign(65, w.nodes[0]); },
      [](RouteWord& w) { w.promotions[1].term = Term{2}; },
  };
  for (std::size_t i = 0; i < faults.size(); ++i) {
    RouteWord word = sound();
    faults[i](word);
    const auto read = parse_route_word(json_text(word));
    ASSERT_FALSE(read) << "fault " << i;
    EXPECT_EQ(read.error().code(), ErrorCode::data_invalid);
  }
  EXPECT_FALSE(parse_route_word("{}"));
  EXPECT_FALSE(parse_route_word(std::string(longest_route_word + 1, ' ')));
}

}  // namespace
}  // namespace evergres::cluster
