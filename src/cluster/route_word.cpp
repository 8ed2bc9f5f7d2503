#include "cluster/route_word.hpp"

#include <algorithm>

#include "base/file.hpp"
#include "cluster/json.hpp"

namespace evergres::cluster {
namespace {

constexpr std::size_t longest_host = 255;
constexpr std::size_t longest_tag = 256;
constexpr std::size_t longest_directory = 107;

bool is_plain(const std::string& text, std::size_t longest) {
  return text.size() <= longest && std::none_of(text.begin(), text.end(), [](unsigned char c) {
    return c < ' ' || c == 0x7F;
  });
}

bool is_port(int port) {
  return port > 0 && port <= 65535;
}

Outcome impossible(const std::string& what) {
  return Error(ErrorCode::data_invalid, "a word of an agent makes no sense", what);
}

Outcome check_word(const RouteWord& word) {
  if (!is_node_name(word.speaker.value)) return impossible("Its speaker has no name.");
  if (word.cluster.empty() || !is_plain(word.cluster.value, longest_tag))
    return impossible("It is of no cluster.");
  if (word.open && !is_node_name(word.leader.value))
    return impossible("It calls a leader open and does not name it.");
  if (word.draining && (!word.open || word.leader != word.speaker))
    return impossible("Only the open leader itself can be about to hand over.");
  if (!is_plain(word.machine, longest_tag) || !is_plain(word.socket_directory, longest_directory))
    return impossible("Its machine or its socket cannot be one.");
  if (word.nodes.size() > most_route_nodes || word.promotions.size() > most_route_promotions)
    return impossible("It lists too much.");
  for (const RouteNode& node : word.nodes) {
    if (auto checked = check_route_node(node); !checked) return checked;
  }
  const auto later = [](const RoutePromotion& one, const RoutePromotion& next) {
    return one.term >= next.term;
  };
  const auto& all = word.promotions;
  if (std::adjacent_find(all.begin(), all.end(), later) != all.end())
    return impossible("Its promotions are not in their order.");
  return {};
}

}  // namespace

Outcome check_route_node(const RouteNode& node) {
  if (!is_node_name(node.name.value)) return impossible("A node has no name that could be one.");
  const bool reachable = !node.host.empty() && is_plain(node.host, longest_host) &&
                         is_port(node.port) && is_plain(node.agent_host, longest_host) &&
                         is_port(node.agent_port) && !node.agent_host.empty();
  if (!reachable) return impossible("The address of " + node.name.value + " cannot be one.");
  if (!is_plain(node.zone, longest_tag))
    return impossible("The zone of " + node.name.value + " cannot be one.");
  const bool endpoint = node.endpoint_host && node.endpoint_port;
  if (node.endpoint_host.has_value() != node.endpoint_port.has_value() ||
      (endpoint && (node.endpoint_host->empty() || !is_plain(*node.endpoint_host, longest_host) ||
                    !is_port(*node.endpoint_port))))
    return impossible("The endpoint of " + node.name.value + " is nowhere.");
  return {};
}

Result<RouteWord> parse_route_word(std::string_view text) {
  auto word = parse_json<RouteWord>(text, longest_route_word, "word");
  if (!word) return word;
  if (auto checked = check_word(*word); !checked) return checked.error();
  return word;
}

std::string boot_id() {
  auto text = read_file("/proc/sys/kernel/random/boot_id", 128);
  if (!text) return {};
  while (!text->empty() && text->back() <= ' ') text->pop_back();
  return *text;
}

}  // namespace evergres::cluster
