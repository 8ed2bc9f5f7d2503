#pragma once

#include <string>

/// What a server's log since its start says, in the words of stories.
namespace evergres::differential {

/// Why a start failed: "history", "survivors", or the whole text if it is none of these.
std::string why_it_ended(const std::string& text);

/// See Server::last_refusal().
std::string last_refusal_in(const std::string& text);

}  // namespace evergres::differential
