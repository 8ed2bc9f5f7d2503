#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/field.hpp"

namespace evergres::checks {

/// Why one transaction stands before another.
enum class Dependency : std::uint8_t {
  write_write,  ///< it wrote the version before the other's
  write_read,   ///< the other read what it wrote
  read_write,   ///< it read the version before the other's
  time,         ///< it had ended when the other began
};
constexpr auto words(const Dependency*) {
  return std::array{Word{"ww", Dependency::write_write}, Word{"wr", Dependency::write_read},
                    Word{"rw", Dependency::read_write}, Word{"time", Dependency::time}};
}

/// A graph of transactions, by number. Edges may be given more than once.
class Dependencies {
 public:
  explicit Dependencies(std::size_t transactions) : edges_(transactions) {}
  void add(std::size_t before, std::size_t behind, Dependency why);

  struct Step {
    std::size_t from;
    Dependency why;
  };
  using Cycle = std::vector<Step>;  ///< each leads to the next one's `from`, the last to the first

  /// A shortest cycle through an edge of kind `with`, all other edges being of kinds in `also`.
  [[nodiscard]] std::optional<Cycle> cycle(Dependency with,
                                           const std::vector<Dependency>& also) const;

 private:
  struct Edge {
    std::size_t to;
    Dependency why;
  };
  /// A shortest path, as steps; nothing if there is none.
  [[nodiscard]] std::optional<Cycle> path(std::size_t from, std::size_t to,
                                          const std::vector<bool>& allowed) const;
  /// By transaction: the number of its strongly connected component.
  [[nodiscard]] std::vector<std::size_t> components(const std::vector<bool>& allowed) const;

  std::vector<std::vector<Edge>> edges_;
};

}  // namespace evergres::checks
