#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"

/// Who decides about a setting of PostgreSQL, and what a change of it takes. Source: the manual's
/// chapter "Server Configuration" and pg_settings of the versions 14 to 18.
namespace evergres::postgres {

enum class Owner {
  evergres,   ///< Evergres writes it itself; something else is there for what the operator wants
  forbidden,  ///< nobody sets it: it would break what Evergres promises
};

/// A setting that an operator may not set. What has no row is the operator's.
struct OwnedParameter {
  std::string_view name;  ///< "recovery_target*" stands for everything that begins so
  Owner owner;
  std::string_view reason;   ///< a sentence
  std::string_view instead;  ///< a sentence: what to do for what was probably wanted
};

std::span<const OwnedParameter> owned_parameters();
/// The row of a name in lower case, or nothing: it is the operator's.
const OwnedParameter* find_owned(std::string_view name);

/// Whether PostgreSQL takes a change of it only when it starts. Names of extensions: no.
bool needs_restart(std::string_view name, int major);

/// The five limits of which a standby may not have less than its primary. A standby that starts
/// with less serves no readers. Raise standbys first, lower the primary first.
std::span<const std::string_view> standby_limits();
bool is_standby_limit(std::string_view name);

/// Whether all nodes must have one value: the five limits, wal_level and track_commit_timestamp.
bool must_agree(std::string_view name);

/// Refuses (`config_invalid`, naming the parameter, with the reason and what to do instead) what is
/// not the operator's, what cannot be a parameter name, values with control characters, values that
/// would break a promise, and what the major version no longer knows; `major` 0 asks nothing of a
/// version. Whether the name exists and the value fits only PostgreSQL can say: try_configuration.
Outcome check_parameters(const std::map<std::string, std::string>& parameters, int major);

}  // namespace evergres::postgres
