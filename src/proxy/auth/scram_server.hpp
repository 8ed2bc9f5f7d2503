#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "proxy/auth/secret.hpp"

namespace evergres::proxy {

/// With this one can log in to a server that has the same secret, until its password changes. It is
/// learned when its owner logs in, kept in memory, and is not the password.
struct ScramKeys {
  std::uint32_t iterations = 0;
  std::string salt;  ///< bytes; the keys are of no use with another salt
  Key client_key;
  Key server_key;
};

/// Our side when a client logs in with SCRAM-SHA-256 or -PLUS: two messages in, two out. Pure:
/// chance comes in as `nonce`. Errors are `data_invalid` (08P01: nobody who speaks SCRAM sends
/// that) and `authentication` (28P01, always with the same words, whether the user exists or not).
class ScramServer {
 public:
  /// `secret` with `real` false: mock_secret() of a user who may not log in; everything is computed
  /// as for a real one and the answer is no. `binding`: end_point_hash() of our certificate inside
  /// TLS, nothing outside. `nonce`: at least 18 random bytes in base64, new each time.
  ScramServer(ScramSecret secret, bool real, std::optional<std::string> binding, std::string nonce);

  /// The client's first message, and the name of the mechanism it came with. The result is for
  /// AuthenticationSASLContinue.
  Result<std::string> begin(std::string_view mechanism, std::string_view message);

  struct Proven {
    std::string message;  ///< for AuthenticationSASLFinal
    ScramKeys keys;
  };
  Result<Proven> finish(std::string_view message);

 private:
  Outcome judge_flag(std::string_view mechanism, std::string_view rest) const;
  Outcome take_header(std::string_view mechanism, std::string_view& rest);

  ScramSecret secret_;
  bool real_;
  std::optional<std::string> binding_;
  std::string nonce_;         ///< ours; after begin() the client's and ours
  std::string header_;        ///< of the client's first message, up to its second comma
  std::string client_first_;  ///< without that header
  std::string server_first_;
};

}  // namespace evergres::proxy
