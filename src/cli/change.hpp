#pragma once

#include <string>

#include <boost/json/fwd.hpp>

#include "base/result.hpp"
#include "cli/session.hpp"

namespace evergres::cli {

/// A verb that changes something: shows its impact, asks on a terminal, follows its progress.
struct Change {
  std::string question;  ///< for the terminal, e.g. "Switch primary n1 -> n2?"
  bool force = false;    ///< no question
  bool wait = false;     ///< afterwards wait until a leader serves
};

/// Sends `request` (without dry_run) to one agent. Without a terminal it proceeds without asking:
/// the verb is explicit. The value is the exit status; 1 if a person said no.
Result<int> carry_out(Session& session, const boost::json::object& request, const Change& change);

}  // namespace evergres::cli
