#pragma once

#include <memory>

#include "store/store.hpp"

namespace evergres::store {

/// A store in this process: a fake that behaves, for tests and simulations. Handles share one
/// content and may be used from different threads.
class MemoryContent;
std::shared_ptr<MemoryContent> make_memory_content();
std::unique_ptr<Store> open_memory(std::shared_ptr<MemoryContent> content);

}  // namespace evergres::store
