#include "api/access.hpp"

#include <algorithm>
#include <cctype>

#include "api/answers.hpp"
#include "base/names.hpp"

namespace evergres::api {
namespace {

constexpr std::string_view scheme = "basic ";

std::string_view bytes_of(const net::Mac& mac) {
  return {reinterpret_cast<const char*>(mac.data()), mac.size()};
}

bool is_basic(const std::string& authorization) {
  return authorization.size() > scheme.size() &&
         std::equal(scheme.begin(), scheme.end(), authorization.begin(), [](char a, char b) {
           return a == static_cast<char>(std::tolower(static_cast<unsigned char>(b)));
         });
}

/// Browsers send an Origin with every POST; scripts do not.
bool is_of_another_site(const net::HttpRequest& request) {
  if (request.origin.empty()) return false;
  return request.origin != "http://" + request.host && request.origin != "https://" + request.host;
}

net::HttpAnswer unauthorized(const std::string& message, const std::string& detail) {
  net::HttpAnswer answer = error_answer(
      401, Error(ErrorCode::authentication, message, detail,
                 "Send the http_user and its password of this node, for example with curl -u."));
  answer.headers.emplace_back("WWW-Authenticate", "Basic realm=\"evergres\", charset=\"UTF-8\"");
  return answer;
}

}  // namespace

AccessRules access_rules(const config::NodeSettings& settings) {
  AccessRules rules;
  rules.key = random_hex(32);
  rules.from_anywhere = settings.http_changes_from == "anywhere";
  if (settings.http_user.empty()) return rules;
  const auto password = net::load_secret(settings.http_password_file);
  if (!password) {
    rules.trouble = password.error().one_line();
    return rules;
  }
  rules.expected =
      net::hmac_sha256(rules.key, net::base64(settings.http_user + ":" + password->value));
  return rules;
}

Access access_of(const net::HttpRequest& request, const AccessRules& rules) {
  if (!rules.expected) return Access::not_configured;
  if (!request.from_loopback && !rules.from_anywhere) return Access::from_elsewhere;
  if (is_of_another_site(request)) return Access::of_another_site;
  if (!is_basic(request.authorization)) return Access::without_credentials;
  const std::string_view given = std::string_view(request.authorization).substr(scheme.size());
  const net::Mac mac = net::hmac_sha256(rules.key, given);
  return net::same_bytes(bytes_of(mac), bytes_of(*rules.expected)) ? Access::allowed
                                                                   : Access::wrong_credentials;
}

net::HttpAnswer refusal_of(Access access, const AccessRules& rules) {
  const auto forbidden = [](std::string message, std::string detail, std::string hint) {
    return error_answer(
        403, Error(ErrorCode::permission, std::move(message), std::move(detail), std::move(hint)));
  };
  switch (access) {
    case Access::not_configured:
      return forbidden(
          "nothing may be changed over HTTP on this node",
          rules.trouble.empty() ? "It has no user and password for that." : rules.trouble + ".",
          "Set http_user and http_password_file in node.yaml and run `evergres "
          "reload`, or use the command line.");
    case Access::from_elsewhere:
      return forbidden("changes are accepted from this machine only",
                       "There is no TLS here: a password would cross the network in clear text.",
                       "Put a TLS proxy on this machine in front, or set `http_changes_from: "
                       "anywhere` where the network itself is trusted.");
    case Access::of_another_site:
      return forbidden("a page of another site asked for this", "The header Origin says so.", "");
    case Access::without_credentials:
      return unauthorized("no auth header received", "Whatever changes something needs one.");
    case Access::wrong_credentials:
      return unauthorized("not authenticated", "User or password is wrong.");
    case Access::allowed: break;
  }
  return error_answer(500, Error(ErrorCode::internal, "this request was refused for no reason"));
}

}  // namespace evergres::api
