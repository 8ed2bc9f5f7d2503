#include "agent/shared_observer.hpp"

namespace evergres::agent {

Result<postgres::Observation> SharedObserver::look(Millis patience, Instant deadline) {
  const std::unique_lock lock(mutex_, patience);
  if (!lock.owns_lock()) {
    return Error(ErrorCode::timed_out, "PostgreSQL is being observed by somebody else");
  }
  return observer_.look(deadline);
}

}  // namespace evergres::agent
