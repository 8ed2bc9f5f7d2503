#pragma once

#include <string_view>

#include "base/result.hpp"

namespace evergres::store {

/// A process that was frozen (SIGSTOP, a cgroup freezer) inside a write transaction of a local
/// store locks everybody else out for ever. If the holder of the write lock of `address` is a
/// stopped process of this very program and this user, it is killed: an agent that dies disturbs
/// nothing, its transaction is rolled back, and its supervisor starts it again. True if one was
/// killed. Addresses that are not of SQLite have no such holder.
Result<bool> end_frozen_holder(std::string_view address);

}  // namespace evergres::store
