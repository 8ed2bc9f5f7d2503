#include "cli/effective_config.hpp"

#include <yaml-cpp/yaml.h>

#include <set>
#include <sstream>

#include "base/file.hpp"
#include "cluster/spec.hpp"
#include "config/options.hpp"
#include "config/printer.hpp"
#include "core/record.hpp"
#include "postgres/settings.hpp"

namespace evergres::cli {
namespace {

/// The names that stand at the top of the file.
Result<std::set<std::string>> names_in(const std::filesystem::path& file) {
  Result<std::string> text = read_file(file);
  if (!text) return text.error();
  std::set<std::string> names;
  try {
    const YAML::Node root = YAML::Load(*text);
    for (const auto& entry : root) names.insert(entry.first.as<std::string>());
  } catch (const YAML::Exception& problem) {
    return Error(ErrorCode::config_invalid, file.string() + " is not YAML", problem.msg);
  }
  return names;
}

std::string unquoted(const std::string& text) {
  if (text.size() < 2 || text.front() != '\'' || text.back() != '\'') return text;
  std::string value;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    const bool escape = text[i] == '\'' || text[i] == '\\';
    if (escape && i + 2 < text.size()) ++i;
    value += text[i];
  }
  return value;
}

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

/// "name: value" lines of node_file_text; those of a map below its name become one value.
std::map<std::string, std::string> values_of(const config::NodeSettings& settings) {
  std::map<std::string, std::string> values;
  std::istringstream in(config::node_file_text(settings));
  std::string name;
  for (std::string line; std::getline(in, line);) {
    const std::size_t at = line.find(':');
    if (at == std::string::npos) continue;
    if (line.front() != ' ') {
      name = line.substr(0, at);
      values[name] = unquoted(trimmed(line.substr(at + 1)));
      continue;
    }
    std::string& value = values[name];
    value += (value.empty() ? "" : ", ") + trimmed(line.substr(0, at)) + " " +
             unquoted(trimmed(line.substr(at + 1)));
  }
  return values;
}

std::vector<EffectiveOption> options_of(const KnownNode& node, const std::set<std::string>& given) {
  const auto values = values_of(node.settings);
  std::vector<EffectiveOption> options;
  for (const config::Option& option : config::options()) {
    if (option.kind == config::Kind::parameters) continue;  // they have lines of their own
    const std::string name(option.name);
    const auto found = values.find(name);
    EffectiveOption line{name, found == values.end() ? config::default_of(option) : found->second,
                         !given.contains(name)};
    options.push_back(std::move(line));
  }
  return options;
}

const char* word_of(postgres::DecidedBy by) {
  switch (by) {
    case postgres::DecidedBy::standard: return "default";
    case postgres::DecidedBy::cluster: return "cluster";
    case postgres::DecidedBy::node: return "operator";
  }
  return "?";
}

/// The settings of the cluster that the node's agent has given to PostgreSQL.
std::optional<cluster::Spec> applied_spec(const config::NodeSettings& settings) {
  const auto text = read_file(settings.state_directory / "settings.json");
  if (!text) return std::nullopt;
  auto spec = cluster::parse_spec(*text);
  if (!spec) return std::nullopt;
  return std::move(*spec);
}

std::vector<EffectiveParameter> parameters_of(const config::NodeSettings& settings,
                                              const std::optional<cluster::Spec>& spec) {
  postgres::Server server;
  server.node = settings.node;
  server.data = settings.data_directory;
  server.state_dir = settings.state_directory;
  server.run_dir = settings.run_directory;
  server.host = settings.postgres_host;
  server.port = settings.postgres_port;
  postgres::Configuration rendered;
  rendered.cluster_name = settings.cluster;
  const std::string text = postgres::render_settings(server, rendered);
  const std::size_t own = text.find("\n# Set by evergres");
  rendered.parameters = settings.parameters;
  if (spec) rendered.cluster_parameters = spec->settings.parameters;
  std::map<std::string, EffectiveParameter> all;
  for (const auto& [name, chosen] : postgres::chosen_parameters(rendered)) {
    all[name] = {name, chosen.value, word_of(chosen.by)};
  }
  if (own != std::string::npos) {
    for (const auto& [name, value] : rendered_values(text.substr(own))) {
      all[name] = {name, value, "evergres"};
    }
  }
  const postgres::SafetySettings safety{"(as the policy says)", core::slot_name(settings.node)};
  for (const auto& [name, value] : postgres::safety_values(safety)) {
    all[name] = {name, value, "evergres"};
  }
  for (const auto& [name, value] : settings.parameters) {
    if (!postgres::check_parameters({{name, value}}, 0)) all[name] = {name, value, "forbidden"};
  }
  std::vector<EffectiveParameter> parameters;
  parameters.reserve(all.size());
  for (auto& [name, parameter] : all) parameters.push_back(std::move(parameter));
  return parameters;
}

}  // namespace

std::map<std::string, std::string> rendered_values(const std::string& text) {
  std::map<std::string, std::string> values;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    const std::size_t at = line.find('=');
    if (line.empty() || line.front() == '#' || at == std::string::npos) continue;
    values[trimmed(line.substr(0, at))] = unquoted(trimmed(line.substr(at + 1)));
  }
  return values;
}

Result<EffectiveConfig> effective_config(const KnownNode& node) {
  const Result<std::set<std::string>> given = names_in(node.config_file);
  if (!given) return given.error();
  EffectiveConfig config;
  config.node = node.settings.node.value;
  config.file = node.config_file.string();
  config.options = options_of(node, *given);
  const std::optional<cluster::Spec> spec = applied_spec(node.settings);
  config.parameters = parameters_of(node.settings, spec);
  if (spec) config.generation = spec->generation;
  return config;
}

}  // namespace evergres::cli
