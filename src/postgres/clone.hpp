#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/instant.hpp"
#include "base/names.hpp"
#include "base/result.hpp"
#include "postgres/rewind.hpp"
#include "postgres/settings.hpp"
#include "postgres/upstream.hpp"

namespace evergres::postgres {

struct CloneRequest {
  Upstream source;
  Incarnation incarnation;  ///< of the clone; also names its temporary directory
  std::string slot;         ///< exists on the source; empty: none
  Configuration configuration;
  int major = 0;
};

/// pg_basebackup into data.clone-<incarnation>, then put_in_place with configuration (gate closed)
/// and incarnation. Reports "cloning 12 of 31 MB (38 %)". Less free space than the source is large
/// plus 10 % is `no_space` before anything is copied; a source that sends nothing for a minute (for
/// a quarter of an hour before the first byte) is `timed_out`. A failed clone removes only its own
/// temporary directory (and a sentinel stays), a success removes the sentinel; the old data
/// directory is touched only when the new one is complete and durable.
Outcome clone(const Server& server, const CloneRequest& request, const OnProgress& on_progress,
              Instant deadline, const std::stop_token& stop = {});

/// "  12345/31745 kB (38%), 0/1 tablespace" -> "cloning 12 of 31 MB (38 %)".
std::optional<std::string> parse_clone_progress(std::string_view line);

}  // namespace evergres::postgres
