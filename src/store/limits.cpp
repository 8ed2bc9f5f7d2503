#include "store/store.hpp"

namespace evergres::store {

Outcome check_limits(std::string_view key, std::string_view value) {
  if (key.empty() || key.size() > max_key_bytes) {
    return Error(ErrorCode::usage,
                 "a key of the store has 1 to " + std::to_string(max_key_bytes) + " bytes",
                 "This one has " + std::to_string(key.size()) + ".");
  }
  if (value.size() > max_value_bytes) {
    return Error(
        ErrorCode::usage,
        "a value of the store has at most " + std::to_string(max_value_bytes) + " bytes",
        "The value for " + std::string(key) + " has " + std::to_string(value.size()) + ".");
  }
  return {};
}

}  // namespace evergres::store
