#include "proxy/login/server_login.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "proxy/login/shown.hpp"
#include "proxy/wire/reader.hpp"
#include "proxy/wire/writer.hpp"

namespace evergres::proxy {
namespace {

/// Notices and parameters of a login; PostgreSQL's has about 500 bytes.
constexpr std::size_t login_most = 1U << 20U;
constexpr std::size_t message_most = 500;
constexpr std::size_t detail_most = 1000;
/// "2147483647ms" is the longest that PostgreSQL says.
constexpr std::size_t timeout_most = 64;

bool is_sqlstate(std::string_view code) {
  return code.size() == 5 && std::all_of(code.begin(), code.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
         });
}

ErrorCode code_of(LoginProblem problem) {
  switch (problem) {
    case LoginProblem::retry_later: return ErrorCode::unreachable;
    case LoginProblem::wrong_credentials: return ErrorCode::authentication;
    case LoginProblem::no_such: return ErrorCode::not_found;
    case LoginProblem::other: break;
  }
  return ErrorCode::postgres_failed;
}

}  // namespace

LoginProblem login_problem(std::string_view sqlstate) {
  if (sqlstate == "57P01" || sqlstate == "57P02" || sqlstate == "57P03") {
    return LoginProblem::retry_later;
  }
  if (sqlstate.starts_with("53")) return LoginProblem::retry_later;
  if (sqlstate.starts_with("28")) return LoginProblem::wrong_credentials;
  // invalid_catalog_name, insufficient_privilege, database_dropped, and "is not currently
  // accepting connections" (utils/init/postinit.c).
  for (const std::string_view known : {"3D000", "42501", "57P04", "55000"}) {
    if (sqlstate == known) return LoginProblem::no_such;
  }
  return LoginProblem::other;
}

ServerLogin::ServerLogin(ServerLoginPlan plan) : plan_(std::move(plan)) {}

ServerLogin::~ServerLogin() {
  if (auto* password = std::get_if<ScramPassword>(&plan_.credential)) wipe(password->prepared);
}

ServerRefused ServerLogin::refuse(LoginProblem problem, std::string_view sqlstate, Error error) {
  state_ = State::over;
  return ServerRefused{problem, std::string(sqlstate), std::move(error)};
}

ServerRefused ServerLogin::violation(std::string detail) {
  return refuse(LoginProblem::other, "08P01",
                Error(ErrorCode::data_invalid, "the server does not keep to the protocol",
                      std::move(detail), "Look at the address, and at who listens there."));
}

ServerRefused ServerLogin::refused_by(const FieldsView& fields) {
  // A server can leave out any field (CVE-2026-6666).
  const LoginProblem problem = login_problem(fields.code);
  const std::string_view sqlstate = is_sqlstate(fields.code) ? fields.code : "08004";
  std::string message = shown(fields.message, message_most);
  if (message.empty()) message = "the server refused the login";
  return refuse(problem, sqlstate,
                Error(code_of(problem), std::move(message), shown(fields.detail, detail_most),
                      shown(fields.hint, detail_most)));
}

ServerStep ServerLogin::start(std::string& to) {
  CHECK(state_ == State::idle);
  if (plan_.tls == ServerTls::disable) return begin(to);
  if (plan_.tls == ServerTls::direct) {
    state_ = State::handshake;
    return ServerBeginTls{true};
  }
  write_ssl_request(to);
  state_ = State::asked_for_tls;
  return ServerLacks{};
}

ServerStep ServerLogin::tls_established(std::optional<std::string> binding, std::string& to) {
  CHECK(state_ == State::handshake);
  binding_ = std::move(binding);
  return begin(to);
}

ServerStep ServerLogin::begin(std::string& to) {
  StartupMessage startup;
  startup.spoken = plan_.newest ? newest_protocol : ProtocolVersion{3, 0};
  startup.user = plan_.user;
  startup.database = plan_.database;
  startup.replication = plan_.replication;
  startup.settings = plan_.settings;
  write_startup(to, startup);
  ready_.spoken = startup.spoken;
  state_ = State::asked;
  return ServerLacks{};
}

ServerStep ServerLogin::take_tls_answer(std::string_view& arrived, std::string& to) {
  if (arrived.empty()) return ServerLacks{};
  const char answer = arrived.front();
  if (answer != 'S' && answer != 'N') {
    // Also an 'E': nobody vouches for an error from before TLS, so that its text is not shown
    // (CVE-2024-10977).
    const auto problem = answer == 'E' ? LoginProblem::retry_later : LoginProblem::other;
    return refuse(problem, "08004",
                  Error(ErrorCode::unreachable, "the server did not answer the request for TLS",
                        "It answers 'S' or 'N'; something else came.",
                        "Look at the server's log, and at who listens there."));
  }
  arrived.remove_prefix(1);
  if (!arrived.empty()) {
    return violation("It sent more than one byte before the TLS handshake (CVE-2021-23222).");
  }
  if (answer == 'S') {
    state_ = State::handshake;
    return ServerBeginTls{false};
  }
  if (plan_.tls == ServerTls::prefer) return begin(to);
  return refuse(LoginProblem::other, "08004",
                Error(ErrorCode::unreachable, "the server has no TLS",
                      "TLS is required toward servers, and this one answered that it has none.",
                      "Set ssl = on in the server's postgresql.conf."));
}

ServerStep ServerLogin::feed(std::string_view& arrived, std::string& to) {
  CHECK(state_ != State::idle && state_ != State::handshake);
  if (state_ == State::asked_for_tls) return take_tls_answer(arrived, to);
  while (state_ != State::over) {
    const Frame frame = walker_.next(arrived);
    if (frame.kind == FrameKind::more) break;
    if (frame.kind == FrameKind::violation) {
      return violation(
          "It sent something that does not belong to a login: " + std::string(frame.why) + ".");
    }
    taken_ += frame.bytes.size();
    if (taken_ > login_most) return violation("Its login does not end within 1 MiB.");
    // Of what does not come whole the rest is walked over, but for a row.
    if (!frame.first && frame.type != 'D') continue;
    if (auto step = take(frame, to)) return std::move(*step);
  }
  return ServerLacks{};
}

std::optional<ServerStep> ServerLogin::take(const Frame& frame, std::string& to) {
  if (frame.type == 'N') return std::nullopt;
  if (state_ == State::asking) return take_timeout(frame, to);
  const std::string_view body = frame.payload();
  switch (frame.type) {
    case 'E': return refused_by(read_fields(body));
    case 'v': return take_version(body);
    case 'R': return take_auth(body, to);
    default: break;
  }
  if (state_ != State::admitted) return violation("It begins a session before it lets us in.");
  return take_session(frame, to);
}

std::optional<ServerStep> ServerLogin::take_version(std::string_view body) {
  const auto view = read_negotiate(body, 0);
  if (!view || state_ != State::asked || view->minor > ready_.spoken.minor) {
    return violation("It offers a version of the protocol that was not asked for.");
  }
  ready_.spoken.minor = static_cast<std::uint16_t>(view->minor);
  return std::nullopt;
}

std::optional<ServerStep> ServerLogin::take_auth(std::string_view body, std::string& to) {
  const auto view = read_auth(body);
  if (!view) return violation("Its request for authentication cannot be read.");
  if (view->is(AuthKind::ok)) {
    if (state_ == State::asked && !plan_.without_proof) {
      return refuse(LoginProblem::other, "28000",
                    Error(ErrorCode::authentication, "the server let us in without a proof",
                          "It asked for no password, so that anybody who listens at its address "
                          "could be it.",
                          "Use the method scram-sha-256 in the server's pg_hba.conf."));
    }
    if (state_ != State::asked && state_ != State::proven) {
      return violation("It lets us in before it has shown that it knows the secret.");
    }
    state_ = State::admitted;
    return std::nullopt;
  }
  if (state_ == State::asked) return take_mechanisms(*view, to);
  if (state_ == State::proving && view->is(AuthKind::sasl_continue)) {
    const auto answer = scram_->answer(view->data);
    if (answer) {
      write_sasl_response(to, answer.value());
      return std::nullopt;
    }
    const bool stale = answer.error().code() == ErrorCode::authentication;
    return refuse(stale ? LoginProblem::wrong_credentials : LoginProblem::other,
                  stale ? "28P01" : "08P01", answer.error());
  }
  if (state_ == State::proving && view->is(AuthKind::sasl_final)) {
    const Outcome finished = scram_->finish(view->data);
    if (!finished) {
      const bool impostor = finished.error().code() == ErrorCode::authentication;
      return refuse(LoginProblem::other, impostor ? "28000" : "08P01", finished.error());
    }
    state_ = State::proven;
    return std::nullopt;
  }
  return violation("It asks for authentication out of turn.");
}

std::optional<ServerStep> ServerLogin::take_mechanisms(const AuthView& request, std::string& to) {
  const auto mechanism = mechanism_for(request, binding_.has_value());
  if (!mechanism) return refuse(LoginProblem::other, "28000", mechanism.error());
  if (auto* password = std::get_if<ScramPassword>(&plan_.credential)) {
    scram_.emplace(ScramPassword{password->prepared}, mechanism.value(), binding_, plan_.nonce);
    wipe(password->prepared);
  } else if (const auto* keys = std::get_if<ScramKeys>(&plan_.credential)) {
    scram_.emplace(*keys, mechanism.value(), binding_, plan_.nonce);
  } else {
    return refuse(LoginProblem::wrong_credentials, "28P01",
                  Error(ErrorCode::authentication, "no password is known for the server",
                        "The server asks user " + shown_name(plan_.user) +
                            " for a password, and no login of theirs has left keys here."));
  }
  write_sasl_initial(to, mechanism.value(), scram_->first());
  state_ = State::proving;
  return std::nullopt;
}

std::optional<ServerStep> ServerLogin::take_session(const Frame& frame, std::string& to) {
  const std::string_view body = frame.payload();
  if (frame.type == 'S') return take_parameter(body);
  if (frame.type == 'Z') return take_ready(body, to);
  const auto view = read_backend_key(body);
  const bool fits = view && (ready_.spoken.minor >= 2 || view->key.size() == cancel_key_least);
  if (!fits || !ready_.key.empty()) return violation("Its cancel key cannot be one.");
  ready_.pid = view->pid;
  ready_.key = view->key;
  return std::nullopt;
}

std::optional<ServerStep> ServerLogin::take_parameter(std::string_view body) {
  const auto view = read_parameter(body);
  if (view && ready_.parameters.note(view->name, view->value)) return std::nullopt;
  return violation("It reports parameters that cannot be, or too many of them.");
}

std::optional<ServerStep> ServerLogin::take_ready(std::string_view body, std::string& to) {
  if (read_ready(body) != TransactionStatus::idle) {
    return violation("Its session begins inside a transaction.");
  }
  if (plan_.asks_timeout && state_ == State::admitted) {
    // Not before: a session that does not come about closes on what it has not read, and its last
    // words may be lost with that.
    write_query(to, "SHOW statement_timeout");
    walker_.enter(Phase::session);
    state_ = State::asking;
    return std::nullopt;
  }
  state_ = State::over;
  return std::move(ready_);
}

/// Of the answer to SHOW. A server that fails to say it is of use all the same.
std::optional<ServerStep> ServerLogin::take_timeout(const Frame& frame, std::string& to) {
  switch (frame.type) {
    case 'S': return take_parameter(frame.payload());
    case 'Z':
      if (answered_) return take_ready(frame.payload(), to);
      return violation("It is ready before it has answered.");
    case 'T': return std::nullopt;
    case 'C': answered_ = true; return std::nullopt;
    case 'E': {
      const FieldsView fields = read_fields(frame.payload());
      if (fields.fatal()) return refused_by(fields);
      answered_ = true;
      return std::nullopt;
    }
    case 'D':
      if (frame.body > timeout_most) return violation("Its statement_timeout is too long.");
      row_ += frame.payload();
      if (!frame.last || take_row()) return std::nullopt;
      return violation("Its statement_timeout cannot be read.");
    default: return violation("It answers what was not asked.");
  }
}

/// One, of one column.
bool ServerLogin::take_row() {
  Reader reader(row_);
  if (reader.u16() != 1) return false;
  const std::int32_t length = reader.i32();
  if (length <= 0) return false;
  ready_.statement_timeout = reader.take(static_cast<std::size_t>(length));
  return reader.done();
}

}  // namespace evergres::proxy
