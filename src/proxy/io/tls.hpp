#pragma once

#include <openssl/types.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/result.hpp"

namespace evergres::proxy {

/// What TLS needs of files, read once; new files are a new context, and who is connected keeps the
/// old one. TLS 1.2 and newer, ALPN "postgresql", no compression, no renegotiation; sessions hold
/// no buffers while they are idle. For one thread: each has its own.
class TlsContext {
 public:
  struct ServerFiles {
    std::filesystem::path certificate;       ///< PEM, with the chain behind it
    std::filesystem::path key;               ///< PEM; refused if others may read it
    std::filesystem::path client_authority;  ///< PEM; empty: clients are not asked for certificates
  };
  /// Errors name the file: not_found, permission, data_invalid (also if key and certificate do not
  /// belong together).
  static Result<TlsContext> for_clients(const ServerFiles& files);

  enum class Verify { nothing, authority, authority_and_name };
  /// What we show a server that asks for a certificate; empty: nothing.
  struct OwnFiles {
    std::filesystem::path certificate;
    std::filesystem::path key;
  };
  /// Toward servers. `authority`: PEM; required unless nothing is verified.
  static Result<TlsContext> for_servers(Verify verify, const std::filesystem::path& authority,
                                        const OwnFiles& own = {});

  /// end_point_hash() of our certificate, for SCRAM-SHA-256-PLUS.
  [[nodiscard]] const std::optional<std::string>& binding() const { return binding_; }
  [[nodiscard]] SSL_CTX* native() const { return native_.get(); }
  [[nodiscard]] Verify verify() const { return verify_; }

 private:
  TlsContext() = default;
  std::shared_ptr<SSL_CTX> native_;
  std::optional<std::string> binding_;
  Verify verify_ = Verify::nothing;
};

}  // namespace evergres::proxy
