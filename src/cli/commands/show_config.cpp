#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <memory>

#include "cli/agents.hpp"
#include "cli/commands/all.hpp"
#include "cli/effective_config.hpp"
#include "cli/view.hpp"

namespace evergres::cli {
namespace {

std::vector<Row> rows_of(const EffectiveConfig& config) {
  std::vector<Row> rows{{{"KIND"}, {"NAME"}, {"VALUE"}, {"DECIDED BY"}}};
  for (const EffectiveOption& option : config.options) {
    rows.push_back({{"option"},
                    {option.name, option.by_default ? Colour::none : Colour::bold},
                    {shown(option.value)},
                    {option.by_default ? "default" : "node.yaml"}});
  }
  for (const EffectiveParameter& parameter : config.parameters) {
    const bool wrong = parameter.owner == "forbidden";
    const bool chosen = parameter.owner == "operator";
    rows.push_back({{"parameter"},
                    {parameter.name, chosen ? Colour::bold : Colour::none},
                    {shown(parameter.value)},
                    {parameter.owner, wrong ? Colour::red : Colour::none}});
  }
  return rows;
}

boost::json::value value_of(const EffectiveConfig& config) {
  boost::json::array options;
  for (const EffectiveOption& option : config.options) {
    options.push_back(boost::json::object{
        {"name", option.name}, {"value", option.value}, {"default", option.by_default}});
  }
  boost::json::array parameters;
  for (const EffectiveParameter& parameter : config.parameters) {
    parameters.push_back(boost::json::object{
        {"name", parameter.name}, {"value", parameter.value}, {"owner", parameter.owner}});
  }
  boost::json::object object{
      {"node", config.node}, {"file", config.file}, {"generation", config.generation}};
  object["options"] = std::move(options);
  object["parameters"] = std::move(parameters);
  return object;
}

/// The settings of all nodes, as the store has them.
Result<std::string> cluster_text(const Place& place, const View& view) {
  const boost::json::value request = boost::json::object{{"verb", "cluster settings"}};
  const auto answer = ask_one(place, request, std::chrono::seconds(10));
  if (!answer) return answer.error();
  const auto text = text_of(*answer, "text");
  const auto trouble = text_of(*answer, "trouble");
  if (!text) return text.error();
  if (!trouble) return trouble.error();
  const auto& object = answer->get_object();
  const boost::json::value* const generation = object.if_contains("generation");
  std::string head = "# generation ";
  head += generation != nullptr ? boost::json::serialize(*generation) : "?";
  if (const auto by = text_of(*answer, "changed_by"); by && !by->empty()) {
    head += " by " + shown(*by);
  }
  head += "\n";
  if (!trouble->empty()) head += "# The store cannot be used: " + shown(*trouble) + "\n";
  return text_in_form(view.form, head + *text, {{{"TEXT"}}, {{*text}}}, *answer);
}

Result<std::string> node_text(const Place& place, const std::string& name, const View& view,
                              bool colour) {
  auto node = place.nodes.begin();
  if (!name.empty()) {
    node = std::ranges::find_if(
        place.nodes, [&](const KnownNode& known) { return known.settings.node.value == name; });
  }
  if (node == place.nodes.end()) {
    return Error(ErrorCode::not_found, "the node.yaml of \"" + name + "\" is not known here", "",
                 "Run this command on its machine, or name its file with -c.");
  }
  const Result<EffectiveConfig> config = effective_config(*node);
  if (!config) return config.error();
  const std::vector<Row> rows = rows_of(*config);
  const std::string table = config->file + "\n" + lines_of(rows, colour);
  return text_in_form(view.form, table, rows, value_of(*config));
}

}  // namespace

Action add_show_config(CLI::App& parser, Session& session) {
  const std::shared_ptr<View> view = add_view(parser, Watch::yes);
  auto name = std::make_shared<std::string>();
  parser.add_option("NODE", *name, "name of the node; else the configured one");
  auto cluster = std::make_shared<bool>(false);
  parser.add_flag("--cluster", *cluster, "the settings of all nodes, as edit-config sees them");
  parser.footer(
      "Parameters are decided by the cluster (edit-config), by the operator (node.yaml), by "
      "default (both may overrule them) or by evergres (nobody may set them, nor include* and "
      "recovery_target*). Secrets are files; their contents are never shown.");
  return [&session, view, name, cluster]() -> Result<int> {
    return show(session, *view, [&]() -> Result<std::string> {
      // The files are read again each time: with --watch an edit is seen.
      const Result<Place> place = find_place(session);
      if (!place) return place.error();
      if (*cluster) return cluster_text(*place, *view);
      return node_text(*place, *name, *view, session.colour);
    });
  };
}

}  // namespace evergres::cli
