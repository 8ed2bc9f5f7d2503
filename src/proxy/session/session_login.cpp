#include <utility>

#include "base/names.hpp"
#include "proxy/login/shown.hpp"
#include "proxy/session/session.hpp"
#include "proxy/wire/writer.hpp"

/// From the first byte of a client until it may send requests.
namespace evergres::proxy {

void Session::open(std::string_view& input) {
  OpeningStep step = entrance_->opening.next(input);
  if (std::holds_alternative<StartupLacks>(step)) return;
  if (const auto* refused = std::get_if<StartupRefused>(&step)) {
    return end(refused->sqlstate, refused->error);
  }
  if (const auto* answer = std::get_if<OpeningAnswer>(&step)) {
    if (!tell(std::string_view(&answer->byte, 1))) gone();
    return;
  }
  if (const auto* handshake = std::get_if<OpeningHandshake>(&step)) {
    entrance_->direct = handshake->direct;
    if (!handshake->direct && !tell("S")) return gone();
    stage_ = Stage::handshake;
    stream_.accept_tls(*host_.around().client_tls);
    return shake_hands();
  }
  if (const auto* cancel = std::get_if<CancelRequest>(&step)) {
    if (host_.cancel_asked(*this, *cancel)) return finish();
    // Nothing else is read of it.
    closing_ = true;
    closing_since_ = host_.around().reactor.now();
    return;
  }
  entered(std::move(std::get<StartupMessage>(step)));
}

void Session::shake_hands() {
  switch (stream_.handshake()) {
    case Stream::Handshake::going_on: return;
    case Stream::Handshake::failed:
      host_.around().say(Loudness::info,
                         "TLS of " + address_ + " failed: " + stream_.handshake_problem());
      return finish();
    case Stream::Handshake::done: break;
  }
  if (entrance_->direct && !stream_.agreed_on_postgresql()) return finish();
  entrance_->opening.tls_established();
  stage_ = Stage::opening;
  readable_ = true;
  read();
}

void Session::entered(StartupMessage startup) {
  // Whoever has to find out why there are so many is let in.
  if (crowded && !is_console_database(startup.database)) return too_many();
  user_ = startup.user;
  database_ = startup.database;
  ClientFacts facts;
  facts.address = IpAddress::parse(address_);
  facts.tls = stream_.inside_tls();
  if (facts.tls) facts.binding = host_.around().client_tls->binding();
  if (const auto certificate = stream_.peer_certificate()) {
    facts.certificate = certificate_names(*certificate);
  }
  stage_ = Stage::login;
  entrance_->startup = startup;
  entrance_->login.emplace(std::move(startup), std::move(facts), random_hex(18));
  log_in(entrance_->login->begin(*host_.rules(), entrance_->out));
}

void Session::feed_login(std::string_view& input) {
  if (entrance_->delayed || entrance_->admitted) return;
  log_in(entrance_->login->feed(input, entrance_->out));
}

void Session::log_in(ClientStep step) {
  if (!entrance_->out.empty() && !tell(entrance_->out)) return gone();
  entrance_->out.clear();
  if (std::holds_alternative<ClientLacks>(step)) return;
  if (const auto* needs = std::get_if<NeedsSecret>(&step)) {
    const std::string user = needs->user;
    entrance_->asks = true;
    return host_.find_secret(*this, user);
  }
  if (auto* refused = std::get_if<Refused>(&step)) return say_refusal(std::move(*refused));
  admit(std::get<Admitted>(step));
}

void Session::secret_found(std::optional<ScramSecret> secret) {
  if (stage_ != Stage::login || closing_) return;
  login_since_ = host_.around().reactor.now();
  entrance_->asks = false;
  log_in(entrance_->login->give_secret(std::move(secret), entrance_->out));
  if (stage_ == Stage::login) resume();
}

void Session::secret_unavailable(const Error& error) {
  if (stage_ != Stage::login || closing_) return;
  log_in(entrance_->login->secret_unavailable(error));
}

void Session::say_refusal(Refused refused) {
  host_.refused(*this, refused);
  const Millis delay = refused.guessed ? host_.delay_of(*this) : Millis{0};
  const auto say = [this](const Refused& what) {
    std::string last;
    write_refusal(last, what);
    if (!tell(last)) return gone();
    closing_ = true;
    closing_since_ = host_.around().reactor.now();
    if (stream_.unsent() == 0) finish();
  };
  if (delay.count() == 0) return say(refused);
  entrance_->delayed = true;
  const std::shared_ptr<bool> alive = alive_;
  host_.around().reactor.call_at(host_.around().reactor.now() + delay, [alive, say, refused] {
    if (*alive) say(refused);
  });
}

void Session::admit(const Admitted& admitted) {
  entrance_->admitted = true;
  StartupMessage& startup = *entrance_->startup;
  if (is_console_database(startup.database)) return enter_console();
  if (host_.disabled(startup.database)) {
    return say_refusal(
        {"55000",
         Error(ErrorCode::refused, "database " + shown_name(startup.database) + " is disabled",
               "An admin of the endpoint's console has disabled it.",
               "ENABLE in the console lets clients in again."),
         false});
  }
  if (startup.replication != Replication::none) {
    host_.logged_in(*this, admitted.keys);
    return begin_replication(admitted);
  }
  std::string application;
  for (const auto& [name, value] : startup.settings) {
    if (name == "application_name") application = value;
  }
  Pool& pool = host_.pool({startup.database, startup.user, port_,
                           named_application(*host_.around().configuration, application)});
  if (const auto reached = pool.let_in()) return too_many(*reached, &pool);
  pool_ = &pool;
  mode_ = pool.limits().mode;
  host_.logged_in(*this, admitted.keys);
  ServerCredential known = host_.credential(user_);
  if (auto* password = std::get_if<ScramPassword>(&known)) {
    pool_->use_password(std::move(*password));
  } else if (admitted.keys) {
    pool_->learn(*admitted.keys);
  } else {
    pool_->use_known(std::move(known));
  }
  std::vector<std::pair<std::string, std::string>> settings;
  for (auto& [name, value] : startup.settings) {
    if (name != "application_name") settings.emplace_back(name, value);
  }
  bucket = pool_->acquire_bucket(std::move(settings));
  entrance_->application = std::move(application);
  stage_ = Stage::greeting;
  if (bucket->welcome != nullptr) return greet();
  // Nobody has told yet what such a session looks like.
  if (want_server()) greet();
}

void Session::too_many(Level reached, const Pool* pool) {
  const std::uint32_t most = pool == nullptr ? host_.around().configuration->client_limit
                                             : pool->limits().clients[place_of(reached)];
  const std::string option =
      pool == nullptr ? "client_limit" : said_by(reached, "client_limit", pool->name());
  end("53300", Error(ErrorCode::refused, "too many clients",
                     option + " is " + std::to_string(most) + ", and so many are connected.",
                     "Try again, or close connections that are not needed."));
}

/// Tells the client who it is talking to.
void Session::greet() {
  Settings parameters = *bucket->welcome;
  parameters.note("application_name", entrance_->application);
  if (port_ == Port::read_only) parameters.note("default_transaction_read_only", "on");
  told_ = pool_->intern(parameters);
  const auto [pid, key] = host_.cancel_key(*this, entrance_->startup->spoken);
  std::string welcome;
  write_welcome(welcome, parameters, pid, key);
  statements_.emplace(pool_->catalog(), host_.around().configuration->statements_per_client,
                      std::size_t{4} << 20U);
  stage_ = Stage::ready;
  entrance_.reset();
  idle_since_ = host_.around().reactor.now();
  if (!tell(welcome)) return gone();
  if (server_ != nullptr) {
    // It was only needed for this.
    Server& server = *std::exchange(server_, nullptr);
    pool_->give_back(server);
  }
  resume();
}

}  // namespace evergres::proxy
