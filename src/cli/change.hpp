#pragma once

#include <string>

#include <boost/json/fwd.hpp>

#include "base/instant.hpp"
#include "base/result.hpp"
#include "cli/place.hpp"
#include "cli/session.hpp"
#include "cluster/status.hpp"

namespace evergres::cli {

/// A verb that changes something: shows its impact, asks on a terminal, follows its progress.
struct Change {
  std::string question;      ///< for the terminal, e.g. "Switch primary n1 -> n2?"
  bool force = false;        ///< no question
  bool wait = false;         ///< afterwards wait until a leader serves
  Millis patience{300'000};  ///< how long the agent may take for it
};

/// Whether to go on: true without a terminal (the verb is explicit) and with --force, else what the
/// person answers; "Nothing was changed." is printed for a no.
bool go_ahead(Session& session, bool force, std::string_view question);

/// What is missing until a leader is open, no request is pending, every node runs or streams (or is
/// fenced by hand), and the policy has at least `voters` voters; "" if nothing is.
std::string not_settled(const cluster::ClusterStatus& status, std::size_t voters);

/// Polls until nothing of that is missing, and prints each new thing that is waited for. Errors:
/// timed_out.
Result<cluster::ClusterStatus> wait_until_settled(Session& session, const Place& place,
                                                  std::size_t voters, Millis patience);

/// Sends `request` (without dry_run) to one agent. Without a terminal it proceeds without asking:
/// the verb is explicit. The value is the exit status; 1 if a person said no.
Result<int> carry_out(Session& session, const boost::json::object& request, const Change& change);

}  // namespace evergres::cli
