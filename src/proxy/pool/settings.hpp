#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace evergres::proxy {

/// What a server reported of its session's settings (ParameterStatus), by name as in PostgreSQL,
/// where case does not count. For a server: what is in force there. For a client: what was in force
/// when it last had a server, and has to be again. Values are those that the server spells
/// ("ISO, MDY"), so that comparing them is enough. Small and sorted.
class Settings {
 public:
  /// PostgreSQL reports about 15. More than this, or longer ones in all, is no PostgreSQL.
  static constexpr std::size_t most = 64;
  static constexpr std::size_t bytes_most = 64U << 10U;

  /// False, and unchanged, beyond the bounds: close that connection.
  bool note(std::string_view name, std::string_view value);
  /// nullptr if it was not reported.
  [[nodiscard]] const std::string* find(std::string_view name) const;
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& all() const { return all_; }
  auto operator<=>(const Settings&) const = default;

 private:
  std::vector<std::pair<std::string, std::string>> all_;  ///< sorted by lower-case name
  std::size_t bytes_ = 0;
};

/// What has to be done before a client may use a server.
struct Restoration {
  /// The server cannot become what the client needs (it is another user's session, or another
  /// encoding's): it is not for this client.
  bool unfit = false;
  std::vector<std::pair<std::string, std::string>> set;  ///< in the client's values
};

/// Compares what both have reported. What only one of them knows stays as it is: another version of
/// PostgreSQL reports other settings.
Restoration restoration(const Settings& client, const Settings& server);

/// Appends one implicit transaction that sets them all or none: for each a Bind and an Execute of
/// set_config(), one Sync. set_config() takes a list such as search_path as it was reported, where
/// SET would quote it once more. The answer is 1, then 2 and D and C for each, Z; ParameterStatus
/// in between. After an ErrorResponse in it the client's messages behind it must not be believed:
/// send them in one batch with it only for values that this server's version has taken before.
void write_restoration(std::string& to, const Restoration& what);

/// Settings for which the client is told another value than before.
std::vector<std::pair<std::string, std::string>> changes(const Settings& told, const Settings& now);

}  // namespace evergres::proxy
