#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace evergres::differential {

std::string text_of(const std::filesystem::path& file);
void write_text(const std::filesystem::path& file, const std::string& text);

/// The processes of a data directory: they have it as their working directory. A zombie has none.
std::vector<pid_t> processes_in(const std::filesystem::path& directory);

/// Those of them whose titles begin like this.
std::vector<pid_t> processes_called(const std::filesystem::path& directory, std::string_view title);

}  // namespace evergres::differential
