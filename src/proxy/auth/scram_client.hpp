#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.hpp"
#include "proxy/auth/scram_server.hpp"
#include "proxy/wire/backend.hpp"

namespace evergres::proxy {

/// Which mechanism answers a server's request for authentication: its name, or an Error for every
/// request that is not met (a password in the clear, MD5, GSSAPI, …). `binding`: whether we have
/// end_point_hash() of the server's certificate.
Result<std::string> mechanism_for(const AuthView& request, bool binding);

/// MD5 is refused wherever it appears. `whose`: "the server", "user \"app\" in FILE:12".
Error md5_refused(std::string_view whose);

/// A password that is overwritten after use.
struct ScramPassword {
  std::string prepared;  ///< what prepare_password() made of it
};

/// Our side when we log in to a server: with a password (a role of our own), or with the keys that
/// were learned when the client logged in to us. Pure. The server is untrusted: it has to prove
/// that it knows the secret too, and cannot make us compute for long. Its messages may come in any
/// order: one out of turn is an Error.
class ScramClient {
 public:
  using Credential = std::variant<ScramPassword, ScramKeys>;

  /// `binding`: end_point_hash() of the server's certificate inside TLS. `mechanism`: from
  /// mechanism_for(). `nonce`: at least 18 random bytes in base64, new each time.
  ScramClient(Credential credential, std::string_view mechanism, std::optional<std::string> binding,
              std::string nonce, std::uint32_t iterations_most = 1'000'000);
  ~ScramClient();
  ScramClient(const ScramClient&) = delete;
  ScramClient& operator=(const ScramClient&) = delete;

  /// For SASLInitialResponse.
  std::string first() const;
  /// AuthenticationSASLContinue → SASLResponse. With learned keys: `authentication` if the server's
  /// secret has another salt or another number of iterations; forget the keys then.
  Result<std::string> answer(std::string_view server_first);
  /// AuthenticationSASLFinal: whether the server knows the secret. Nothing may be sent to it
  /// before.
  Outcome finish(std::string_view server_final);

 private:
  Result<ScramKeys> keys_for(std::string_view salt, std::uint32_t iterations) const;

  Credential credential_;
  std::string header_;   ///< "n,,", "y,,", or plus_header
  std::string channel_;  ///< what is bound: the header, with PLUS the certificate's hash behind it
  std::string nonce_;
  std::uint32_t iterations_most_;
  std::string expected_;  ///< the signature that the server owes us
};

}  // namespace evergres::proxy
