#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "base/check.hpp"
#include "proxy/auth/auth_file.hpp"
#include "proxy/auth/hba.hpp"
#include "proxy/auth/scram_client.hpp"
#include "proxy/auth/scram_message.hpp"
#include "proxy/auth/scram_server.hpp"

/// As wire.hpp, for what people and strangers write to be let in. One iteration instead of 4,096,
/// and nonces that never change: this is about texts.
namespace evergres::proxy::fuzz {

inline const std::string our_nonce(24, 'S');
inline const std::string their_nonce(24, 'C');

/// Up to the next line feed.
inline std::string_view take_line(std::string_view& bytes) {
  const std::string_view line = bytes.substr(0, bytes.find('\n'));
  bytes.remove_prefix(std::min(line.size() + 1, bytes.size()));
  return line;
}

/// Three lines: mechanism, first message, final message. Nobody is let in without the password.
inline void scram_server(std::string_view bytes) {
  static const ScramSecret secret = make_secret("pencil", "salt", 1);
  const std::string_view mechanism = take_line(bytes);
  const std::string_view first = take_line(bytes);
  for (const bool real : {true, false}) {
    for (const bool tls : {false, true}) {
      const auto binding = tls ? std::optional<std::string>("hash") : std::nullopt;
      ScramServer server(secret, real, binding, our_nonce);
      const auto told = server.begin(mechanism, first);
      if (!told) {
        CHECK(told.error().code() == ErrorCode::data_invalid && !told.error().detail().empty());
        continue;
      }
      CHECK(told.value().starts_with("r=") && told.value().ends_with(",i=1"));
      const auto proven = server.finish(bytes);
      if (!proven) continue;
      CHECK(real);
      CHECK(sha256(proven.value().keys.client_key.view()).same(secret.stored_key));
    }
  }
}

/// Two lines: what the server says first and last. It is believed only if it knows the secret.
inline void scram_client(std::string_view bytes) {
  const std::string_view first = take_line(bytes);
  for (const bool plus : {false, true}) {
    ScramClient client(ScramPassword{"pencil"}, plus ? scram_plus : scram_plain,
                       plus ? std::optional<std::string>("hash") : std::nullopt, their_nonce, 64);
    const auto answer = client.answer(first);
    if (!answer) continue;
    CHECK(answer.value().starts_with("c="));
    CHECK(answer.value().find(",r=" + their_nonce) != std::string::npos);
    if (client.finish(bytes)) CHECK(bytes.starts_with("v="));
  }
}

inline void secret(std::string_view bytes) {
  if (const auto read = read_secret(bytes)) {
    const auto again = read_secret(text_of(*read));
    CHECK(again && again->salt == read->salt && again->iterations == read->iterations);
    CHECK(again->stored_key.same(read->stored_key) && again->server_key.same(read->server_key));
  }
  if (const auto decoded = from_base64(bytes)) CHECK(base64(*decoded) == bytes);
  CHECK(from_base64(base64(bytes)) == bytes);
  const auto prepared = prepare_password(bytes);
  if (prepared) CHECK(prepared.value() == bytes);
}

/// Passwords in the clear cost 2 ms each: only the first lines, and only those that are short.
inline void auth_file(std::string_view bytes) {
  const std::string_view some =
      bytes.substr(0, std::min<std::size_t>(bytes.size(), bytes.find("plain")));
  const AuthFile file = read_auth_file(some, Key());
  const auto lines = static_cast<std::size_t>(std::count(some.begin(), some.end(), '\n')) + 1;
  CHECK(file.users.size() + file.problems.size() <= lines);
  for (const FileProblem& problem : file.problems) {
    CHECK(problem.line >= 1 && problem.line <= lines && !problem.what.empty());
    CHECK(problem.text("f").starts_with("f:"));
  }
}

inline void hba(std::string_view bytes) {
  const HbaFile file = read_hba(bytes);
  const auto lines = static_cast<std::size_t>(std::count(bytes.begin(), bytes.end(), '\n')) + 1;
  CHECK(file.problems.empty() || file.rules.empty());
  for (const FileProblem& problem : file.problems) {
    CHECK(problem.line >= 1 && problem.line <= lines && !problem.what.empty());
  }
  HbaQuestion question;
  question.user = "app";
  question.database = "shop";
  for (const char* address : {"10.1.2.3", "::1", ""}) {
    question.address = IpAddress::parse(address);
    const HbaRule* rule = match(file.rules, question);
    CHECK(rule == nullptr || (rule->kind == HbaKind::local) == !question.address);
    CHECK(rule == nullptr || rule->kind != HbaKind::hostssl);
  }
}

}  // namespace evergres::proxy::fuzz
