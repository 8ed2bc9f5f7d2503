#include "config/node_settings.hpp"

#include <array>
#include <utility>

#include "config/options.hpp"

namespace evergres::config {
namespace {

using enum Kind;
using enum Need;
using N = NodeSettings;

constexpr std::array option_list{
    Option{"cluster", &N::cluster, cluster_name, required, "", "demo",
           "Name of the cluster: 1 to 32 of a-z, 0-9 and -, starting with a letter. The same on "
           "every node."},
    Option{"node", &N::node, node_name, required, "", "n1",
           "Name of this node: 1 to 32 of a-z, 0-9 and -, starting with a letter. Unique in the "
           "cluster."},
    Option{"data_directory", &N::data_directory, path, required, "", "/var/lib/evergres/n1/data",
           "PostgreSQL's data directory. `evergres init` or the first clone makes it."},
    Option{"state_directory", &N::state_directory, path, optional,
           "the directory \"state\" beside the data directory", "/var/lib/evergres/n1/state",
           "Promises, incarnation, journal and logs of Evergres. It must survive a reboot."},
    Option{"run_directory", &N::run_directory, path, optional, "/run/evergres/<node>",
           "/run/evergres/n1",
           "Unix sockets. Short, because the path of a socket has at most 107 bytes."},
    Option{"bin_directory", &N::bin_directory, path, optional,
           "the newest that the distribution installed", "/usr/lib/postgresql/15/bin",
           "Where initdb, postgres and the other programs of PostgreSQL are."},
    Option{"store", &N::store, store, required, "", "sqlite:/var/lib/evergres/store.db",
           "Where the record of the cluster is kept. The same on every node."},
    Option{"secret_file", &N::secret_file, path, required, "", "/etc/evergres/secret",
           "File with the secret of the cluster, mode 0600. The same content on every node."},
    Option{"postgres_host", &N::postgres_host, host, optional, "", "127.0.0.1",
           "Host name or address under which the other members reach this PostgreSQL."},
    Option{"postgres_port", &N::postgres_port, port, optional, "", "15432",
           "Port of PostgreSQL on this node."},
    Option{"peer_host", &N::peer_host, host, optional, "", "127.0.0.1",
           "Host name or address under which the other agents reach this agent."},
    Option{"peer_port", &N::peer_port, port, optional, "", "8009",
           "Port of this agent for the other agents."},
    Option{"http_host", &N::http_host, host, optional, "", "127.0.0.1",
           "Address at which this agent answers health checks, 0.0.0.0 for all. Whoever reaches it "
           "may read the state of the cluster, without a password."},
    Option{"http_port", &N::http_port, port, optional, "", "8008",
           "Port of this agent for health checks and metrics."},
    Option{"http_user", &N::http_user, user, optional, "none", "admin",
           "Who may change something over HTTP: switchover, restart and their like. Without it "
           "nobody may."},
    Option{"http_password_file", &N::http_password_file, path, optional, "none", "http.password",
           "File with the password of http_user: mode 0600, 16 to 4096 bytes."},
    Option{"http_changes_from", &N::http_changes_from, changes_from, optional, "", "this-machine",
           "From where changes over HTTP are accepted: \"this-machine\", or \"anywhere\" in a "
           "network in which a password may travel in clear text, because there is no TLS here."},
    Option{"synchronous_nodes", &N::synchronous_nodes, count, optional, "", "1",
           "On how many nodes beside the leader a commit must be flushed before it is "
           "acknowledged.",
           0, 8},
    Option{"durability", &N::durability, durability, optional, "what the cluster has", "quorum",
           "What happens while fewer standbys are there than wanted: with quorum commits wait for "
           "those that are left, with strict all writes wait. With async commits wait for nobody, "
           "and a failover may lose the last of them. A leader that is told another mode than the "
           "cluster has changes it, so say the same on every node."},
    Option{"max_loss", &N::max_loss, size, optional, "", "1MB",
           "With durability async: how much WAL an automatic failover may lose, as far as the "
           "leader was heard. Beyond it an operator decides."},
    Option{"suspect_after", &N::suspect_after, duration, optional, "", "1200ms",
           "How long the leader may be silent before the others ask each other about it.", 200,
           600'000},
    Option{"voter_timeout", &N::voter_timeout, duration, optional, "", "3s",
           "How long a voter may be silent before the leader goes on without it.", 500, 3'600'000},
    Option{"grant_length", &N::grant_length, duration, optional, "", "5s",
           "How long a leader may serve without its agent saying so again.", 2'000, 600'000},
    Option{"promote_timeout", &N::promote_timeout, duration, optional, "", "5min",
           "How long a promotion may take until its barrier.", 5'000, 86'400'000},
    Option{"drain_timeout", &N::drain_timeout, duration, optional, "", "5s",
           "How long a switchover, or a restart of the leader, waits for the transactions that are "
           "open. 0s: it waits for none.",
           0, 3'600'000},
    Option{"parameters", &N::parameters, parameters, optional, "none", "",
           "Settings for postgresql.conf, name: value. Those that Evergres owns are refused."},
    Option{"tags", &N::tags, tags, optional, "none", "",
           "Wishes about this node, and whatever else should be shown with it. `evergres reload` "
           "makes a change take effect."},
    Option{"application", &N::application, application, optional, "none", "",
           "The application's role and database, made once by `evergres init`."},
    Option{"proxy", &N::proxy, proxy, optional, "none: applications connect to PostgreSQL", "",
           "The endpoint of this node: the address to which applications connect, which is always "
           "the writable primary. With it PostgreSQL itself refuses them."},
};

constexpr std::array application_key_list{
    ApplicationKey{"role", false, "Name of the role."},
    ApplicationKey{"database", false, "Name of the database that the role owns."},
    ApplicationKey{"password_file", true, "File with the password of the role, mode 0600."},
};

using enum TagKey::Value;
constexpr std::array tag_key_list{
    TagKey{"nofailover", flag,
           "true: this node never becomes leader unless an operator insists. It votes only where "
           "other standbys are missing."},
    TagKey{"failover_priority", priority,
           "Of equally complete nodes the one with the highest number leads. 0 means nofailover, "
           "the default is 1."},
    TagKey{"noloadbalance", flag, "true: the health checks for replicas answer 503."},
    TagKey{"nosync", flag, "true: no commit waits for this node; it never votes."},
    TagKey{"clonefrom", flag,
           "true: while it streams and is close behind the leader, other nodes are cloned from "
           "here."},
    TagKey{"replicatefrom", node,
           "Name of the standby to stream from instead of the leader. Such a node never votes. "
           "While that standby does not stream it streams from the leader."},
    TagKey{"zone", text,
           "Where the node is. Of equally complete nodes one in the zone of the former leader "
           "leads."},
};

/// Converts to everything: stands for any member in an aggregate's braces.
struct Anything {
  template <typename Type>
  operator Type() const;  // NOLINT: never called, only looked at
};

template <typename Aggregate, std::size_t... Index>
constexpr bool takes(std::index_sequence<Index...>) {
  return requires {
    Aggregate{(static_cast<void>(Index), Anything{})...};
  };
}

/// How many members an aggregate has: the largest number of values that its braces take.
template <typename Aggregate, std::size_t Tried = 64>
constexpr std::size_t member_count() {
  if constexpr (Tried == 0 || takes<Aggregate>(std::make_index_sequence<Tried>{})) {
    return Tried;
  } else {
    return member_count<Aggregate, Tried - 1>();
  }
}

constexpr bool each_name_and_field_once() {
  for (std::size_t i = 0; i < option_list.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (option_list[i].name == option_list[j].name) return false;
      if (option_list[i].field == option_list[j].field) return false;
    }
  }
  return true;
}

static_assert(option_list.size() == member_count<NodeSettings>(),
              "every field of NodeSettings has exactly one Option line above");
static_assert(each_name_and_field_once(), "two Option lines have the same name or fill one field");

}  // namespace

std::span<const Option> options() {
  return option_list;
}

std::span<const TagKey> tag_keys() {
  return tag_key_list;
}

std::span<const ApplicationKey> application_keys() {
  return application_key_list;
}

}  // namespace evergres::config
