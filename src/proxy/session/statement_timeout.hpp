#pragma once

#include <optional>
#include <string_view>

#include "base/instant.hpp"

namespace evergres::proxy {

/// "5000", "5s", " 1.5 min": as PostgreSQL reads it, but for octal and hexadecimal numbers. Absent:
/// not understood, or 0, which is PostgreSQL's word for none.
std::optional<Millis> read_timeout(std::string_view text);

/// The statement_timeout of a session, for the time in which no server counts it, while a statement
/// waits here. `sets` are the SET and RESET commands that are in force, in their order, each ended
/// by a zero byte; `usual` is what the session began with, and goes back to. What functions set is
/// not seen.
std::optional<Millis> statement_timeout_of(std::string_view sets, std::optional<Millis> usual);

}  // namespace evergres::proxy
