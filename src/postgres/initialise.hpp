#pragma once

#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>

#include "base/instant.hpp"
#include "base/names.hpp"
#include "base/result.hpp"
#include "postgres/settings.hpp"

namespace evergres::postgres {

/// A role for the application and a database that it owns.
struct Application {
  std::string role;
  std::string database;
  std::string password;
};

struct InitialiseRequest {
  Claim claim;  ///< names the temporary directory
  Incarnation incarnation;
  Configuration configuration;
  std::optional<Application> application;
  int major = 0;
};

struct Initialised {
  SystemId system_id;
  /// Data.init-<claim>; put_in_place it after the record has the id
  std::filesystem::path directory;
};

/// initdb (UTF8, C.UTF-8, checksums) into data.init-<claim>, our configuration with a closed gate,
/// the incarnation, replication_role with what pg_rewind needs, and the application; all of it
/// durable. Passwords travel as SCRAM verifiers through stdin only. server.data is not touched. A
/// failure removes the temporary directory.
Result<Initialised> initialise(const Server& server, const InitialiseRequest& request,
                               Instant deadline, const std::stop_token& stop = {});

}  // namespace evergres::postgres
