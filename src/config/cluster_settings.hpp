#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// What an operator declares for the whole cluster (`evergres edit-config`). It is one document in
/// the store. Each field's line stands beside it in cluster_settings.cpp; reader, editor's text and
/// reference are made from that list. What is absent is as each node.yaml says.
namespace evergres::config {

/// Who else may connect to an open server, besides the applications of the machine itself.
struct Allow {
  std::string address;  ///< CIDR: "10.0.0.0/8", "fd00::/8"
  std::string database = "all";
  std::string user = "all";
  std::string method = "scram-sha-256";  ///< there is no other
  bool world_open = false;               ///< needed for an address that means everybody
  auto operator<=>(const Allow&) const = default;
};

/// A replication slot that every leader has, whoever leads.
struct DeclaredSlot {
  bool logical = false;
  std::string database;  ///< of a logical one; "" of a physical one
  std::string plugin;    ///< the same
  auto operator<=>(const DeclaredSlot&) const = default;
};

struct ClusterSettings {
  std::optional<std::string> durability;  ///< "quorum", "strict" or "async"
  std::optional<std::uint32_t> acknowledgements;
  std::optional<std::string> max_loss;  ///< as parse_size reads it
  std::map<std::string, std::string> parameters;
  std::vector<Allow> allow;
  std::map<std::string, DeclaredSlot> slots;     ///< by name
  std::optional<std::string> member_slot_limit;  ///< as parse_size reads it
  auto operator<=>(const ClusterSettings&) const = default;
};

enum class ClusterKind { durability, count, size, parameters, allow, slots };

using ClusterTarget = std::variant<
    std::optional<std::string> ClusterSettings::*, std::optional<std::uint32_t> ClusterSettings::*,
    std::map<std::string, std::string> ClusterSettings::*, std::vector<Allow> ClusterSettings::*,
    std::map<std::string, DeclaredSlot> ClusterSettings::*>;

struct ClusterOption {
  std::string_view name;  ///< "postgresql.parameters" is "parameters" below "postgresql"
  ClusterTarget field;
  ClusterKind kind;
  std::string_view default_text;
  std::string_view sample;  ///< YAML as it stands behind the name; several lines for a list
  std::string_view help;    ///< sentences
  std::uint64_t least = 0;  ///< for count, and bytes for size
  std::uint64_t most = 0;
};

/// In the order of the reference and of the editor's text.
std::span<const ClusterOption> cluster_options();

/// What a value must look like, for reference and messages.
std::string_view kind_text(ClusterKind kind);

inline constexpr std::string_view parameters_option = "postgresql.parameters";
/// How many lines `allow` may have.
inline constexpr std::size_t most_allowed = 256;
/// How many parameters there may be.
inline constexpr std::size_t most_parameters = 512;

/// How many slots may be declared: beside them the 16 of max_replication_slots hold those of eight
/// other nodes.
inline constexpr std::size_t most_slots = 8;

/// Why PostgreSQL or Evergres would not have a declared slot of this name; "" if it is fine.
std::string why_no_slot_name(std::string_view name);

/// Whether the address stands for everybody ("0.0.0.0/0", "::/0", or a range of half of them).
bool is_world(std::string_view cidr);

/// Whether it is an IPv4 or IPv6 address with the length of its prefix and no bit set behind it.
bool is_cidr(std::string_view text);

}  // namespace evergres::config
