#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>

#include "agent/services.hpp"

/// The JSON bodies, with Patroni's member names. What Patroni has and this node does not know is
/// left out.
namespace evergres::api {

/// Patroni's word for the state of this node's PostgreSQL, and its number in patroni_postgres_state
/// (-1: unknown).
struct PostgresState {
  const char* word;
  int number;
};
PostgresState postgres_state(const agent::View& view);

/// /patroni, and the body of every health check.
boost::json::value node_document(const agent::View& view);
/// /cluster.
boost::json::value cluster_document(const agent::View& view);
/// /history: [timeline that ended, its end in bytes, reason, when, new leader], oldest first.
boost::json::value history_document(const agent::View& view);
/// Whether the value of a parameter of this name is told to nobody: PostgreSQL hides those from
/// ordinary users, or it is an extension's; a password could be in it, and reading needs none.
bool may_be_secret(const std::string& name);
/// /config: what has an equivalent in Patroni's dynamic configuration. Nothing while the record is
/// not known. Parameters are those of the cluster; values that may be secret are left out.
std::optional<boost::json::value> config_document(const agent::View& view);

}  // namespace evergres::api
