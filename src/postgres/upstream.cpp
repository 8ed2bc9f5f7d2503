#include "postgres/upstream.hpp"

#include <algorithm>
#include <charconv>

#include "base/file.hpp"

namespace evergres::postgres {

namespace {

bool fits_on_a_line(std::string_view value) {
  return value.size() < 256 && std::none_of(value.begin(), value.end(), [](char c) {
           return c == '\n' || c == '\r' || c == '\0';
         });
}

/// The value behind "key=" in the text of a service file.
std::string value_of(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto line = text.substr(0, end);
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == '=') {
      return std::string(line.substr(key.size() + 1));
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return {};
}

}  // namespace

Result<std::string> render_service(const Server& server, const char* service,
                                   const Upstream& upstream) {
  const bool fits = fits_on_a_line(upstream.host) && fits_on_a_line(upstream.application_name) &&
                    fits_on_a_line(server.replication_password);
  if (!fits || upstream.host.empty()) {
    return Error(ErrorCode::config_invalid, "the upstream cannot be written down",
                 "Its host is empty, or one of its values is too long or has a line break.");
  }
  std::string text = "[" + std::string(service) + "]\n";
  text += "host=" + upstream.host + "\n";
  text += "port=" + std::to_string(upstream.port) + "\n";
  text += std::string("user=") + replication_role + "\n";
  text += "password=" + server.replication_password + "\n";
  if (!upstream.application_name.empty()) {
    text += "application_name=" + upstream.application_name + "\n";
  }
  // Milliseconds for tcp_user_timeout, seconds for the others.
  text +=
      "connect_timeout=2\nkeepalives=1\nkeepalives_idle=2\nkeepalives_interval=1\n"
      "keepalives_count=3\ntcp_user_timeout=5000\n";
  return text;
}

Outcome write_upstream(const Server& server, const std::optional<Upstream>& upstream) {
  if (!upstream) {
    return write_file_atomically(server.upstream_file(), "# This node has no upstream.\n", 0600);
  }
  const auto text = render_service(server, upstream_service, *upstream);
  if (!text) return text.error();
  return write_file_atomically(server.upstream_file(), *text, 0600);
}

Result<std::optional<Upstream>> read_upstream(const Server& server) {
  const auto text = read_file_if_present(server.upstream_file(), 65536);
  if (!text) return text.error();
  if (!*text || (**text).find("[evergres]") == std::string::npos) {
    return std::optional<Upstream>();
  }
  Upstream upstream{value_of(**text, "host"), 0, value_of(**text, "application_name")};
  const std::string port = value_of(**text, "port");
  const auto parsed = std::from_chars(port.data(), port.data() + port.size(), upstream.port);
  if (parsed.ec != std::errc{} || upstream.host.empty()) {
    return Error(ErrorCode::data_invalid, server.upstream_file().string() + " is damaged", {},
                 "Remove the file; the agent writes it again.");
  }
  return std::optional<Upstream>(std::move(upstream));
}

}  // namespace evergres::postgres
