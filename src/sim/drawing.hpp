#pragma once

#include <string>

#include "sim/story.hpp"

namespace evergres::sim {

/// A run as a message sequence: a column for the store, one for each machine, one for the clients;
/// downwards goes the time, in milliseconds from the moment in which the faults begin. Only what
/// decides: faults, terms, promises and fences, names, promotions, openings, what is broken. The
/// run must have kept its marks.
struct Drawing {
  std::string title;
  std::size_t machines = 3;
  bool with_warm_up = false;  ///< else from the moment in which the faults begin
};
std::string as_text(const Drawing& drawing, const Verdict& verdict);
/// A whole SVG document, without scripts and without anything from elsewhere.
std::string as_svg(const Drawing& drawing, const Verdict& verdict);

}  // namespace evergres::sim
