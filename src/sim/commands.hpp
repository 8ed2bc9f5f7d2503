#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/story.hpp"

/// What evergres-sim does besides running seeds. Each writes for a person and returns the exit
/// status.
namespace evergres::sim {

enum class Draw { no, text, svg };

/// A file of recorded choices, or nothing with a message about it.
std::optional<Choices> choices_in(const std::string& path);
/// The stories of a folder, by name; those that cannot be read are left out, with a message.
/// Without the folder there are none.
std::vector<Story> stories_in(const std::string& folder);
/// Tells one story; 0 if it ended as it says. The trace, if it is wanted, is that of the run that
/// decided.
int tell_file(const std::string& path, bool trace, Draw draw);
/// Makes a failing seed, or a failing recorded run, small; for at most `minutes`. The story is kept
/// in `keep`.
int shrink_run(Choices choices, const Planted& planted, const std::string& name,
               const std::string& keep, double minutes);
/// One run, drawn.
int draw_run(Choices choices, const Planted& planted, const std::string& title, Draw draw);
void list_faults();

}  // namespace evergres::sim
