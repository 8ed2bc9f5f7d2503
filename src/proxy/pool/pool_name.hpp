#pragma once

#include <compare>
#include <string>

#include "proxy/pool/route.hpp"

namespace evergres::proxy {

/// Whose servers a pool has. Applications have pools of their own where the configuration names
/// them; the others share the one whose application is empty.
struct PoolName {
  std::string database;
  std::string user;
  Port port = Port::read_write;
  std::string application = {};
  auto operator<=>(const PoolName&) const = default;
};

/// The application of pools that we have for ourselves: no client can have this name.
inline constexpr const char* application_of_ours = "\nevergres";

}  // namespace evergres::proxy
