#pragma once

#include <cstddef>
#include <istream>
#include <string>
#include <vector>

namespace evergres::cli {

/// What came out when a journal was decided again.
struct Replayed {
  struct Difference {
    std::size_t line = 0;
    std::string then;  ///< as journalled
    std::string now;   ///< as these rules decide
  };
  std::size_t same = 0;
  std::vector<Difference> different;
  std::vector<std::string> unreadable;  ///< "line 7: …", for example cut short by a crash
  std::size_t dropped = 0;              ///< decisions that the journal says it could not keep
  std::size_t elsewhere =
      0;  ///< not made by the rules: an agent that yields to another of its name
};

/// Decides every line of a journal (agent/journal.hpp) again with core::decide and compares rule,
/// decision and facts. Pure but for the stream.
Replayed replay(std::istream& journal);

/// For people: the differences, then one line with the counts.
std::string replay_text(const Replayed& replayed);

}  // namespace evergres::cli
