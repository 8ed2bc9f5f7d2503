#pragma once

#include <string>

#include "cluster/status.hpp"

namespace evergres::cli {

/// The table of `evergres list`: a title line, one line per node, then what is going on. Texts of
/// agents are shown without control characters. Every line ends with \n.
std::string status_table(const cluster::ClusterStatus& status, bool colour);

/// "0 B", "17 kB", "201 MB": at most four digits.
std::string bytes_text(std::uint64_t bytes);

/// One line per term, newest last, with phases below.
std::string history_table(const std::vector<cluster::HistoryEntry>& entries, bool colour);

}  // namespace evergres::cli
