#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/instant.hpp"
#include "base/result.hpp"
#include "postgres/server.hpp"
#include "postgres/session.hpp"
#include "postgres/settings.hpp"

/// What a change of settings means before it is written, and what of it still waits.
namespace evergres::postgres {

/// A setting whose new value PostgreSQL takes at its next start.
struct PendingChange {
  std::string name;
  std::string now;   ///< as SHOW prints it
  std::string then;  ///< as the file says it; "(default)" if it says nothing any more
};
/// "max_connections: 100 -> 150".
std::string describe(const PendingChange& change);

/// By name. `session` must have been opened after the reload that it is about. hot_standby is left
/// out: a start after lowered limits overrules it once, and nobody has to restart for it.
Result<std::vector<PendingChange>> pending_changes(Session& session, Instant deadline);

/// Whether PostgreSQL would start with this configuration as far as that can be told without a
/// start: it reads the rendered file (`postgres -C`: every name and every value), and the preloaded
/// libraries and the reserved connections are looked at. Touches nothing that runs; blocks for some
/// 30 ms. Error config_invalid with PostgreSQL's own words.
Outcome try_configuration(const Server& server, const Configuration& configuration,
                          Instant deadline);

/// The name in PostgreSQL's "unrecognized configuration parameter "x"", "" if it says another
/// thing.
std::string unrecognized_name(std::string_view words);

}  // namespace evergres::postgres
