#pragma once

#include <string>

namespace evergres::cli {

/// The table of exit statuses and the error codes that lead to them, as Markdown. It is made from
/// base/error.hpp; docs/reference/exit-codes.md is this text.
std::string exit_codes_text();

}  // namespace evergres::cli
