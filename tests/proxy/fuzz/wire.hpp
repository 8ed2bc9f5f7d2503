#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.hpp"
#include "proxy/wire/backend.hpp"
#include "proxy/wire/frontend.hpp"
#include "proxy/wire/opening.hpp"
#include "proxy/wire/startup.hpp"
#include "proxy/wire/walker.hpp"
#include "proxy/wire/writer.hpp"

/// What must hold whatever the bytes are; CHECK ends the process otherwise.
namespace evergres::proxy::fuzz {

inline void lies_in(std::string_view part, std::string_view whole) {
  if (part.data() == nullptr || part.empty()) return;
  CHECK(part.data() >= whole.data());
  CHECK(part.data() + part.size() <= whole.data() + whole.size());
}

/// What one direction amounts to, however it is cut: types and bodies, and whether it broke.
struct Walked {
  std::string bytes;
  std::string types;
  bool broken = false;
  auto operator<=>(const Walked&) const = default;
};

/// Feeds the bytes in portions of `step`, keeping what the walker did not take.
inline Walked walk(Side side, Phase phase, std::string_view all, std::size_t step,
                   void (*look)(const Frame&)) {
  Walker walker(side, phase);
  Walked walked;
  std::string kept;
  for (std::size_t at = 0; at < all.size() && !walked.broken; at += step) {
    kept += all.substr(at, step);
    std::string_view input = kept;
    while (true) {
      const std::size_t before = input.size();
      const Frame frame = walker.next(input);
      if (frame.kind == FrameKind::more) {
        CHECK(input.size() == before && frame.lacking > 0);
        break;
      }
      if (frame.kind == FrameKind::violation) {
        CHECK(!frame.why.empty() && walker.next(input).kind == FrameKind::violation);
        walked.broken = true;
        break;
      }
      CHECK(!frame.bytes.empty() && before - input.size() == frame.bytes.size());
      lies_in(frame.bytes, kept);
      const MessageRule* rule = rule_of(side, phase, frame.type);
      CHECK(rule != nullptr && frame.body >= rule->least && frame.body <= rule->most);
      if (frame.first) {
        walked.types += frame.type;
        CHECK(frame.payload().size() >= std::min(frame.body, rule->head));
        look(frame);
      }
      CHECK(frame.last == walker.between_messages());
      CHECK(frame.kind == FrameKind::piece || frame.first);
      walked.bytes += frame.bytes;
    }
    kept.erase(0, kept.size() - input.size());
    // What is kept is bounded: a header and the longest head.
    CHECK(walked.broken || kept.size() < header_bytes + (1U << 20U));
  }
  return walked;
}

inline void look_at_frontend(const Frame& frame) {
  const std::string_view body = frame.payload();
  const bool whole = frame.kind == FrameKind::whole;
  if (frame.type == 'P') {
    if (const auto name = read_parse_name(body)) lies_in(*name, body);
    const auto view = read_parse(body);
    if (whole && view) {
      std::string again;
      write_parse(again, view->statement, view->sql, view->types);
      CHECK(again == frame.bytes);
    }
  }
  if (frame.type == 'B') {
    if (const auto view = read_bind(body)) {
      std::string again;
      write_renamed_bind(again, *view, view->statement, frame.body);
      CHECK(again == frame.bytes);
    }
  }
  if (frame.type == 'D' || frame.type == 'C') {
    if (const auto view = read_target(body)) lies_in(view->name, body);
  }
  if (frame.type == 'E') {
    if (const auto view = read_execute(body)) lies_in(view->portal, body);
  }
  if (frame.type == 'Q') {
    if (const auto sql = read_query(body)) lies_in(*sql, body);
  }
  if (frame.type == 'f') {
    if (const auto why = read_copy_fail(body)) lies_in(*why, body);
  }
  if (frame.type == 'p') {
    if (const auto view = read_sasl_initial(body)) lies_in(view->data.value_or(""), body);
    if (const auto word = read_password(body)) lies_in(*word, body);
  }
}

inline void look_at_backend(const Frame& frame) {
  const std::string_view body = frame.payload();
  const FieldsView fields = read_fields(body);
  for (const auto text :
       {fields.severity, fields.code, fields.message, fields.detail, fields.hint, fields.routine}) {
    lies_in(text, body);
    CHECK(text.find('\0') == std::string_view::npos);
  }
  CHECK(fields.code.empty() || fields.code.size() == 5);
  static_cast<void>(is_cancelled_sync_wait(fields));
  static_cast<void>(is_refusal_of_a_standby(fields));
  static_cast<void>(read_ready(body));
  if (const auto view = read_parameter(body)) lies_in(view->value, body);
  if (const auto view = read_backend_key(body)) CHECK(view->key.size() <= 256);
  if (const auto tag = read_command_complete(body)) static_cast<void>(command_kind(*tag));
  if (const auto view = read_auth(body)) {
    if (const auto names = read_mechanisms(view->data)) CHECK(names->size() <= 8);
  }
  if (const auto view = read_negotiate(body, 4)) CHECK(view->unknown_options.size() <= 4);
  if (const auto view = read_notification(body)) lies_in(view->payload, body);
  static_cast<void>(read_copy(body));
}

inline void stream(Side side, std::string_view bytes, void (*look)(const Frame&)) {
  for (const Phase phase : {Phase::login, Phase::session}) {
    const Walked at_once = walk(side, phase, bytes, std::max<std::size_t>(bytes.size(), 1), look);
    for (const std::size_t step : {1U, 3U, 7U}) {
      CHECK(walk(side, phase, bytes, step, look) == at_once);
    }
    CHECK(bytes.starts_with(at_once.bytes));
  }
}

inline void frontend(std::string_view bytes) {
  stream(Side::frontend, bytes, look_at_frontend);
}

inline void backend(std::string_view bytes) {
  stream(Side::backend, bytes, look_at_backend);
}

/// The packet itself, what we would send for it, and the whole opening with and without TLS.
inline void startup(std::string_view bytes) {
  const StartupRead read = read_startup(bytes);
  CHECK(read.consumed <= bytes.size() && read.consumed <= startup_most);
  if (const auto* cancel = std::get_if<CancelRequest>(&read.packet)) {
    std::string again;
    write_cancel(again, cancel->pid, cancel->key);
    CHECK(again == bytes.substr(0, read.consumed));
  }
  if (const auto* message = std::get_if<StartupMessage>(&read.packet)) {
    CHECK(!message->user.empty() && !message->database.empty());
    CHECK(message->user.size() <= name_most && message->database.size() <= name_most);
    CHECK(message->spoken <= newest_protocol && message->spoken <= message->asked);
    std::string again;
    write_startup(again, *message);
    const StartupRead second = read_startup(again);
    const auto* same = std::get_if<StartupMessage>(&second.packet);
    CHECK(same != nullptr && same->user == message->user && same->settings == message->settings);
    CHECK(same->database == message->database && same->replication == message->replication);
    again.clear();
    write_negotiate(again, *message);
    const auto told = read_negotiate(std::string_view(again).substr(header_bytes),
                                     message->unknown_options.size());
    CHECK(told && told->minor == message->spoken.minor);
  }
  for (const bool tls : {false, true}) {
    Opening opening(tls);
    std::string_view arrived = bytes;
    for (int steps = 0;; ++steps) {
      CHECK(steps < 5);
      const OpeningStep step = opening.next(arrived);
      if (std::holds_alternative<OpeningHandshake>(step)) {
        opening.tls_established();
        continue;
      }
      if (!std::holds_alternative<OpeningAnswer>(step)) break;
    }
  }
}

}  // namespace evergres::proxy::fuzz
