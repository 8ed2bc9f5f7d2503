#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "cli/demo/plan.hpp"
#include "cli/session.hpp"

/// What `evergres demo …` does. Each blocks and prints on session.out.
namespace evergres::cli::demo {

struct UpRequest {
  std::filesystem::path directory;
  std::size_t nodes = 3;
  std::vector<int> ports;               ///< as in Plan; empty: free ones are chosen
  std::filesystem::path run_directory;  ///< empty: chosen
};

/// Makes or restarts the demo and returns when the cluster is up; see the command's help. Its value
/// is the exit status.
Result<int> up(Session& session, UpRequest request);

Result<int> down(Session& session, const std::filesystem::path& directory);
Result<int> show_status(Session& session, const std::filesystem::path& directory);

enum class NodeVerb { kill, start, freeze, thaw };
/// `node` is a name, or "primary" for the present leader.
Result<int> do_to_node(Session& session, const std::filesystem::path& directory, NodeVerb verb,
                       const std::string& node);

/// Writes until `seconds` have passed or Ctrl-C; 0: until Ctrl-C. The value is 1 if an acknowledged
/// row is lost.
Result<int> watch(Session& session, const std::filesystem::path& directory, int seconds);

/// The plan in `directory`, or an error that says how to make one.
Result<Plan> existing_plan(const std::filesystem::path& directory);

}  // namespace evergres::cli::demo
