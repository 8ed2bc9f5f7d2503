#pragma once

#include <optional>
#include <string_view>

#include "base/strong.hpp"

namespace evergres {

/// One leadership. Grows by one with every election or handover, never goes back.
using Term = StrongNumber<struct TermTag>;
/// PostgreSQL's timeline id.
using TimelineId = StrongNumber<struct TimelineTag, std::uint32_t>;
/// pg_control's database system identifier.
using SystemId = StrongNumber<struct SystemTag>;
/// Revision of one key in the store; grows with every change of the store.
using Revision = StrongNumber<struct RevisionTag>;

/// Name of a node: 1 to 32 of [a-z0-9-], starting with a letter. (It becomes part of slot and
/// application names, where PostgreSQL allows 63 bytes.)
using NodeName = StrongText<struct NodeNameTag>;
/// Random id of one life of a data directory; replaced before a rewind, clone or restore begins.
using Incarnation = StrongText<struct IncarnationTag>;
/// Random id of one run of an agent.
using Claim = StrongText<struct ClaimTag>;
/// Random id of a cluster, made by `init`.
using ClusterId = StrongText<struct ClusterIdTag>;

/// Whether `text` may be a node name. See NodeName.
bool is_node_name(std::string_view text);

/// `bytes` random bytes from the kernel as lower-case hexadecimal.
std::string random_hex(std::size_t bytes);

}  // namespace evergres
