#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/table.hpp"
#include "cluster/status.hpp"

namespace evergres::cli {

/// The table of `evergres list`: a title line, one line per node, then what is going on. Texts of
/// agents are shown without control characters. Every line ends with \n.
std::string status_table(const cluster::ClusterStatus& status, bool colour);

/// "0 B", "17 kB", "201 MB": at most four digits.
std::string bytes_text(std::uint64_t bytes);

/// The rows of the table, for other forms.
std::vector<Row> status_rows(const cluster::ClusterStatus& status);

/// One line per term, newest last, with phases behind.
std::string history_table(const std::vector<cluster::HistoryEntry>& entries, bool colour);
std::vector<Row> history_rows(const std::vector<cluster::HistoryEntry>& entries);

/// One term on several lines: reason, phases with their milliseconds, what the coordinator knew of
/// every node that it counted or did not count.
std::string history_detail(const cluster::HistoryEntry& entry, bool colour);

/// Who follows whom. The pointers are into the status.
struct Topology {
  const cluster::NodeStatus* leader = nullptr;  ///< nullptr: nobody leads
  /// They stream from the leader, voters first, or from a node before them.
  std::vector<const cluster::NodeStatus*> followers;
  std::vector<const cluster::NodeStatus*> others;
};
Topology topology_of(const cluster::ClusterStatus& status);

/// The leader with its followers below it as a tree, then the nodes that follow nobody.
std::string topology_text(const cluster::ClusterStatus& status, bool colour);
std::vector<Row> topology_rows(const cluster::ClusterStatus& status);

}  // namespace evergres::cli
