#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "proxy/auth/scram_client.hpp"
#include "proxy/pool/settings.hpp"
#include "proxy/wire/backend.hpp"
#include "proxy/wire/startup.hpp"
#include "proxy/wire/walker.hpp"

namespace evergres::proxy {

/// How a server is asked for TLS. `require` and `direct` never go on in the clear; whether the
/// certificate is believed is the TLS context's matter.
enum class ServerTls {
  disable,
  prefer,   ///< SSLRequest; in the clear if the server has no TLS
  require,  ///< SSLRequest
  direct,   ///< the handshake at once, PostgreSQL 17 and newer
};

/// Nothing, a password, or the keys that a client's login left.
using ServerCredential = std::variant<std::monostate, ScramPassword, ScramKeys>;

/// Whom to be on a server, and how to show it.
struct ServerLoginPlan {
  ServerTls tls = ServerTls::prefer;
  std::string user;
  std::string database;
  Replication replication = Replication::none;
  /// Sent as they are: a client's own for its own session, never on a connection of ours.
  std::vector<std::pair<std::string, std::string>> settings;
  bool newest = false;  ///< ask for protocol 3.2 and not for 3.0
  /// Ask the session for its statement_timeout before it is ready: one round trip.
  bool asks_timeout = false;
  ServerCredential credential;
  /// Whether a server may let us in without SCRAM (trust, peer, cert), that is, without showing
  /// that it knows the secret: a unix socket of our own node, TLS whose certificate was verified.
  bool without_proof = false;
  std::string nonce;  ///< random_hex(18), new each time
};

/// What can be done about a refusal.
enum class LoginProblem {
  retry_later,        ///< starting, stopping, or full: 57P01 to 57P03, class 53
  wrong_credentials,  ///< class 28, or keys that do not fit: forget them, ask for the secret anew
  no_such,            ///< no such database or no right to it: the same for everybody who asks
  other,              ///< a misconfiguration, a violation of the protocol, an impostor
};
/// By the SQLSTATE of a server's error.
LoginProblem login_problem(std::string_view sqlstate);

/// Send what was appended; feed() again with more.
struct ServerLacks {};
/// Send what was appended, do the TLS handshake, then call tls_established(). With `direct` the
/// handshake has to agree on ALPN "postgresql".
struct ServerBeginTls {
  bool direct = false;
};
struct ServerReady {
  Settings parameters;
  std::int32_t pid = 0;
  std::string key;  ///< for CancelRequest; empty if the server gave none
  ProtocolVersion spoken;
  /// That the session began with, as SHOW spells it; empty if it was not told.
  std::string statement_timeout;
};
/// Close the connection. The texts of `error` are the server's where it gave any: bounded and
/// printable, but nobody vouches for them.
struct ServerRefused {
  LoginProblem problem = LoginProblem::other;
  std::string sqlstate;  ///< five letters or digits, also if the server gave none
  Error error;
};
using ServerStep = std::variant<ServerLacks, ServerBeginTls, ServerReady, ServerRefused>;

/// Our login to one server, up to its first ReadyForQuery, or its second where the plan asks for
/// something. Bytes in, bytes and steps out; the deadline is the caller's. The server is a stranger
/// until it has shown that it knows the secret: what it sends is bounded (1 MiB in all), and nothing
/// of it from before TLS counts inside.
class ServerLogin {
 public:
  explicit ServerLogin(ServerLoginPlan plan);
  ~ServerLogin();
  ServerLogin(const ServerLogin&) = delete;
  ServerLogin& operator=(const ServerLogin&) = delete;

  /// Once, when the connection stands. Appends to `to` what has to be sent.
  ServerStep start(std::string& to);
  /// After the handshake. `binding`: end_point_hash() of the server's certificate.
  ServerStep tls_established(std::optional<std::string> binding, std::string& to);
  /// Consumes the front of `arrived`; the caller keeps the rest and presents it again in front of
  /// what arrives next. After ServerReady the rest belongs to the session. After ServerRefused
  /// nothing is consumed any more.
  ServerStep feed(std::string_view& arrived, std::string& to);

 private:
  enum class State {
    idle,
    asked_for_tls,
    handshake,
    asked,
    proving,
    proven,
    admitted,
    asking,
    over
  };

  ServerStep begin(std::string& to);
  ServerStep take_tls_answer(std::string_view& arrived, std::string& to);
  std::optional<ServerStep> take(const Frame& frame, std::string& to);
  std::optional<ServerStep> take_auth(std::string_view body, std::string& to);
  std::optional<ServerStep> take_mechanisms(const AuthView& request, std::string& to);
  std::optional<ServerStep> take_session(const Frame& frame, std::string& to);
  std::optional<ServerStep> take_parameter(std::string_view body);
  std::optional<ServerStep> take_ready(std::string_view body, std::string& to);
  std::optional<ServerStep> take_timeout(const Frame& frame, std::string& to);
  bool take_row();
  std::optional<ServerStep> take_version(std::string_view body);
  ServerRefused refuse(LoginProblem problem, std::string_view sqlstate, Error error);
  ServerRefused violation(std::string detail);
  ServerRefused refused_by(const FieldsView& fields);

  ServerLoginPlan plan_;
  State state_ = State::idle;
  Walker walker_{Side::backend, Phase::login};
  std::size_t taken_ = 0;
  std::optional<std::string> binding_;
  std::optional<ScramClient> scram_;
  ServerReady ready_;
  std::string row_;        ///< of a DataRow that comes in pieces
  bool answered_ = false;  ///< what we asked
};

}  // namespace evergres::proxy
