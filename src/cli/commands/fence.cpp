#include <pwd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <boost/json.hpp>
#include <memory>

#include "cli/change.hpp"
#include "cli/commands/all.hpp"

namespace evergres::cli {
namespace {

struct FenceOptions {
  std::string node;
  std::string why;
  bool wait = false;
  Change change;
};

/// "anna@db1", for the record of who took a node out.
std::string operator_name() {
  std::array<char, 4096> room{};
  std::array<char, 256> host{};
  passwd entry{};
  passwd* found = nullptr;
  const bool named = getpwuid_r(getuid(), &entry, room.data(), room.size(), &found) == 0 && found;
  std::string name = named ? entry.pw_name : "uid " + std::to_string(getuid());
  if (gethostname(host.data(), host.size() - 1) == 0) name += std::string("@") + host.data();
  return name;
}

}  // namespace

Action add_fence(CLI::App& parser, Session& session) {
  auto options = std::make_shared<FenceOptions>();
  parser.add_option("NODE", options->node, "name of the node")->required();
  parser.add_option("--why", options->why, "shown to others until the node is put back");
  parser.add_flag("--wait", options->wait, "return when its PostgreSQL is stopped");
  parser.add_flag("--force", options->change.force,
                  "do not ask, and also where nobody can take over or writes will wait");
  parser.footer(
      "Takes a node out by hand: it leaves the policy, its PostgreSQL is stopped, and it stays so "
      "across restarts of its agent and its machine until `evergres unfence NODE`. The leader "
      "hands over first; that is refused when nobody can take over.");
  return [&session, options]() -> Result<int> {
    const boost::json::object request{
        {"verb", "fence"},     {"node", options->node},          {"who", operator_name()},
        {"why", options->why}, {"force", options->change.force}, {"wait", options->wait}};
    options->change.question = "Take " + options->node + " out?";
    return carry_out(session, request, options->change);
  };
}

Action add_unfence(CLI::App& parser, Session& session) {
  auto options = std::make_shared<FenceOptions>();
  parser.add_option("NODE", options->node, "name of the node")->required();
  parser.add_flag("--wait", options->wait, "return when the node streams again");
  parser.add_flag("--force", options->change.force, "do not ask");
  return [&session, options]() -> Result<int> {
    const boost::json::object request{
        {"verb", "unfence"}, {"node", options->node}, {"wait", options->wait}};
    options->change.question = "Put " + options->node + " back?";
    if (options->wait) options->change.patience = std::chrono::minutes(6);
    return carry_out(session, request, options->change);
  };
}

}  // namespace evergres::cli
