#pragma once

#include <charconv>
#include <optional>
#include <string_view>

#include "base/names.hpp"

/// Which leadership a server is in, as it says itself: what we believe of its term may be old.
namespace evergres::proxy {

/// Of a primary; as text, eight hexadecimal digits. Everybody may ask it.
inline constexpr std::string_view timeline_sql =
    "pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8)";

inline std::optional<TimelineId> read_timeline(std::string_view text) {
  TimelineId timeline;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), timeline.value, 16);
  if (text.size() != 8 || read.ec != std::errc{} || read.ptr != text.data() + text.size()) {
    return std::nullopt;
  }
  return timeline;
}

}  // namespace evergres::proxy
