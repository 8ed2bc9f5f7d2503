#pragma once

#include <filesystem>
#include <string>

#include "base/result.hpp"

namespace evergres::cli {

/// Writes `text` into a new file (mode 0600, below the directory for temporary files), runs
/// $VISUAL, $EDITOR or vi on it, and waits. The value is the file; whoever called removes it.
/// Errors: usage if there is no terminal and no editor is named, cancelled if the editor failed.
Result<std::filesystem::path> edit_in_file(const std::string& text, bool has_terminal);

/// What differs between two texts, line by line: "- old" and "+ new", with the line above each run
/// of them. "" if nothing does.
std::string difference(const std::string& before, const std::string& after);

}  // namespace evergres::cli
