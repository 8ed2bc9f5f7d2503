#include "agent/known_settings.hpp"

#include "base/file.hpp"
#include "config/values.hpp"

namespace evergres::agent {
namespace {

std::filesystem::path file_in(const std::filesystem::path& state_directory) {
  return state_directory / "settings.json";
}

}  // namespace

const cluster::Spec* settings_in_use(const KnownSettings& known) {
  return known.applied ? known.applied.get() : known.newest.get();
}

std::optional<core::Durability> durability_named(std::string_view name) {
  for (const auto& entry : words(static_cast<const core::Durability*>(nullptr))) {
    if (entry.word == name) return entry.value;
  }
  return std::nullopt;
}

core::Wanted wanted_of(const KnownSettings& known) {
  core::Wanted wanted = known.node_wanted;
  // Before the store was read this node may know an old wish: what the record has stays.
  if (!known.store_read) wanted.durability.reset();
  if (!known.newest) return wanted;
  // The newest: what PostgreSQL cannot take of them does not hold up the policy.
  const config::ClusterSettings& said = known.newest->settings;
  if (said.durability && known.store_read) wanted.durability = durability_named(*said.durability);
  if (said.acknowledgements) wanted.acknowledgements = *said.acknowledgements;
  if (const auto bytes = config::parse_size(said.max_loss.value_or("")))
    wanted.max_loss_bytes = *bytes;
  wanted.slots.emplace();
  for (const auto& [name, slot] : said.slots) {
    wanted.slots->push_back({name, slot.logical, slot.database, slot.plugin});
  }
  wanted.member_slot_limit = config::parse_size(said.member_slot_limit.value_or(""));
  return wanted;
}

std::optional<std::uint64_t> settings_due(const KnownSettings& known) {
  if (!known.newest || known.newest->generation == known.refused) return std::nullopt;
  if (known.applied && *known.applied == *known.newest) return std::nullopt;
  return known.newest->generation;
}

cluster::SettingsOfNode settings_of_node(const KnownSettings& known) {
  constexpr std::size_t most_lines = 15;
  constexpr std::size_t longest = 200;
  const auto bounded = [](std::vector<std::string> lines) {
    if (lines.size() > most_lines) lines.resize(most_lines);
    for (std::string& line : lines) line = line.substr(0, longest);
    return lines;
  };
  cluster::SettingsOfNode told;
  told.generation = known.applied ? known.applied->generation : 0;
  std::vector<std::string> pending;
  for (const PendingSetting& one : known.pending_restart)
    pending.push_back(one.name + ": " + one.in_force + " -> " + one.after_restart);
  told.pending_restart = bounded(std::move(pending));
  told.trouble = known.refusal.substr(0, 2 * longest);
  std::vector<std::string> edited = known.edited;
  for (const auto& [name, value] : known.altered) {
    // A value that was cut short must never be adopted.
    if (value.size() <= longest && told.altered.size() < most_lines) {
      told.altered[name] = value;
    } else {
      edited.push_back(name + ": altered by ALTER SYSTEM");
    }
  }
  told.edited = bounded(std::move(edited));
  return told;
}

void learn_settings(KnownSettings& known, cluster::Spec spec) {
  if (known.newest && spec.generation < known.newest->generation) {
    known.store_trouble = "the store shows generation " + std::to_string(spec.generation) +
                          " of the settings after generation " +
                          std::to_string(known.newest->generation) + ", which stays in force";
    return;
  }
  known.store_trouble.clear();
  if (known.newest && *known.newest == spec) return;
  known.newest = std::make_shared<const cluster::Spec>(std::move(spec));
  known.refused = 0;
  known.refusal.clear();
}

void fill_in(postgres::Configuration& configuration, const cluster::Spec* spec) {
  if (spec == nullptr) return;
  configuration.cluster_parameters = spec->settings.parameters;
  for (const config::Allow& allow : spec->settings.allow) {
    configuration.admissions.push_back({allow.address, allow.database, allow.user});
  }
}

std::optional<cluster::Spec> read_settings_file(const std::filesystem::path& state_directory) {
  const auto text = read_file_if_present(file_in(state_directory));
  if (!text || !*text) return std::nullopt;
  auto spec = cluster::parse_spec(**text);
  if (!spec) return std::nullopt;
  return std::move(*spec);
}

Outcome write_settings_file(const std::filesystem::path& state_directory,
                            const cluster::Spec& spec) {
  return write_file_durably(file_in(state_directory), cluster::spec_text(spec), 0600);
}

}  // namespace evergres::agent
