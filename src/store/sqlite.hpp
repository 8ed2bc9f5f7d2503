#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "store/store.hpp"

namespace evergres::store {

/// Only `init` and `demo up` may create a store; everybody else must find one. A store that is
/// silently made anew would be a store that lost its history.
enum class Create { no, yes };

/// A store in one SQLite file (WAL mode, synchronous=FULL, mode 0600, schema version 1), for nodes
/// on one machine. `cluster` is written into a new file; an existing file of another cluster is
/// refused.
///
/// With Create::no a file that is missing now is an error of this call: store_unavailable (a
/// missing directory too). A file that vanishes or is replaced later makes the calls fail with
/// store_unavailable; the handle opens the file again by itself when it is there, and refuses for
/// good one that is another store (every file carries a random id) until it is put back.
/// A lock held by another process is waited for up to the deadline of the call, then store_locked.
Result<std::unique_ptr<Store>> open_sqlite(std::filesystem::path file, std::string cluster,
                                           Create create);

}  // namespace evergres::store
