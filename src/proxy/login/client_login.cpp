#include "proxy/login/client_login.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "proxy/auth/scram_message.hpp"
#include "proxy/login/shown.hpp"
#include "proxy/wire/frontend.hpp"
#include "proxy/wire/writer.hpp"

namespace evergres::proxy {
namespace {

bool is_loopback(const IpAddress& address) {
  if (!address.v6) return address.bytes[0] == 127;
  return address.bytes.back() == 1 && std::all_of(address.bytes.begin(), address.bytes.end() - 1,
                                                  [](std::uint8_t byte) { return byte == 0; });
}

}  // namespace

void write_refusal(std::string& to, const Refused& refused) {
  write_error(to, Severity::fatal, refused.sqlstate, refused.error);
}

void write_welcome(std::string& to, const Settings& parameters, std::int32_t pid,
                   std::string_view key) {
  write_auth_ok(to);
  for (const auto& [name, value] : parameters.all()) write_parameter(to, name, value);
  write_backend_key(to, pid, key);
  write_ready(to, TransactionStatus::idle);
}

ClientLogin::ClientLogin(StartupMessage startup, ClientFacts facts, std::string nonce)
    : startup_(std::move(startup)), facts_(std::move(facts)), nonce_(std::move(nonce)) {}

ClientLogin::~ClientLogin() = default;

std::string ClientLogin::whom() const {
  return "user " + shown_name(startup_.user);
}

Refused ClientLogin::refuse(std::string_view sqlstate, Error error, bool guessed) {
  state_ = State::over;
  return Refused{std::string(sqlstate), std::move(error), guessed};
}

Refused ClientLogin::violation(std::string detail) {
  return refuse("08P01", Error(ErrorCode::data_invalid, "protocol violation during login",
                               std::move(detail), "Connect with a PostgreSQL client."));
}

Refused ClientLogin::refused_by(const Error& error) {
  if (error.code() != ErrorCode::authentication) return refuse("08P01", error);
  // The words that PostgreSQL has, and that log watchers look for.
  return refuse(
      "28P01",
      Error(error.code(), error.message() + " for " + whom(), error.detail(), error.hint()), true);
}

ClientStep ClientLogin::begin(const LoginRules& rules, std::string& to) {
  CHECK(state_ == State::idle);
  mock_key_ = rules.mock_key;
  if (startup_.must_negotiate()) write_negotiate(to, startup_);
  if (rules.tls_required && !facts_.tls && facts_.address && !is_loopback(*facts_.address)) {
    return refuse("28000",
                  Error(ErrorCode::refused, "TLS is required", "The connection is not encrypted.",
                        "Connect with sslmode=require or verify-full."));
  }
  if (!rules.hosts) return want_secret();
  HbaQuestion question;
  question.address = facts_.address;
  question.tls = facts_.tls;
  question.user = startup_.user;
  question.database = startup_.database;
  question.physical_replication = startup_.replication == Replication::physical;
  const HbaRule* rule = match(*rules.hosts, question);
  if (rule == nullptr || rule->method == HbaMethod::reject) return refused_by_rules(rule);
  if (rule->method == HbaMethod::peer) {
    return refuse("28000", Error(ErrorCode::refused, "peer authentication is not offered here",
                                 "The endpoint does not look at the other end of a unix socket.",
                                 "Use scram-sha-256 in the endpoint's hba_file."));
  }
  if (rule->method == HbaMethod::cert || rule->needs_certificate) {
    if (auto refused = judge_certificate(*rule, rules)) return std::move(*refused);
    if (rule->method == HbaMethod::cert) {
      state_ = State::over;
      return Admitted{};
    }
  }
  return want_secret();
}

Refused ClientLogin::refused_by_rules(const HbaRule* rule) {
  const std::string where = startup_.replication == Replication::physical
                                ? std::string("replication")
                                : "database " + shown_name(startup_.database);
  const std::string how =
      facts_.tls ? "The connection is encrypted." : "The connection is not encrypted.";
  if (rule == nullptr) {
    return refuse("28000",
                  Error(ErrorCode::refused, "no host rule lets " + whom() + " into " + where, how,
                        "Add a line to the endpoint's hba_file."));
  }
  return refuse("28000",
                Error(ErrorCode::refused, "a host rule rejects " + whom() + " for " + where, how,
                      "Look at the endpoint's hba_file."));
}

std::optional<Refused> ClientLogin::judge_certificate(const HbaRule& rule,
                                                      const LoginRules& rules) {
  if (!facts_.tls || !facts_.certificate) {
    return refuse("28000",
                  Error(ErrorCode::refused, "connection requires a valid client certificate",
                        "The client showed none that the endpoint's authority has signed.",
                        "Connect with sslcert and sslkey."));
  }
  const std::string& name = rule.by_distinguished_name ? facts_.certificate->distinguished_name
                                                       : facts_.certificate->common_name;
  if (may_be(rules.names, rule.map, name, startup_.user)) return std::nullopt;
  return refuse("28000",
                Error(ErrorCode::authentication, "certificate authentication failed for " + whom(),
                      "The certificate does not name this user.",
                      "Look at the map of the endpoint's hba_file."),
                true);
}

ClientStep ClientLogin::want_secret() {
  state_ = State::wants_secret;
  return NeedsSecret{startup_.user};
}

ClientStep ClientLogin::give_secret(std::optional<ScramSecret> secret, std::string& to) {
  CHECK(state_ == State::wants_secret);
  const bool real = secret.has_value();
  if (!real) secret = mock_secret(startup_.user, mock_key_);
  scram_.emplace(std::move(*secret), real, facts_.binding, nonce_);
  if (facts_.binding) {
    write_auth_sasl(to, {scram_plus, scram_plain});
  } else {
    write_auth_sasl(to, {scram_plain});
  }
  state_ = State::offered;
  return ClientLacks{};
}

ClientStep ClientLogin::secret_unavailable(const Error& error) {
  CHECK(state_ == State::wants_secret);
  return refuse("57P03", Error(ErrorCode::unreachable, "the password cannot be checked now",
                               error.detail(), error.hint().empty() ? "Try again." : error.hint()));
}

ClientStep ClientLogin::feed(std::string_view& arrived, std::string& to) {
  CHECK(state_ != State::idle);
  if (state_ == State::over || arrived.empty()) return ClientLacks{};
  if (state_ == State::wants_secret) {
    return violation("The client answers before it was asked.");
  }
  while (true) {
    const Frame frame = walker_.next(arrived);
    if (frame.kind == FrameKind::violation) {
      return violation("A client that logs in sends nothing but answers to its authentication: " +
                       std::string(frame.why) + ".");
    }
    if (frame.body > message_most) return violation("An answer of SASL has at most 4,096 bytes.");
    if (frame.kind != FrameKind::whole) return ClientLacks{};
    ClientStep step = state_ == State::offered ? take_first(frame.payload(), to)
                                               : take_final(frame.payload(), to);
    if (state_ == State::over) return step;
  }
}

ClientStep ClientLogin::take_first(std::string_view body, std::string& to) {
  const auto view = read_sasl_initial(body);
  if (!view || !view->data) return violation("Its first answer cannot be read.");
  const auto challenge = scram_->begin(view->mechanism, *view->data);
  if (!challenge) return refused_by(challenge.error());
  write_auth_sasl_continue(to, challenge.value());
  state_ = State::challenged;
  return ClientLacks{};
}

ClientStep ClientLogin::take_final(std::string_view body, std::string& to) {
  auto proven = scram_->finish(body);
  if (!proven) return refused_by(proven.error());
  write_auth_sasl_final(to, proven.value().message);
  state_ = State::over;
  return Admitted{std::move(proven.value().keys)};
}

}  // namespace evergres::proxy
