#pragma once

#include <filesystem>
#include <vector>

#include "differential/server.hpp"

namespace evergres::differential {

/// What stands in the history files of a pg_wal, placeholders left out. See Server::histories().
std::vector<Server::History> histories_in(const std::filesystem::path& wal);

}  // namespace evergres::differential
