#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace evergres::api {

/// What a request asks for. Like Patroni: of a name that is given twice the first value counts,
/// names without a value are dropped, a trailing slash of the path means nothing.
struct Query {
  std::string path;  ///< "/replica"
  std::map<std::string, std::string> values;
};

/// Takes "/replica?lag=10MB" apart; also the absolute form "http://host/replica". Percent signs
/// that begin no escape stand for themselves.
Query parse_target(std::string_view target);

/// "1048576", "16kB", "10MB", "1 GB" in bytes; a unit may be written in any case. Error usage.
Result<std::uint64_t> parse_bytes(const std::string& name, std::string_view text);

}  // namespace evergres::api
