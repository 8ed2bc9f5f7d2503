#include "checks/dependencies.hpp"

#include <algorithm>
#include <deque>
#include <limits>

namespace evergres::checks {
namespace {

constexpr std::size_t none = std::numeric_limits<std::size_t>::max();

std::vector<bool> set_of(const std::vector<Dependency>& kinds) {
  std::vector<bool> allowed(4, false);
  for (const Dependency one : kinds) allowed[static_cast<std::size_t>(one)] = true;
  return allowed;
}

}  // namespace

void Dependencies::add(std::size_t before, std::size_t behind, Dependency why) {
  if (before == behind) return;
  std::vector<Edge>& from = edges_[before];
  const bool known = std::ranges::any_of(
      from, [&](const Edge& edge) { return edge.to == behind && edge.why == why; });
  if (!known) from.push_back({behind, why});
}

/// Tarjan's, with a stack of its own: histories are longer than a thread's stack.
std::vector<std::size_t> Dependencies::components(const std::vector<bool>& allowed) const {
  const std::size_t count = edges_.size();
  std::vector<std::size_t> component(count, none), index(count, none), low(count, 0);
  std::vector<bool> open(count, false);
  std::vector<std::size_t> waiting;
  struct Visit {
    std::size_t node;
    std::size_t next_edge;
  };
  std::vector<Visit> visits;
  std::size_t next_index = 0;
  std::size_t components = 0;
  const auto enter = [&](std::size_t node) {
    index[node] = low[node] = next_index++;
    waiting.push_back(node);
    open[node] = true;
    visits.push_back({node, 0});
  };
  for (std::size_t root = 0; root < count; ++root) {
    if (index[root] != none) continue;
    enter(root);
    while (!visits.empty()) {
      Visit& visit = visits.back();
      const std::size_t node = visit.node;
      if (visit.next_edge < edges_[node].size()) {
        const Edge& edge = edges_[node][visit.next_edge++];
        if (!allowed[static_cast<std::size_t>(edge.why)]) continue;
        if (index[edge.to] == none) {
          enter(edge.to);
        } else if (open[edge.to]) {
          low[node] = std::min(low[node], index[edge.to]);
        }
        continue;
      }
      visits.pop_back();
      if (!visits.empty()) low[visits.back().node] = std::min(low[visits.back().node], low[node]);
      if (low[node] != index[node]) continue;
      std::size_t member = none;
      do {
        member = waiting.back();
        waiting.pop_back();
        open[member] = false;
        component[member] = components;
      } while (member != node);
      ++components;
    }
  }
  return component;
}

std::optional<Dependencies::Cycle> Dependencies::path(std::size_t from, std::size_t to,
                                                      const std::vector<bool>& allowed) const {
  struct Came {
    std::size_t from = none;
    Dependency why = Dependency::time;
  };
  std::vector<Came> came(edges_.size());
  std::deque<std::size_t> next{from};
  while (!next.empty()) {
    const std::size_t node = next.front();
    next.pop_front();
    for (const Edge& edge : edges_[node]) {
      if (!allowed[static_cast<std::size_t>(edge.why)]) continue;
      if (edge.to == from || came[edge.to].from != none) continue;
      came[edge.to] = {node, edge.why};
      if (edge.to != to) {
        next.push_back(edge.to);
        continue;
      }
      Cycle steps;
      for (std::size_t at = to; at != from; at = came[at].from) {
        steps.push_back({came[at].from, came[at].why});
      }
      std::ranges::reverse(steps);
      return steps;
    }
  }
  return std::nullopt;
}

std::optional<Dependencies::Cycle> Dependencies::cycle(Dependency with,
                                                       const std::vector<Dependency>& also) const {
  const std::vector<bool> back_by = set_of(also);
  std::vector<bool> all = back_by;
  all[static_cast<std::size_t>(with)] = true;
  const std::vector<std::size_t> component = components(all);
  for (std::size_t from = 0; from < edges_.size(); ++from) {
    for (const Edge& edge : edges_[from]) {
      if (edge.why != with || component[from] != component[edge.to]) continue;
      auto back = path(edge.to, from, back_by);
      if (!back) continue;
      back->insert(back->begin(), {from, with});
      return back;
    }
  }
  return std::nullopt;
}

}  // namespace evergres::checks
