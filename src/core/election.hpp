#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/loss.hpp"
#include "core/quorum.hpp"
#include "core/tags.hpp"

namespace evergres::core {

/// A timeline is given out so far above every id that is known. A server that somebody promotes by
/// hand takes the first free id above its own, which is therefore never one that is given out: what
/// bears such an id is of the node that it was given to (decision 0058).
inline constexpr std::uint32_t timeline_step = 2;

/// What a coordinator may conclude from the fenced answers of its term.
struct Choice {
  Seat leader;
  Claim agent;  ///< the run of the chosen node's agent; it gets the claim
  Position position;
  Policy policy;              ///< P' of the new leader
  TimelineId timeline;        ///< given out now, above what any fenced node has seen
  std::vector<Fork> learned;  ///< forks that the record did not know yet
  std::vector<std::string>
      facts;  ///< every candidate with its position, and who was excluded and why
  std::optional<Loss> loss;  ///< what is given up with a policy that is not covered
};

struct NoChoice {
  std::vector<std::string> missing;  ///< sentences
};

struct ElectionInput {
  const Record& record;
  const std::vector<Fenced>& answers;
  std::uint32_t wanted_k = 1;
  std::optional<NodeName> preferred = {};  ///< wins among equals
  bool accept_data_loss =
      false;  ///< an operator takes the loss: uncovered policies do not hold it up
  std::map<NodeName, Tags> tags = {};        ///< of a node that is missing here: none
  std::optional<NodeName> insisted_on = {};  ///< an operator wants it although it is nofailover
  /// For the facts: what is known of nodes without an answer, "it is not heard". Without times: it
  /// is part of an intent, which must not change while it is carried out.
  std::map<NodeName, std::string> why_no_answer = {};
  bool lease_ended = false;  ///< async: whoever led can no longer acknowledge anything
  bool leader_is_coming_up = false;  ///< async: it is starting, and may soon be read or lead
  std::optional<LastWord> word = {};  ///< the furthest that anybody heard of whoever led
};

/// Steps 4 to 6 of PROTOCOL.md section 5: enough, best, P' and the timeline. Tags decide only
/// between nodes that are equally complete, and who of them votes; with async a node that they keep
/// out may hold more, which then counts as lost.
struct Elected {
  std::optional<Choice> choice;
  NoChoice otherwise;
  bool complete = false;  ///< the chosen node holds everything that was acknowledged
};
Elected choose(const ElectionInput& input);

}  // namespace evergres::core
