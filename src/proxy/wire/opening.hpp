#pragma once

#include <string_view>
#include <variant>

#include "proxy/wire/startup.hpp"

namespace evergres::proxy {

/// Send this one byte and read on.
struct OpeningAnswer {
  char byte = 'N';
};
/// Begin the TLS handshake, then call tls_established().
struct OpeningHandshake {
  /// Nothing was said before, and the handshake has to choose ALPN "postgresql". Else 'S' is sent
  /// in the clear first.
  bool direct = false;
};

using OpeningStep = std::variant<StartupLacks, StartupRefused, OpeningAnswer, OpeningHandshake,
                                 CancelRequest, StartupMessage>;

/// What a client and we say to each other before the first typed message: each request for
/// encryption at most once, and nothing that came in the clear counts inside TLS (CVE-2021-23214,
/// CVE-2021-3935). One per connection. A bounded number of steps whatever the client sends.
class Opening {
 public:
  /// `tls`: whether a handshake can be answered at all.
  explicit Opening(bool tls) : tls_(tls) {}

  /// Judges what has arrived and consumes it. Called again after OpeningAnswer was sent, and when
  /// more has arrived; not during the handshake. Of a direct handshake nothing is consumed.
  OpeningStep next(std::string_view& arrived);

  /// The handshake is complete: from now on `arrived` is what TLS decrypted, and nothing else.
  void tls_established() { inside_tls_ = true; }
  [[nodiscard]] bool inside_tls() const { return inside_tls_; }

 private:
  OpeningStep ssl_requested(std::string_view arrived);

  bool tls_;
  bool inside_tls_ = false;
  bool handshaking_ = false;
  bool ssl_asked_ = false;
  bool gss_asked_ = false;
};

}  // namespace evergres::proxy
