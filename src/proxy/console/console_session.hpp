#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proxy/configuration.hpp"
#include "proxy/console/command.hpp"
#include "proxy/console/tables.hpp"
#include "proxy/wire/walker.hpp"

namespace evergres::proxy {

/// What somebody may do in the console. Nothing unless the configuration names him.
enum class Role { none, observer, admin };
Role role_of(std::string_view user, const Configuration& configuration);
/// What a user without a role is told (FATAL) when he connects to the console.
Refusal console_refused(std::string_view user);

/// The parameters that a console reports after login, between AuthenticationOk and ReadyForQuery.
void write_console_parameters(std::string& to);

/// What became of what a console asked for.
struct ConsoleDone {};
using ConsoleAnswer = std::variant<ConsoleDone, std::shared_ptr<const Snapshot>, Refusal>;

enum class ConsoleStep {
  answered,  ///< nothing to do
  asks,      ///< asked() has to be looked up or carried out, then answered here
  closes,    ///< send what was written and close the connection
};

/// A client's session in the console, after its login: its messages in, complete messages and
/// requests out. Simple and extended protocol, text and binary results, no parameters. It touches
/// no pool: whoever owns it carries out what it asks for, which may take as long as it takes (PAUSE
/// waits for servers). One thread at a time. What it keeps is bounded.
class ConsoleSession {
 public:
  explicit ConsoleSession(Role role) : role_(role) {}

  /// One frame of a Walker(Side::frontend, Phase::session), which is not `more` and no violation;
  /// appends what the client is answered. Not while busy(): what arrives meanwhile has to wait.
  ConsoleStep take(const Frame& frame, std::string& to);

  /// An answer to the last `asks` is outstanding.
  [[nodiscard]] bool busy() const { return busy_; }
  /// What to do. Its verb is `show`, or one that changes() something; valid while busy().
  [[nodiscard]] const Command& asked() const { return asked_; }

  /// The answer to a `show`.
  void shown(const Snapshot& snapshot, std::string& to);
  /// Another verb was carried out.
  void done(std::string& to);
  /// It was not: no such database, nothing to resume, cancelled (57014).
  void refused(const Refusal& refusal, std::string& to);

 private:
  /// A portal's answer as far as it is not sent yet.
  struct Portal {
    Command command;
    std::vector<bool> binary;  ///< by column
    bool executed = false;
    std::vector<std::string> rows;  ///< DataRow messages
    std::size_t sent = 0;
    std::string tag;
  };

  ConsoleStep run(const Command& command, std::string& to);
  void fail(const Refusal& refusal, std::string& to);
  void finish(std::string_view tag, std::string& to);
  void answer(const std::vector<TableRow>& rows, std::string_view tag, std::string& to);
  void deliver(Portal& portal, std::string& to) const;
  void ready(std::string& to) const;

  ConsoleStep query(std::string_view body, std::string& to);
  ConsoleStep parse(std::string_view body, std::string& to);
  ConsoleStep bind(std::string_view body, std::string& to);
  ConsoleStep describe(std::string_view body, std::string& to);
  ConsoleStep execute(std::string_view body, std::string& to);
  ConsoleStep close(std::string_view body, std::string& to);
  ConsoleStep broken(std::string_view what, std::string& to);

  Role role_;
  bool busy_ = false;
  bool open_ = false;      ///< BEGIN was said; nothing but the status told depends on it
  bool extended_ = false;  ///< what runs was executed through a portal
  bool skips_ = false;     ///< to the next Sync, after an error
  std::string portal_;     ///< that runs
  std::int32_t limit_ = 0;
  Command asked_;
  std::map<std::string, Command, std::less<>> statements_;
  std::map<std::string, Portal, std::less<>> portals_;
};

}  // namespace evergres::proxy
