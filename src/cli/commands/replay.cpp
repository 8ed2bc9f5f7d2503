#include "cli/replay.hpp"

#include <CLI/CLI.hpp>
#include <cstring>
#include <fstream>
#include <memory>
#include <ostream>

#include "cli/commands/all.hpp"
#include "cli/place.hpp"

namespace evergres::cli {

Action add_replay(CLI::App& parser, Session& session) {
  auto file = std::make_shared<std::string>();
  parser.add_option("FILE", *file, "a journal.jsonl; else the one of this node");
  parser.footer("The exit status is 0 if every decision is the same and 1 if one differs.");
  return [&session, file]() -> Result<int> {
    std::string path = *file;
    if (path.empty()) {
      Result<KnownNode> node = find_node(session);
      if (!node) return node.error();
      path = (node->settings.state_directory / "journal.jsonl").string();
    }
    std::ifstream journal(path);
    if (!journal) {
      return error_from_errno("could not open the journal \"" + path + "\"", errno);
    }
    const Replayed replayed = replay(journal);
    session.out << replay_text(replayed);
    if (!replayed.different.empty()) return 1;
    if (replayed.same > 0 || replayed.elsewhere > 0) return 0;
    return Error(ErrorCode::data_invalid, "\"" + path + "\" has no decision to replay", "",
                 "The journal is journal.jsonl in the state directory of a node.");
  };
}

}  // namespace evergres::cli
