#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string_view>

#include "base/error.hpp"

namespace evergres::net {

/// The code with this word ("store_locked"), nothing if no code has it.
std::optional<ErrorCode> error_code_from_word(std::string_view word);

/// {"code": word, "message": …, "detail": …, "hint": …}
boost::json::value error_to_json(const Error& error);

/// The error that another process sent. Never fails: what it does not understand becomes
/// ErrorCode::internal and is quoted (shortened) in the detail.
Error error_from_json(const boost::json::value& from);

}  // namespace evergres::net
