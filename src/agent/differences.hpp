#pragma once

#include <map>
#include <string>
#include <vector>

#include "postgres/server.hpp"

/// What differs between two lists of settings, for people.
namespace evergres::agent {

using Lines = std::vector<std::string>;

/// "name<separator>value" lines as a map. What stands indented below a name becomes "name.key".
std::map<std::string, std::string> by_name(const std::string& text, char separator);

/// "name: old -> new" for what differs; "(unset)" where one side has none.
Lines differences(const std::map<std::string, std::string>& before,
                  const std::map<std::string, std::string>& after);

/// What the postgresql.conf on the disk says otherwise than it was rendered.
Lines drift_of(const postgres::Server& server, const std::string& rendered);

}  // namespace evergres::agent
