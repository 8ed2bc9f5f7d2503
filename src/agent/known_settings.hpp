#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "cluster/spec.hpp"
#include "cluster/status.hpp"
#include "core/situation.hpp"
#include "postgres/settings.hpp"

namespace evergres::agent {

/// A setting whose new value waits for a restart.
struct PendingSetting {
  std::string name;
  std::string in_force;
  std::string after_restart;  ///< "(default)" if the files no longer set it
};

/// What this node knows of the settings of the cluster. A store that is away changes nothing of it,
/// nor does one that has lost them, and the applied ones survive the agent in a file.
struct KnownSettings {
  core::Wanted node_wanted;                      ///< of node.yaml, for a cluster that says nothing
  std::shared_ptr<const cluster::Spec> newest;   ///< of the store; null: none was ever seen
  std::shared_ptr<const cluster::Spec> applied;  ///< that PostgreSQL was given here
  bool store_read = false;                       ///< whether it has any was seen since the start
  std::uint64_t refused = 0;                     ///< a generation that this node cannot take
  std::string refusal;                           ///< why, a sentence
  std::string store_trouble;                     ///< why the store's cannot be read, a sentence
  std::vector<PendingSetting> pending_restart;   ///< while PostgreSQL runs
  std::map<std::string, std::string> altered;    ///< ALTER SYSTEM of what operators may set
  std::vector<std::string> edited;               ///< what the rendered file says otherwise
};

/// Those that files are rendered from: the applied ones; before the first, the newest.
const cluster::Spec* settings_in_use(const KnownSettings& known);

/// What the operator wants of commits: the cluster's settings, where they are silent node.yaml.
core::Wanted wanted_of(const KnownSettings& known);
/// Nothing for "": then what the record wants stays.
std::optional<core::Durability> durability_named(std::string_view name);

/// The generation that PostgreSQL still has to be given, if there is one that it could take.
std::optional<std::uint64_t> settings_due(const KnownSettings& known);

/// How far this node is, for its card: bounded, because a card may have 16 KB.
cluster::SettingsOfNode settings_of_node(const KnownSettings& known);

/// A document was read from the store. One of an older generation is not believed.
void learn_settings(KnownSettings& known, cluster::Spec spec);

/// Adds what the cluster's settings say to the configuration of a node.
void fill_in(postgres::Configuration& configuration, const cluster::Spec* spec);

/// state_directory/settings.json: the applied settings. Absent: nothing. An unreadable file is
/// nothing as well (the store has them).
std::optional<cluster::Spec> read_settings_file(const std::filesystem::path& state_directory);
/// Durable before it returns.
Outcome write_settings_file(const std::filesystem::path& state_directory,
                            const cluster::Spec& spec);

}  // namespace evergres::agent
