#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/intent.hpp"
#include "core/situation.hpp"

namespace evergres::core {

/// What a rule answers: what is wanted, why (a sentence), and the facts that led there.
struct Answer {
  Intent intent;
  std::string why;
  std::vector<std::string> facts;
};

/// A named rule: a pure function that answers or leaves the word to the next.
struct Rule {
  std::string_view name;
  std::string_view says;  ///< the sentence it implements
  std::optional<Answer> (*judge)(const Situation&);
};

/// All rules in their order: the first that answers wins.
std::span<const Rule> rules();

struct Decision {
  std::string rule;
  Intent intent;
  std::string why;
  std::vector<std::string> facts;
};

/// Pure: no I/O, no clock, no chance. Some rule always answers.
Decision decide(const Situation& situation);

/// "rule: intent, because why", for log and journal.
std::string describe(const Decision& decision);

}  // namespace evergres::core
