#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace evergres::proxy {

/// A text that a stranger wrote, for messages and logs: at most `most` bytes, cut between letters;
/// UTF-8 that is well formed stays, control characters and everything else become '?'.
std::string shown(std::string_view text, std::size_t most);

/// shown() in double quotes, as names stand in messages: at most 63 bytes.
std::string shown_name(std::string_view name);

}  // namespace evergres::proxy
