#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "proxy/auth/hba.hpp"
#include "proxy/auth/ident_map.hpp"
#include "proxy/auth/scram_server.hpp"
#include "proxy/pool/settings.hpp"
#include "proxy/wire/startup.hpp"
#include "proxy/wire/walker.hpp"

namespace evergres::proxy {

/// Who may come in and how: read from files, looked at once per login and not kept.
struct LoginRules {
  /// Absent: everybody with a secret, by SCRAM. Present and empty: nobody.
  std::optional<std::vector<HbaRule>> hosts;
  std::vector<IdentRule> names;
  /// Refuse those who come without TLS, unless over a unix socket or from a loopback address.
  bool tls_required = false;
  /// Random, of this cluster, secret: see mock_secret().
  Key mock_key;
};

/// What is known of a connection before its login.
struct ClientFacts {
  std::optional<IpAddress> address;  ///< absent: a unix socket
  bool tls = false;
  std::optional<std::string> binding;  ///< end_point_hash() of our certificate, inside TLS
  std::optional<CertificateNames> certificate;  ///< the client's, verified
};

/// Send what was appended; feed() again with more.
struct ClientLacks {};
/// Find this user's secret, then call give_secret() or secret_unavailable().
struct NeedsSecret {
  std::string user;
};
/// Send what was appended and then write_welcome(), when the parameters are known.
struct Admitted {
  /// Learned from the client's proof; absent if a certificate let it in.
  std::optional<ScramKeys> keys;
};
/// Send what was appended, then write_refusal(), then close. Nothing has been said to the client
/// yet: the caller may delay it.
struct Refused {
  std::string sqlstate;
  Error error;
  bool guessed = false;  ///< a wrong password or a stranger: count it, and delay the answer
};
using ClientStep = std::variant<ClientLacks, NeedsSecret, Admitted, Refused>;

void write_refusal(std::string& to, const Refused& refused);

/// What a client that was let in waits for: AuthenticationOk, parameters, cancel key, ready.
void write_welcome(std::string& to, const Settings& parameters, std::int32_t pid,
                   std::string_view key);

/// The login of one client, from its startup message (Opening has read it) until it is let in or
/// not. Bytes in, bytes and steps out; deadline and delays are the caller's. A client makes us keep
/// at most message_most bytes. Whether a user exists shows in no word of an answer.
class ClientLogin {
 public:
  /// Of a SASL message; longer ones are refused before they have arrived.
  static constexpr std::uint32_t message_most = 4096;

  /// `nonce`: random_hex(18), new each time.
  ClientLogin(StartupMessage startup, ClientFacts facts, std::string nonce);
  ~ClientLogin();
  ClientLogin(const ClientLogin&) = delete;
  ClientLogin& operator=(const ClientLogin&) = delete;

  /// Once. Judges by the rules; appends NegotiateProtocolVersion where it is due.
  ClientStep begin(const LoginRules& rules, std::string& to);
  /// The answer to NeedsSecret. Nothing: no such user, or one who may not log in; the login goes on
  /// as if there were one and ends with a refusal.
  ClientStep give_secret(std::optional<ScramSecret> secret, std::string& to);
  /// The answer to NeedsSecret if nobody could be asked: 57P03 with this error.
  ClientStep secret_unavailable(const Error& error);
  /// Consumes the front of `arrived`; the caller keeps the rest. After Admitted the rest belongs to
  /// the session. After Refused nothing is consumed any more.
  ClientStep feed(std::string_view& arrived, std::string& to);

  [[nodiscard]] const StartupMessage& startup() const { return startup_; }

 private:
  enum class State { idle, wants_secret, offered, challenged, over };

  Refused refused_by_rules(const HbaRule* rule);
  std::optional<Refused> judge_certificate(const HbaRule& rule, const LoginRules& rules);
  ClientStep want_secret();
  ClientStep take_first(std::string_view body, std::string& to);
  ClientStep take_final(std::string_view body, std::string& to);
  Refused refuse(std::string_view sqlstate, Error error, bool guessed = false);
  Refused violation(std::string detail);
  Refused refused_by(const Error& error);
  [[nodiscard]] std::string whom() const;

  StartupMessage startup_;
  ClientFacts facts_;
  std::string nonce_;
  Key mock_key_;
  State state_ = State::idle;
  Walker walker_{Side::frontend, Phase::login};
  std::optional<ScramServer> scram_;
};

}  // namespace evergres::proxy
