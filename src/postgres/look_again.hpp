#pragma once

#include <poll.h>

#include "base/instant.hpp"

namespace evergres::postgres {

/// The pause between two looks at something of which PostgreSQL and /proc send no notice (a process
/// that ends, a setting that comes into force, the end of recovery). Every loop that uses it has a
/// deadline. May return early.
inline void look_again_after(Millis span) {
  ::poll(nullptr, 0, static_cast<int>(span.count()));
}

}  // namespace evergres::postgres
