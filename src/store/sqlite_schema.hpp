#pragma once

#include <string>

#include "store/sqlite_connection.hpp"

/// What is in the file beside the entries: whose store it is. Only the store's .cpp files include
/// this.
namespace evergres::store {

struct StoreIdentity {
  std::string cluster;
  std::string id;  ///< random, made with the file
};

/// Makes the tables in an empty database, in one transaction; leaves a finished one alone. Error
/// data_invalid if the database holds something else.
Outcome initialise_schema(SqliteConnection& connection, const std::string& cluster);

/// Sets what every connection needs (synchronous=FULL) and reads whose store it is. Errors:
/// data_invalid (not a store), store_unavailable (a newer schema).
Result<StoreIdentity> read_identity(SqliteConnection& connection,
                                    const std::filesystem::path& file);

}  // namespace evergres::store
