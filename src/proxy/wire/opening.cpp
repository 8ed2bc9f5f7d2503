#include "proxy/wire/opening.hpp"

#include <utility>

#include "base/check.hpp"

namespace evergres::proxy {
namespace {

StartupRefused refused(std::string message, std::string detail, std::string hint = {}) {
  return StartupRefused{"08P01", Error(ErrorCode::data_invalid, std::move(message),
                                       std::move(detail), std::move(hint))};
}

StartupRefused unencrypted_behind(std::string_view request) {
  return refused("received unencrypted data after " + std::string(request),
                 "This could be either a client-software bug or evidence of an attempted "
                 "man-in-the-middle attack.");
}

}  // namespace

OpeningStep Opening::next(std::string_view& arrived) {
  CHECK(!handshaking_ || inside_tls_);
  StartupRead read = read_startup(arrived);
  arrived.remove_prefix(read.consumed);
  if (std::holds_alternative<DirectTls>(read.packet)) {
    if (inside_tls_ || ssl_asked_ || gss_asked_) {
      return refused("unexpected TLS handshake",
                     "A direct handshake is the first thing that a client sends.");
    }
    if (!tls_) {
      return refused("TLS is not offered", "This endpoint has no certificate.",
                     "Connect with sslmode=disable, or configure a certificate.");
    }
    handshaking_ = true;
    return OpeningHandshake{true};
  }
  if (std::holds_alternative<SslRequest>(read.packet)) return ssl_requested(arrived);
  if (std::holds_alternative<GssRequest>(read.packet)) {
    if (std::exchange(gss_asked_, true)) {
      return refused("GSSAPI encryption was requested twice", "Once is enough.");
    }
    if (!arrived.empty()) return unencrypted_behind("GSSAPI encryption request");
    return OpeningAnswer{'N'};
  }
  if (auto* refusal = std::get_if<StartupRefused>(&read.packet)) return std::move(*refusal);
  if (auto* cancel = std::get_if<CancelRequest>(&read.packet)) return std::move(*cancel);
  if (auto* message = std::get_if<StartupMessage>(&read.packet)) return std::move(*message);
  return StartupLacks{};
}

OpeningStep Opening::ssl_requested(std::string_view arrived) {
  if (std::exchange(ssl_asked_, true) || inside_tls_) {
    return refused("TLS was requested twice", "Once is enough.");
  }
  // Also when the answer is 'N': a client waits for it, whatever it is.
  if (!arrived.empty()) return unencrypted_behind("SSL request");
  if (!tls_) return OpeningAnswer{'N'};
  handshaking_ = true;
  return OpeningHandshake{false};
}

}  // namespace evergres::proxy
