#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/node_settings.hpp"

/// The file of an endpoint on a machine without a node. It is a node.yaml with a section `proxy`
/// that names agents or external servers, and with nothing that only a node has.
namespace evergres::config {

struct AloneProblem {
  int line = 0;
  std::string message;
  std::string hint;
};

/// What such a file lacks, and what does not belong into it. `seen`: the options in the file and
/// their lines.
std::vector<AloneProblem> alone_problems(const NodeSettings& settings,
                                         const std::map<std::string_view, int>& seen);

/// Whether an option of node.yaml means something there.
bool belongs_to_alone(std::string_view option);

/// Whether the file describes an endpoint and not a node, but does not say whom to ask who leads.
bool is_half_alone(const std::map<std::string_view, int>& seen);

}  // namespace evergres::config
