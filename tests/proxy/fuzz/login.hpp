#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "base/check.hpp"
#include "proxy/auth/ident_map.hpp"
#include "proxy/login/auth_query.hpp"
#include "proxy/login/cancel_keys.hpp"
#include "proxy/login/client_login.hpp"
#include "proxy/login/server_login.hpp"
#include "proxy/wire/reader.hpp"

/// As wire.hpp, for whole logins: the bytes of one side, in portions of 1 and of all.
namespace evergres::proxy::fuzz {

inline void ident_map(std::string_view bytes) {
  const IdentFile file = read_ident_map(bytes);
  const auto lines = static_cast<std::size_t>(std::count(bytes.begin(), bytes.end(), '\n')) + 1;
  CHECK(file.problems.empty() || file.rules.empty());
  for (const FileProblem& problem : file.problems) {
    CHECK(problem.line >= 1 && problem.line <= lines && !problem.what.empty());
  }
  CHECK(!may_be(file.rules, "", "somebody", "app") && !may_be(file.rules, "ops", "", "app"));
  for (const IdentRule& rule : file.rules) {
    CHECK(may_be(file.rules, rule.map, rule.system_name, rule.user.empty() ? "app" : rule.user));
  }
  certificate_names(bytes);
}

/// Feeds until it is decided; the bytes that are not consumed are presented again.
template <typename Lacks, typename Machine, typename... More>
auto fed(Machine& machine, std::string_view bytes, std::size_t step, More&... more) {
  auto result = decltype(machine.feed(bytes, more...))(Lacks{});
  std::string kept;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    kept += bytes.substr(at, step);
    std::string_view rest = kept;
    result = machine.feed(rest, more...);
    if (!std::holds_alternative<Lacks>(result)) break;
    kept = std::string(rest);
    CHECK(kept.size() <= 70'000);
  }
  return result;
}

/// Without the secret nobody is taken for the server, whatever is said; the outcome does not depend
/// on where the network cuts.
inline void server_login(std::string_view bytes) {
  for (const auto& [without_proof, asks] : {std::pair(false, false), {true, false}, {true, true}}) {
    std::size_t outcome = 0;
    std::string timeout;
    for (const std::size_t step : {bytes.size() + 1, std::size_t{1}}) {
      ServerLoginPlan plan;
      plan.tls = ServerTls::disable;
      plan.user = plan.database = "app";
      plan.newest = true;
      plan.without_proof = without_proof;
      plan.asks_timeout = asks;
      ScramKeys keys;
      keys.iterations = 16;
      keys.salt = "salt";
      plan.credential = keys;
      plan.nonce = std::string(24, 'C');
      ServerLogin login(std::move(plan));
      std::string sent;
      login.start(sent);
      const ServerStep result = fed<ServerLacks>(login, bytes, step, sent);
      CHECK(without_proof || !std::holds_alternative<ServerReady>(result));
      CHECK(!std::holds_alternative<ServerBeginTls>(result));
      if (const auto* refused = std::get_if<ServerRefused>(&result)) {
        CHECK(refused->sqlstate.size() == 5);
        CHECK(refused->error.message().size() <= 500 && refused->error.detail().size() <= 1000);
      }
      const auto* ready = std::get_if<ServerReady>(&result);
      const std::string told = ready == nullptr ? "" : ready->statement_timeout;
      CHECK(told.size() <= 64 && (asks || told.empty()));
      CHECK(step > bytes.size() || (result.index() == outcome && told == timeout));
      outcome = result.index();
      timeout = told;
    }
  }
  // And as what comes before TLS.
  ServerLoginPlan plan;
  plan.tls = ServerTls::require;
  ServerLogin login(std::move(plan));
  std::string sent;
  login.start(sent);
  std::string_view rest = bytes;
  const ServerStep step = login.feed(rest, sent);
  CHECK(!std::holds_alternative<ServerReady>(step));
  CHECK(!std::holds_alternative<ServerBeginTls>(step) || bytes == "S");
}

/// Nobody is let in: the secret's password is not in the corpus.
inline void client_login(std::string_view bytes) {
  static const ScramSecret secret = make_secret("known to nobody", "salt", 1);
  for (const bool tls : {false, true}) {
    std::size_t outcome = 0;
    for (const std::size_t step : {bytes.size() + 1, std::size_t{1}}) {
      StartupMessage startup;
      startup.user = startup.database = "app";
      ClientFacts facts;
      facts.tls = tls;
      if (tls) facts.binding = "hash";
      ClientLogin login(startup, facts, std::string(24, 'S'));
      std::string sent;
      login.begin({}, sent);
      login.give_secret(secret, sent);
      const ClientStep result = fed<ClientLacks>(login, bytes, step, sent);
      CHECK(!std::holds_alternative<Admitted>(result));
      CHECK(!std::holds_alternative<NeedsSecret>(result));
      CHECK(sent.size() <= 16'384);
      CHECK(step > bytes.size() || result.index() == outcome);
      outcome = result.index();
    }
  }
}

inline void auth_query(std::string_view bytes) {
  std::size_t outcome = 0;
  for (const std::size_t step : {bytes.size() + 1, std::size_t{1}}) {
    AuthQuery query("app");
    const AuthStep result = fed<AuthLacks>(query, bytes, step);
    if (const auto* answer = std::get_if<AuthAnswer>(&result)) {
      CHECK(answer->secret.has_value() == answer->why.empty());
    } else if (const auto* failed = std::get_if<AuthFailed>(&result)) {
      CHECK(!failed->error.message().empty() && failed->error.message().size() <= 500);
    }
    CHECK(step > bytes.size() || result.index() == outcome);
    outcome = result.index();
  }
}

/// Four bytes of process id, and the key. Nobody makes up a long key; what is passed on once is not
/// passed on again.
inline void cancel_key(std::string_view bytes) {
  static const CancelKeys keys(3, 5, sha256("known to nobody"));
  Reader reader(bytes);
  CancelRequest request;
  request.pid = reader.i32();
  request.key = reader.rest();
  if (!reader.ok()) return;
  const CancelMeaning meaning = keys.read(request);
  if (const auto* own = std::get_if<OwnSession>(&meaning)) {
    CHECK(!own->number && request.key.size() == cancel_key_least);
    CHECK(own->slot < CancelKeys::slots_most);
  }
  if (const auto* other = std::get_if<OtherProxy>(&meaning)) {
    CHECK(other->proxy != 0 && other->proxy != 3 && other->proxy < CancelKeys::proxies_most);
    const auto passed = keys.forward(request);
    CHECK(passed && passed->pid == request.pid && passed->key.size() <= cancel_key_most);
    CHECK(std::holds_alternative<NobodysSession>(keys.read(*passed)));
    CHECK(!keys.forward(*passed));
  }
}

}  // namespace evergres::proxy::fuzz
