#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "postgres/server.hpp"

namespace evergres::postgres {

/// Where to stream, clone or rewind from.
struct Upstream {
  std::string host;
  int port = 0;
  std::string application_name;  ///< what the sender counts: seat and term, or a non-voter name
  auto operator<=>(const Upstream&) const = default;
};

inline constexpr const char* upstream_service = "evergres";       ///< in upstream_file()
inline constexpr const char* source_service = "evergres_source";  ///< in source_file()

/// The text of a libpq service file with one service. `config_invalid` if a value has a line break.
Result<std::string> render_service(const Server& server, const char* service,
                                   const Upstream& upstream);

/// Replaces the service file that a walreceiver reads when it connects (primary_conninfo is only
/// `service=evergres`); mode 0600, atomic (every start writes it anew). Nothing: no upstream, and
/// libpq finds no such
/// service. A receiver that is already connected goes on until it is terminated: re-pointing is
/// write_upstream and then cut_receiver or a SIGTERM of it.
Outcome write_upstream(const Server& server, const std::optional<Upstream>& upstream);

/// What the file says now; nothing if it is absent or names no upstream. Without the password.
Result<std::optional<Upstream>> read_upstream(const Server& server);

}  // namespace evergres::postgres
