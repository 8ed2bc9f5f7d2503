#include "proxy/wire/startup.hpp"

#include <algorithm>
#include <optional>

#include "proxy/wire/reader.hpp"

namespace evergres::proxy {
namespace {

constexpr std::uint32_t code(std::uint16_t high, std::uint16_t low) {
  return (std::uint32_t{high} << 16U) | low;
}
constexpr std::uint32_t cancel_code = code(1234, 5678);
constexpr std::uint32_t ssl_code = code(1234, 5679);
constexpr std::uint32_t gss_code = code(1234, 5680);
constexpr char tls_handshake = 0x16;

StartupRefused refused(std::string_view sqlstate, std::string message, std::string detail = {},
                       std::string hint = {}) {
  return StartupRefused{std::string(sqlstate), Error(ErrorCode::data_invalid, std::move(message),
                                                     std::move(detail), std::move(hint))};
}

StartupRefused malformed(std::string detail) {
  return refused("08P01", "invalid startup packet", std::move(detail),
                 "Connect with a PostgreSQL client.");
}

/// The texts of a boolean that PostgreSQL takes (utils/adt/bool.c), as far as clients write them.
std::optional<bool> boolean(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : static_cast<char>(c);
  });
  for (const std::string_view word : {"true", "on", "yes", "1", "t", "y"}) {
    if (lower == word) return true;
  }
  for (const std::string_view word : {"false", "off", "no", "0", "f", "n"}) {
    if (lower == word) return false;
  }
  return std::nullopt;
}

std::optional<StartupRefused> take_replication(std::string_view value, StartupMessage& message) {
  if (value == "database") {
    message.replication = Replication::logical;
    return std::nullopt;
  }
  const std::optional<bool> wanted = boolean(value);
  if (!wanted) {
    return refused("22023", "invalid value for parameter \"replication\"",
                   "Valid values are: \"false\", 0, \"true\", 1, \"database\".");
  }
  message.replication = *wanted ? Replication::physical : Replication::none;
  return std::nullopt;
}

std::optional<StartupRefused> take_name(std::string_view what, std::string_view value,
                                        std::string& into) {
  if (!into.empty()) return malformed("It names the " + std::string(what) + " twice.");
  if (value.size() > name_most) {
    return refused("42622", std::string(what) + " name is too long",
                   "It has " + std::to_string(value.size()) + " bytes; PostgreSQL has room for " +
                       std::to_string(name_most) + ".",
                   "Use the name that PostgreSQL stored, cut to 63 bytes.");
  }
  into = value;
  return std::nullopt;
}

std::optional<StartupRefused> take(std::string_view name, std::string_view value,
                                   StartupMessage& message) {
  if (name == "user") return take_name("user", value, message.user);
  if (name == "database") return take_name("database", value, message.database);
  if (name == "replication") return take_replication(value, message);
  if (name.starts_with("_pq_.")) {
    message.unknown_options.emplace_back(name);
  } else {
    message.settings.emplace_back(name, value);
  }
  return std::nullopt;
}

StartupRead message_of(ProtocolVersion asked, Reader reader, std::size_t consumed) {
  StartupMessage message;
  message.asked = asked;
  message.spoken = std::min(asked, newest_protocol);
  while (true) {
    const std::string_view name = reader.text();
    if (!reader.ok()) return {malformed("Its list of parameters does not end."), 0};
    if (name.empty()) break;
    const std::string_view value = reader.text();
    if (!reader.ok()) return {malformed("A parameter has no value."), 0};
    if (auto problem = take(name, value, message)) return {std::move(*problem), 0};
  }
  if (!reader.done()) return {malformed("Something follows its list of parameters."), 0};
  if (message.user.empty()) {
    return {refused("28000", "no PostgreSQL user name specified in startup packet"), 0};
  }
  if (message.database.empty()) message.database = message.user;
  return {std::move(message), consumed};
}

StartupRead cancel_of(Reader reader, std::size_t consumed) {
  CancelRequest request;
  request.pid = reader.i32();
  request.key = reader.rest();
  if (!reader.ok() || request.key.size() < cancel_key_least ||
      request.key.size() > cancel_key_most) {
    return {malformed("The key of a cancel request has 4 to 256 bytes."), 0};
  }
  return {std::move(request), consumed};
}

}  // namespace

StartupRead read_startup(std::string_view arrived) {
  if (arrived.empty()) return {StartupLacks{}, 0};
  if (arrived.front() == tls_handshake) return {DirectTls{}, 0};
  // The two high bytes of every length that we take are zero: strangers are noticed at once.
  const std::string_view high = arrived.substr(0, 2);
  if (high.find_first_not_of('\0') != std::string_view::npos) {
    return {malformed("It does not begin with a length of at most 10,000 bytes."), 0};
  }
  if (arrived.size() < 4) return {StartupLacks{}, 0};
  Reader head(arrived.substr(0, 4));
  const std::uint32_t length = head.u32();
  if (length < 8 || length > startup_most) {
    return {malformed("Its length is " + std::to_string(length) + "; 8 to 10,000 are possible."),
            0};
  }
  if (arrived.size() < length) return {StartupLacks{}, 0};
  Reader reader(arrived.substr(4, length - 4));
  const std::uint32_t what = reader.u32();
  if (what == cancel_code) return cancel_of(reader, length);
  if (what == ssl_code || what == gss_code) {
    if (!reader.done()) return {malformed("A request for encryption has 8 bytes."), 0};
    if (what == ssl_code) return {SslRequest{}, length};
    return {GssRequest{}, length};
  }
  const ProtocolVersion asked{static_cast<std::uint16_t>(what >> 16U),
                              static_cast<std::uint16_t>(what & 0xffffU)};
  if (asked.major != 3) {
    return {refused("0A000",
                    "unsupported frontend protocol " + std::to_string(asked.major) + "." +
                        std::to_string(asked.minor),
                    "This endpoint speaks 3.0 to 3.2."),
            0};
  }
  return message_of(asked, reader, length);
}

}  // namespace evergres::proxy
