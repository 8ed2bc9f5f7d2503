#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <iostream>
#include <iterator>
#include <memory>

#include "base/file.hpp"
#include "cli/agents.hpp"
#include "cli/change.hpp"
#include "cli/commands/all.hpp"
#include "cli/editor.hpp"
#include "cli/table.hpp"
#include "cluster/json.hpp"
#include "config/cluster_printer.hpp"
#include "config/cluster_reader.hpp"

namespace evergres::cli {
namespace {

namespace json = boost::json;

struct EditOptions {
  std::vector<std::string> set;
  std::vector<std::string> parameters;
  std::string replace;
  bool adopt = false;
  bool revert = false;
  bool dry_run = false;
  bool wait = false;
  bool force = false;

  [[nodiscard]] bool wants_editor() const {
    return set.empty() && parameters.empty() && replace.empty() && !adopt && !revert;
  }
};

struct Current {
  std::uint64_t generation = 0;
  std::string text;
  std::string trouble;
  std::string changed_by;
  std::int64_t changed_wall_ms = 0;
};
constexpr auto fields(const Current*) {
  return std::tuple{Field{"generation", &Current::generation}, Field{"text", &Current::text},
                    Field{"trouble", &Current::trouble}, Field{"changed_by", &Current::changed_by},
                    Field{"changed_wall_ms", &Current::changed_wall_ms}};
}

/// What an edit makes of it.
struct Draft {
  config::ClusterSettings settings;
  bool take_back = false;
  std::optional<std::filesystem::path> file;  ///< of the editor
};

std::string who_am_i() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '?';
  const passwd* user = ::getpwuid(::geteuid());  // one thread
  const char* sudo = std::getenv("SUDO_USER");
  const std::string name = sudo != nullptr ? sudo : user != nullptr ? user->pw_name : "?";
  return name + "@" + host.data();
}

Result<Current> ask_current(const Place& place) {
  const json::value request = json::object{{"verb", "cluster settings"}};
  const auto answer = ask_one(place, request, std::chrono::seconds(10));
  if (!answer) return answer.error();
  return cluster::from_json<Current>(*answer, "settings");
}

Result<config::ClusterSettings> read_text(const std::string& text, const std::string& shown) {
  auto reading = config::parse_cluster_text(text, shown);
  if (reading.diagnostics.empty()) return std::move(reading.settings);
  const Error error = config::config_error(reading.diagnostics);
  return Error(error.code(), error.message(), error.detail(),
               "`evergres print cluster-options` explains every option.");
}

Result<std::string> text_of_file(const std::string& name) {
  if (name != "-") return read_file(name, config::cluster_text_limit);
  std::string text(std::istreambuf_iterator<char>(std::cin), {});
  return text;
}

/// What ALTER SYSTEM set: the leader's values win where nodes differ.
Outcome adopt(Session& session, const cluster::ClusterStatus& status, Draft& draft) {
  std::map<std::string, std::string> found;
  for (const bool leader : {false, true}) {
    for (const cluster::NodeStatus& node : status.nodes) {
      if (!node.settings || (status.leader == node.name) != leader) continue;
      for (const auto& [name, value] : node.settings->altered) {
        session.out << "  " << node.name << ": " << shown(name) << " = " << shown(value) << "\n";
        found[name] = value;
      }
    }
  }
  if (found.empty()) {
    return Error(ErrorCode::not_found, "no node has settings of ALTER SYSTEM to adopt", "",
                 "A change shows in `evergres list` after a few seconds.");
  }
  for (const auto& [name, value] : found) draft.settings.parameters[name] = value;
  draft.take_back = true;
  return {};
}

std::string head_of(const Place& place, const Current& current) {
  std::string head = "Settings of the cluster " + place.nodes.front().settings.cluster;
  if (current.generation == 0) return head + "; none were declared yet.";
  return head + fmt::format(", generation {} by {}, {}.", current.generation, current.changed_by,
                            wall_text(current.changed_wall_ms));
}

Result<Draft> draft_of(Session& session, const Place& place, const EditOptions& options,
                       const Current& current) {
  Draft draft;
  auto before = read_text(current.text, "the settings in force");
  if (!before) return before.error();
  draft.settings = *before;
  std::string text;
  std::string shown_name = options.replace == "-" ? "stdin" : options.replace;
  if (options.wants_editor()) {
    const std::string edited = config::cluster_edit_text(draft.settings, head_of(place, current));
    auto file = edit_in_file(edited, session.in_is_terminal);
    if (!file) return file.error();
    draft.file = *file;
    shown_name = file->string();
  }
  if (options.wants_editor() || !options.replace.empty()) {
    const auto content = text_of_file(draft.file ? draft.file->string() : options.replace);
    if (!content) return content.error();
    auto settings = read_text(*content, shown_name);
    if (!settings) return settings.error();
    draft.settings = std::move(*settings);
  }
  for (const std::string& one : options.set) {
    if (auto done = config::set_option(draft.settings, one); !done) return done.error();
  }
  for (const std::string& one : options.parameters) {
    if (auto done = config::set_parameter(draft.settings, one); !done) return done.error();
  }
  draft.take_back = options.revert;
  if (!options.adopt) return draft;
  const auto status = ask_status(place);
  if (!status) return status.error();
  if (auto adopted = adopt(session, *status, draft); !adopted) return adopted.error();
  return draft;
}

json::object request_of(const Current& current, const Draft& draft, const EditOptions& options,
                        bool dry_run) {
  return json::object{{"verb", "edit cluster settings"},
                      {"text", config::cluster_text(draft.settings)},
                      {"expected", current.generation},
                      {"by", who_am_i()},
                      {"take_back", draft.take_back},
                      {"wait", options.wait},
                      {"dry_run", dry_run}};
}

Result<int> change(Session& session, const Place& place, const EditOptions& options,
                   const Current& current, const Draft& draft) {
  const std::string lines = difference(current.text, config::cluster_text(draft.settings));
  session.out << lines;
  if (lines.empty() && !draft.take_back && current.trouble.empty()) {
    session.out << "Nothing to change.\n";
    return 0;
  }
  const auto trial =
      ask_one(place, request_of(current, draft, options, true), std::chrono::seconds(30));
  if (!trial) return trial.error();
  const auto impact = text_of(*trial, "impact");
  if (!impact) return impact.error();
  session.out << "Impact: " << *impact << "\n";
  if (options.dry_run) return 0;
  if (!go_ahead(session, options.force, "Change the settings of the cluster?")) return 1;
  const auto tell = [&](std::string_view line) {
    session.out << "  " << line << "\n" << std::flush;
  };
  const auto done =
      ask_one(place, request_of(current, draft, options, false), std::chrono::seconds(60), tell);
  if (!done) return done.error();
  const json::value* const generation = done->get_object().if_contains("generation");
  session.out << "generation " << (generation != nullptr ? json::serialize(*generation) : "?")
              << (options.wait ? " is in force on every node\n" : " is written\n");
  return 0;
}

Result<int> edit(Session& session, const EditOptions& options) {
  Result<Place> place = find_place(session);
  if (!place) return place.error();
  const Result<Current> current = ask_current(*place);
  if (!current) return current.error();
  if (!current->trouble.empty()) {
    session.err << "The settings in the store cannot be read and will be replaced: "
                << shown(current->trouble) << "\n";
  }
  const Result<Draft> draft = draft_of(session, *place, options, *current);
  if (!draft) return draft.error();
  const Result<int> done = change(session, *place, options, *current, *draft);
  if (!draft->file) return done;
  if (done) {
    std::error_code ignored;
    std::filesystem::remove(*draft->file, ignored);
    return done;
  }
  const Error& why = done.error();
  return Error(why.code(), why.message(), why.detail(),
               why.hint() + (why.hint().empty() ? "" : " ") +
                   "Your text is kept: `evergres "
                   "edit-config --replace " +
                   draft->file->string() + "`.");
}

}  // namespace

Action add_edit_config(CLI::App& parser, Session& session) {
  auto options = std::make_shared<EditOptions>();
  parser.add_option("-s,--set", options->set, "key=value of the cluster; key= takes it away");
  parser.add_option("-p,--parameter", options->parameters,
                    "name=value of PostgreSQL; name= takes it away");
  parser.add_option("--replace", options->replace, "the whole text from a file, - for stdin");
  parser.add_flag("--adopt", options->adopt, "take over what ALTER SYSTEM set");
  parser.add_flag("--revert", options->revert, "take back what was altered by hand");
  parser.add_flag("--dry-run", options->dry_run, "only say what would change");
  parser.add_flag("--wait", options->wait, "return when every node has it");
  parser.add_flag("--force", options->force, "do not ask");
  parser.footer(
      "Without -s, -p, --replace, --adopt and --revert an editor opens ($VISUAL, $EDITOR, vi). "
      "What PostgreSQL would refuse is refused here, with its reason. Nobody is disconnected; what "
      "needs a restart waits for `evergres restart --pending`.");
  return [&session, options] { return edit(session, *options); };
}

}  // namespace evergres::cli
