#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/fwd.hpp>

#include "base/instant.hpp"
#include "base/result.hpp"
#include "cli/place.hpp"
#include "cluster/status.hpp"

namespace evergres::cli {

/// A question and its answer over an agent's control socket. All functions block the caller.

/// The cluster as the first agent that answers sees it; agents are tried in the order of `place`,
/// at most `patience` each. Errors: unreachable if none answers.
Result<cluster::ClusterStatus> ask_status(const Place& place, Millis patience = Millis{1500});

Result<std::vector<cluster::HistoryEntry>> ask_history(const Place& place);

using OnProgress = std::function<void(std::string_view line)>;

/// Sends any request to the first agent that answers a status, so that a request that changes
/// something is sent to one agent only. The value is the object under "result".
Result<boost::json::value> ask_one(const Place& place, const boost::json::value& request,
                                   Millis patience, const OnProgress& on_progress = {});

/// The same to the agent of one node, whose socket must be on this machine.
Result<boost::json::value> ask_node(const KnownNode& node, const boost::json::value& request,
                                    Millis patience, const OnProgress& on_progress = {});

/// The list of texts `name` of a result; data_invalid if it has none.
Result<std::vector<std::string>> texts_of(const boost::json::value& result, std::string_view name);

/// The text member `name` of a result; data_invalid if it has none.
Result<std::string> text_of(const boost::json::value& result, std::string_view name);

}  // namespace evergres::cli
