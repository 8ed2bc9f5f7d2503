#pragma once

#include <string_view>

namespace evergres::supervisor {

/// One line on stderr: "2026-11-21 06:28:24.123+00 supervisor: TEXT". `who` is "keeper" or
/// "supervisor". Never give it a secret; requests are not logged.
void say(std::string_view who, std::string_view text);

}  // namespace evergres::supervisor
