#pragma once

#include <optional>
#include <string>

#include "agent/knowledge.hpp"
#include "core/situation.hpp"
#include "postgres/observe.hpp"
#include "supervisor/protocol.hpp"

/// What an agent makes of what it is told: by its PostgreSQL, its supervisor, its peers. No I/O and
/// no clock, so that the simulator learns by the same code.
namespace evergres::agent {

/// The server answered. The caller has checked that it is about the start that runs now.
void learn_observation(Knowledge& k, const postgres::Observation& seen);

/// It runs, but does not answer. `answered_before`: in this start. `cold`: because it is a standby
/// without hot standby. `since`: when it was asked.
void learn_silence(Knowledge& k, bool answered_before, bool cold, Instant since,
                   const std::string& trouble);

/// What the supervisor says of the server's processes.
void learn_status(Knowledge& k, const supervisor::Status& status);

/// What a peer said: which of our messages it answers (its `sent`, our clock), its state, and the
/// record if it thought that we lack it.
struct Word {
  Instant echo;
  core::Heartbeat beat;
  std::optional<core::Record> record;
  Revision revision;  ///< of `record`
};
/// Whether it says anything that must be decided upon at once.
bool learn_word(Knowledge& k, const NodeName& from, const Word& word, Instant now);

/// A heartbeat without what changes all the time and must wake nobody.
core::Heartbeat what_matters(core::Heartbeat beat, bool positions_matter);

}  // namespace evergres::agent
