#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/field.hpp"
#include "base/names.hpp"

namespace evergres::core {

/// What an operator wishes of a node. A tag chooses among nodes that would do; it never makes an
/// election count less, nor lets a less complete node lead (decision 0027).
struct Tags {
  bool nofailover = false;              ///< never leads unless an operator says so
  std::uint32_t failover_priority = 1;  ///< the highest of equally complete nodes leads
  bool nosync = false;                  ///< never votes
  bool clonefrom = false;               ///< others are cloned from here rather than from the leader
  std::optional<NodeName> replicatefrom;  ///< streams from this standby, and never votes
  std::string zone;                       ///< empty: none
  auto operator<=>(const Tags&) const = default;
};
constexpr auto fields(const Tags*) {
  return std::tuple{Field{"nofailover", &Tags::nofailover},
                    Field{"failover_priority", &Tags::failover_priority},
                    Field{"nosync", &Tags::nosync},
                    Field{"clonefrom", &Tags::clonefrom},
                    Field{"replicatefrom", &Tags::replicatefrom},
                    Field{"zone", &Tags::zone}};
}

/// From the texts of node.yaml, which its reader has checked; what is no tag of ours is left out.
Tags tags_from(const std::map<std::string, std::string>& texts);

/// Why a node so tagged never votes ("it is tagged nosync"), nothing if it may.
std::optional<std::string> why_not_vote(const Tags& tags);

}  // namespace evergres::core
