#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace evergres::sim {

/// synchronous_standby_names as PostgreSQL parses it; of its grammar only what Evergres writes:
/// '', and `ANY k ("a", "b")`.
struct SyncNames {
  std::string text;
  std::uint32_t k = 0;
  std::vector<std::string> names;
  bool ignored = false;     ///< planted: nobody is waited for
  bool nodes_only = false;  ///< planted: of whatever incarnation and term

  /// Text of another form leaves nobody who could acknowledge.
  static SyncNames parse(std::string_view text);
  [[nodiscard]] bool empty() const { return text.empty() || ignored; }
  [[nodiscard]] bool match(std::string_view application_name) const;
};

}  // namespace evergres::sim
