#include "config/cluster_settings.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <utility>

#include "config/values.hpp"

namespace evergres::config {
namespace {

using enum ClusterKind;
using C = ClusterSettings;

constexpr std::array option_list{
    ClusterOption{
        "durability", &C::durability, ClusterKind::durability, "durability of node.yaml", "quorum",
        "When a commit is acknowledged. quorum: it is on the leader and on `acknowledgements` "
        "other nodes; with fewer nodes the smaller number is recorded first. strict: the same, but "
        "with fewer nodes writes wait. async: it is on the leader; a failover without the leader "
        "may lose up to `max_loss`. What is not said here or in node.yaml stays as it is."},
    ClusterOption{"acknowledgements", &C::acknowledgements, count, "synchronous_nodes of node.yaml",
                  "1",
                  "On how many nodes beside the leader a commit must be flushed before it is "
                  "acknowledged.",
                  0, 8},
    ClusterOption{"max_loss", &C::max_loss, ClusterKind::size, "max_loss of node.yaml", "1MB",
                  "With durability async: how much WAL an automatic failover may lose, as far as "
                  "the leader was heard. Beyond it an operator decides."},
    ClusterOption{parameters_option, &C::parameters, parameters, "none",
                  "\n    work_mem: 8MB\n    max_connections: '200'",
                  "Settings of PostgreSQL on every node, name: value. A node.yaml may say another "
                  "value for its node, except for those that must agree everywhere. Settings that "
                  "Evergres owns are refused."},
    ClusterOption{"allow", &C::allow, ClusterKind::allow, "none",
                  "\n  - {address: 10.0.0.0/8, database: app, user: app}",
                  "Who may connect from other machines, with a password (SCRAM). Each line has an "
                  "address (CIDR), and may name a database and a user; without them it means all. "
                  "A range of everybody needs `world_open: yes` in its line. What the gate closes, "
                  "no line opens; the superuser stays out. `database: replication` is no database "
                  "but lets one user, by name, receive WAL and take base backups: such a user can "
                  "read everything."},
    ClusterOption{"slots", &C::slots, ClusterKind::slots, "none",
                  "\n  archive: {type: physical}\n"
                  "  cdc: {type: logical, database: app, plugin: pgoutput}",
                  "Replication slots that outlive a failover, name: {type, database, plugin}, at "
                  "most 8. Whoever leads has them. A physical one is also on every node that may "
                  "lead, never ahead of the leader's. A logical one (it needs wal_level: logical) "
                  "is made anew by the next leader before it admits writers, and begins there: "
                  "changes that its consumer had not fetched before are not in it. Taken away "
                  "here, a slot is dropped if Evergres made it and nobody uses it."},
    ClusterOption{"member_slot_limit", &C::member_slot_limit, ClusterKind::size,
                  "none beside max_slot_wal_keep_size", "10GB",
                  "How much WAL the leader keeps for a node that no commit waits for. The slot of "
                  "one that is further behind is dropped, so that the disk of the leader lives; "
                  "that node may have to be cloned then. At least 32MB.",
                  std::uint64_t{32} << 20U},
};

template <typename Aggregate, std::size_t... Index>
constexpr bool fields_are_distinct(const Aggregate& list, std::index_sequence<Index...>) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (list[i].name == list[j].name || list[i].field == list[j].field) return false;
    }
  }
  return true;
}
static_assert(fields_are_distinct(option_list, std::make_index_sequence<option_list.size()>{}),
              "two lines have the same name or fill one field");

struct Cidr {
  std::array<unsigned char, 16> bytes{};
  int bits = 0;    ///< of the family
  int length = 0;  ///< of the prefix
};

std::optional<Cidr> parse_cidr(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || text.size() > 50) return std::nullopt;
  const std::string address(text.substr(0, slash));
  const std::string_view digits = text.substr(slash + 1);
  const auto length = parse_integer(digits);
  if (!length || digits.empty() || digits.size() > 3 || digits.front() == '+') return std::nullopt;
  Cidr cidr;
  if (::inet_pton(AF_INET, address.c_str(), cidr.bytes.data()) == 1) {
    cidr.bits = 32;
  } else if (::inet_pton(AF_INET6, address.c_str(), cidr.bytes.data()) == 1) {
    cidr.bits = 128;
  } else {
    return std::nullopt;
  }
  if (*length < 0 || *length > cidr.bits) return std::nullopt;
  cidr.length = static_cast<int>(*length);
  return cidr;
}

}  // namespace

std::span<const ClusterOption> cluster_options() {
  return option_list;
}

std::string_view kind_text(ClusterKind kind) {
  switch (kind) {
    case ClusterKind::durability: return "quorum, strict or async";
    case ClusterKind::size: return "a number of bytes with kB, MB or GB, or unlimited";
    case ClusterKind::count: return "a whole number";
    case ClusterKind::parameters: return "name: value lines";
    case ClusterKind::slots: return "names, each with type, database and plugin";
    case ClusterKind::allow: return "a list of lines with address, database, user, world_open";
  }
  return "a value";
}

std::string why_no_slot_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  if (name.empty() || name.size() > 63 || !std::ranges::all_of(name, fits))
    return "write 1 to 63 of a-z, 0-9 and _";
  if (name.starts_with("evg_") || name.starts_with("evgc_"))
    return "names that begin with evg_ are those of the nodes";
  return "";
}

bool is_world(std::string_view text) {
  const auto cidr = parse_cidr(text);
  return cidr && cidr->length <= 1;
}

bool is_cidr(std::string_view text) {
  const auto cidr = parse_cidr(text);
  if (!cidr) return false;
  for (int bit = cidr->length; bit < cidr->bits; ++bit) {
    const auto byte = static_cast<unsigned>(cidr->bytes[static_cast<std::size_t>(bit / 8)]);
    if (((byte >> (7U - static_cast<unsigned>(bit % 8))) & 1U) != 0) return false;
  }
  return true;
}

}  // namespace evergres::config
