#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "store/sqlite.hpp"
#include "store/store.hpp"

namespace evergres::store {

/// Opens the store that an address like "sqlite:/var/lib/evergres/store.db" names. An unknown
/// scheme is Error config_invalid and lists the known ones.
Result<std::unique_ptr<Store>> open_store(std::string_view address, const std::string& cluster,
                                          Create create);

}  // namespace evergres::store
