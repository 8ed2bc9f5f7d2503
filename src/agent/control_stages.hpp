#pragma once

#include <boost/json/value.hpp>
#include <functional>
#include <optional>
#include <string>

#include "base/instant.hpp"
#include "base/result.hpp"
#include "net/local_socket.hpp"
#include "net/task_group.hpp"

namespace evergres::agent {

/// What a person waits for at this moment, or what has come of it.
struct Stage {
  std::string waits_for;                      ///< "PostgreSQL on n2 is stopping"
  std::optional<boost::json::value> outcome;  ///< set: the wait is over
};

/// Asks `look` each 50 ms, tells whoever waits of every new stage, and ends with the outcome or at
/// `until`: then `outcome` is absent and waits_for the last stage. Runs on the control thread; what
/// `look` refers to must outlive the wait.
net::awaitable<Stage> wait_through_stages(std::function<Stage()> look, Instant until,
                                          net::LocalConversation& talk);

}  // namespace evergres::agent
