#pragma once

#include <functional>

#include "base/result.hpp"
#include "cli/place.hpp"
#include "cluster/route_word.hpp"

namespace evergres::cli {

/// False: enough was heard.
using OnWord = std::function<bool(const cluster::RouteWord&)>;

/// Watches the first agent of `place` that answers, as an endpoint does, until `on_word` has heard
/// enough or the agent is lost. Blocks. Errors: unreachable, authentication, and what load_secret()
/// says of the secret file.
Outcome watch_an_agent(const Place& place, const OnWord& on_word);

}  // namespace evergres::cli
