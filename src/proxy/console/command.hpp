#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/error.hpp"
#include "base/field.hpp"

/// The language of the console: what is typed into the databases `evergres` and `pgbouncer`.
namespace evergres::proxy {

/// The names under which the console is connected to.
inline constexpr std::array<std::string_view, 2> console_databases{"evergres", "pgbouncer"};
bool is_console_database(std::string_view database);

/// What SHOW shows.
enum class Show {
  active_sockets,
  clients,
  config,
  databases,
  dns_hosts,
  dns_zones,
  fds,
  help,
  lists,
  mem,
  peer_pools,
  peers,
  pools,
  servers,
  sockets,
  state,
  stats,
  stats_averages,
  stats_times,
  stats_totals,
  totals,
  users,
  version,
};
constexpr auto words(const Show*) {
  return std::array{Word{"active_sockets", Show::active_sockets},
                    Word{"clients", Show::clients},
                    Word{"config", Show::config},
                    Word{"databases", Show::databases},
                    Word{"dns_hosts", Show::dns_hosts},
                    Word{"dns_zones", Show::dns_zones},
                    Word{"fds", Show::fds},
                    Word{"help", Show::help},
                    Word{"lists", Show::lists},
                    Word{"mem", Show::mem},
                    Word{"peer_pools", Show::peer_pools},
                    Word{"peers", Show::peers},
                    Word{"pools", Show::pools},
                    Word{"servers", Show::servers},
                    Word{"sockets", Show::sockets},
                    Word{"state", Show::state},
                    Word{"stats", Show::stats},
                    Word{"stats_averages", Show::stats_averages},
                    Word{"stats_times", Show::stats_times},
                    Word{"stats_totals", Show::stats_totals},
                    Word{"totals", Show::totals},
                    Word{"users", Show::users},
                    Word{"version", Show::version}};
}

enum class Verb {
  nothing,   ///< an empty text, or only a comment: how drivers ask whether somebody is there
  constant,  ///< SELECT 1, SHOW client_encoding: one column, one row, without looking anywhere
  ignored,   ///< SET and the like of what drivers set by themselves: accepted, without effect
  begin,
  commit,
  rollback,
  show,
  disable,
  enable,
  kill,
  kill_client,
  pause,
  reconnect,
  reload,
  resume,
  set,
  shutdown,
  wait_close,
};
/// The command tag of each verb, in lower case; of a constant it is in the command.
constexpr auto words(const Verb*) {
  return std::array{Word{"nothing", Verb::nothing},   Word{"constant", Verb::constant},
                    Word{"ignored", Verb::ignored},   Word{"begin", Verb::begin},
                    Word{"commit", Verb::commit},     Word{"rollback", Verb::rollback},
                    Word{"show", Verb::show},         Word{"disable", Verb::disable},
                    Word{"enable", Verb::enable},     Word{"kill", Verb::kill},
                    Word{"kill_client", Verb::kill_client}, Word{"pause", Verb::pause},
                    Word{"reconnect", Verb::reconnect}, Word{"reload", Verb::reload},
                    Word{"resume", Verb::resume},     Word{"set", Verb::set},
                    Word{"shutdown", Verb::shutdown}, Word{"wait_close", Verb::wait_close}};
}

/// How SHUTDOWN ends the process.
enum class Shutdown {
  at_once,
  wait_for_servers,  ///< when no server is lent to a client any more; waiting clients are refused
  wait_for_clients,  ///< when the last client has left by itself; nobody new is let in
};

/// One statement. What its verb does not use is empty.
struct Command {
  Verb verb = Verb::nothing;
  Show show = Show::help;
  /// Of PAUSE and its like; absent: all databases. Case counts, also without quotes, as in
  /// PgBouncer.
  std::optional<std::string> database;
  std::uint64_t client = 0;  ///< of KILL_CLIENT: SocketFacts::id
  Shutdown shutdown = Shutdown::at_once;
  std::string key;    ///< of SET, in lower case; of a constant its column
  std::string value;  ///< of SET as it was written, without quotes; of a constant its value
  std::string tag;    ///< of `constant` and `ignored`

  bool operator==(const Command&) const = default;

  /// Only admins may do it; the others are for observers too.
  [[nodiscard]] bool changes() const { return verb > Verb::show; }
};

/// What the client is told instead.
struct Refusal {
  std::string_view sqlstate;
  Error error;
};

/// The statement of one Query or Parse. Takes hostile text; reads it once.
std::variant<Command, Refusal> parse_command(std::string_view text);

}  // namespace evergres::proxy
