#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "base/check.hpp"
#include "proxy/console/command.hpp"
#include "proxy/console/console_session.hpp"
#include "proxy/wire/walker.hpp"

namespace evergres::proxy::fuzz {

/// What stands around a command does not change it; two are never taken for one; and a refusal says
/// something.
inline void console(std::string_view bytes) {
  const auto parsed = parse_command(bytes);
  if (const auto* refusal = std::get_if<Refusal>(&parsed); refusal != nullptr) {
    CHECK(refusal->sqlstate.size() == 5 && !refusal->error.message().empty());
    CHECK(!refusal->error.hint().empty() || !refusal->error.detail().empty());
    return;
  }
  const Command& command = std::get<Command>(parsed);
  if (bytes.size() > 4000) return;  // there is a longest text
  const auto framed = parse_command("/* ; */ ;" + std::string(bytes) + "\n; -- ;");
  CHECK(std::holds_alternative<Command>(framed) && std::get<Command>(framed) == command);
  if (command.verb == Verb::nothing) return;
  const auto twice = parse_command(std::string(bytes) + "\n;" + std::string(bytes));
  CHECK(std::holds_alternative<Refusal>(twice));
}

/// A whole session of hostile messages: every answer is made of whole messages that a server may
/// send, and what an observer asks for is never a change.
inline void console_session(std::string_view bytes) {
  Walker walker(Side::frontend, Phase::session);
  ConsoleSession session(Role::observer);
  std::string answer;
  while (true) {
    const Frame frame = walker.next(bytes);
    if (frame.kind == FrameKind::more || frame.kind == FrameKind::violation) break;
    const ConsoleStep step = session.take(frame, answer);
    if (step == ConsoleStep::closes) break;
    if (step != ConsoleStep::asks) continue;
    CHECK(!session.asked().changes());
    session.shown(Snapshot(), answer);
  }
  Walker check(Side::backend, Phase::session);
  std::string_view rest = answer;
  while (!rest.empty()) CHECK(check.next(rest).kind == FrameKind::whole);
}

}  // namespace evergres::proxy::fuzz
