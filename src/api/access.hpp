#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"
#include "config/node_settings.hpp"
#include "net/http.hpp"
#include "net/secret.hpp"

/// Who may change something over HTTP (docs/decisions, "Changing things over HTTP"). Reading needs
/// nobody's permission.
namespace evergres::api {

struct AccessRules {
  /// What the right Authorization header becomes under `key`; absent: nobody may change anything.
  std::optional<net::Mac> expected;
  std::string key;  ///< of this run, random
  bool from_anywhere = false;
  std::string trouble;  ///< why the password file cannot be used; "" if it can
};

/// Reads the password file; blocks for that long. A file that cannot be used forbids changes.
AccessRules access_rules(const config::NodeSettings& settings);

enum class Access {
  allowed,
  not_configured,
  from_elsewhere,   ///< the password would have crossed the network in clear text
  of_another_site,  ///< a page of another site made a browser ask
  without_credentials,
  wrong_credentials,  ///< answer late
};

/// In a time that does not depend on how much of the password is right.
Access access_of(const net::HttpRequest& request, const AccessRules& rules);

/// 401 or 403 with the one Error.
net::HttpAnswer refusal_of(Access access, const AccessRules& rules);

}  // namespace evergres::api
