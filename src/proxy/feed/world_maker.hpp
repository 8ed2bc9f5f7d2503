#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cluster/route_word.hpp"
#include "proxy/world.hpp"

namespace evergres::proxy {

/// Makes one World of the words of several agents: the leadership by LeaderView, each node as its
/// own agent says it while that is heard. No input or output, no clock; one thread.
class WorldMaker {
 public:
  /// `cluster` empty: that of the first word. `machine`: our cluster::boot_id().
  WorldMaker(std::optional<ClusterId> cluster, std::string machine)
      : cluster_(std::move(cluster)), machine_(std::move(machine)) {}

  /// A word that parse_route_word() accepted, by the agent that proved to be its speaker.
  LeaderView::Heard hear(const cluster::RouteWord& word);
  /// The agent is heard no longer. True if that ends the draining that it announced.
  bool lost(const NodeName& speaker);

  struct AgentAddress {
    std::string host;
    int port = 0;
    auto operator<=>(const AgentAddress&) const = default;
  };
  /// Where the agents of all nodes are that any word names, each once.
  [[nodiscard]] std::vector<AgentAddress> agents() const;

  /// What a World needs of the machine. Nothing of it may block for long.
  struct Surroundings {
    /// Whether we may use the unix socket of another node of this machine.
    std::function<bool(const Address& directory_and_port)> reachable;
    /// Empty as long as it is not known.
    std::function<std::vector<Resolved>(const Address&)> look_up;
  };
  /// `number` is left at 0.
  [[nodiscard]] World world(const Surroundings& around) const;

  [[nodiscard]] const std::optional<ClusterId>& cluster() const { return cluster_; }
  [[nodiscard]] std::size_t heard_agents() const;

 private:
  struct Speaker {
    cluster::RouteWord word;
    bool heard = false;          ///< connected now
    std::uint64_t told_at = 0;   ///< counts words: the order in which they came
  };
  /// A node as the best witness tells it.
  struct Told {
    const cluster::RouteNode* node = nullptr;
    const Speaker* by = nullptr;
  };
  [[nodiscard]] std::map<NodeName, Told> nodes() const;
  [[nodiscard]] static bool better(const Told& one, const Told& other);

  std::optional<ClusterId> cluster_;
  std::string machine_;
  std::optional<LeaderView> view_;
  std::map<NodeName, Speaker> speakers_;
  std::vector<cluster::RoutePromotion> promotions_;
  Term promotions_term_;
  Revision promotions_revision_;
  std::uint64_t words_ = 0;
};

/// Whether both send everybody to the same places: only lags differ, and numbers.
bool same_routes(const World& one, const World& other);

}  // namespace evergres::proxy
