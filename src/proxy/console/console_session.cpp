#include "proxy/console/console_session.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "base/check.hpp"
#include "proxy/console/values.hpp"
#include "proxy/wire/frontend.hpp"
#include "proxy/wire/writer.hpp"

namespace evergres::proxy {
namespace {

constexpr std::size_t most_kept = 100;  // statements, and portals
constexpr std::size_t longest_name = 128;

constexpr std::string_view help =
    "\n\tSHOW HELP|CONFIG|DATABASES|POOLS|CLIENTS|SERVERS|USERS|VERSION"
    "\n\tSHOW STATS|STATS_TOTALS|STATS_AVERAGES|STATS_TIMES|TOTALS"
    "\n\tSHOW SOCKETS|ACTIVE_SOCKETS|LISTS|MEM|STATE"
    "\n\tSHOW PEERS|PEER_POOLS|FDS|DNS_HOSTS|DNS_ZONES (always empty)"
    "\n\tSET name = value"
    "\n\tRELOAD"
    "\n\tPAUSE [database]"
    "\n\tRESUME [database]"
    "\n\tDISABLE database"
    "\n\tENABLE database"
    "\n\tRECONNECT [database]"
    "\n\tKILL [database]"
    "\n\tKILL_CLIENT id"
    "\n\tWAIT_CLOSE [database]"
    "\n\tSHUTDOWN [WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS]";

Refusal refusal(std::string_view sqlstate, std::string message, std::string detail = {},
                std::string hint = {}) {
  return Refusal{sqlstate, Error(ErrorCode::usage, std::move(message), std::move(detail),
                                 std::move(hint))};
}

std::string tag_of(Verb verb) {
  std::string tag(word_of(verb));
  for (char& c : tag) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return tag;
}

/// The columns of a command's answer; they point into the command.
std::vector<Column> columns_of(const Command& command) {
  if (command.verb == Verb::constant) {
    const bool whole = command.key == "?column?";
    return {Column{command.key, whole ? ColumnType::int4 : ColumnType::text}};
  }
  if (command.verb != Verb::show) return {};
  const std::span<const Column> columns = columns_of(command.show);
  return {columns.begin(), columns.end()};
}

void write_columns(std::string& to, const Command& command, const std::vector<bool>& binary) {
  const std::vector<Column> columns = columns_of(command);
  if (columns.empty()) {
    write_no_data(to);
  } else {
    write_typed_row_description(to, typed_columns(columns, binary));
  }
}

/// What a Bind wants: its result formats, one per column. Nothing if it is no Bind for a statement
/// without parameters and with `columns` columns.
std::optional<std::vector<bool>> read_formats(std::string_view rest, std::size_t columns) {
  Reader reader(rest);
  const std::size_t inputs = reader.u16();
  reader.take(inputs * 2);
  const std::size_t values = reader.u16();
  std::vector<bool> formats;
  const std::size_t outputs = reader.u16();
  for (std::size_t i = 0; i < outputs && reader.ok(); ++i) {
    const std::uint16_t format = reader.u16();
    if (format > 1) return std::nullopt;
    formats.push_back(format == 1);
  }
  if (!reader.done() || values != 0) return std::nullopt;
  if (outputs == 1) return std::vector<bool>(columns, formats[0]);
  if (outputs != 0 && outputs != columns) return std::nullopt;
  formats.resize(columns, false);
  return formats;
}

}  // namespace

Role role_of(std::string_view user, const Configuration& configuration) {
  const auto is_one_of = [&](const std::vector<std::string>& names) {
    return std::ranges::find(names, user) != names.end();
  };
  if (is_one_of(configuration.admins)) return Role::admin;
  return is_one_of(configuration.observers) ? Role::observer : Role::none;
}

Refusal console_refused(std::string_view user) {
  return refusal("42501",
                 "user \"" + std::string(user) + "\" may not connect to the console",
                 "The console is for those whom the endpoint's configuration names.",
                 "Name the user among the admins (who may change things) or the observers (who may "
                 "look) of the endpoint, and reload.");
}

void write_console_parameters(std::string& to) {
  write_parameter(to, "server_version", std::string(imitated_version) + "/bouncer");
  write_parameter(to, "client_encoding", "UTF8");
  write_parameter(to, "server_encoding", "UTF8");
  write_parameter(to, "DateStyle", "ISO");
  write_parameter(to, "TimeZone", "GMT");
  write_parameter(to, "standard_conforming_strings", "on");
  write_parameter(to, "is_superuser", "on");
}

void ConsoleSession::ready(std::string& to) const {
  write_ready(to, open_ ? TransactionStatus::open : TransactionStatus::idle);
}

void ConsoleSession::fail(const Refusal& refusal, std::string& to) {
  write_error(to, Severity::error, refusal.sqlstate, refusal.error);
  if (extended_) {
    skips_ = true;
  } else {
    ready(to);
  }
}

void ConsoleSession::finish(std::string_view tag, std::string& to) {
  answer({}, tag, to);
}

/// The answer to `asked_`.
void ConsoleSession::answer(const std::vector<TableRow>& rows, std::string_view tag,
                            std::string& to) {
  const std::vector<Column> columns = columns_of(asked_);
  if (!extended_) {
    if (!columns.empty()) write_columns(to, asked_, {});
    for (const TableRow& row : rows) to += data_row(columns, row, {});
    write_command_complete(to, tag);
    ready(to);
    return;
  }
  Portal& portal = portals_.find(portal_)->second;
  portal.executed = true;
  portal.tag = tag;
  for (const TableRow& row : rows) portal.rows.push_back(data_row(columns, row, portal.binary));
  deliver(portal, to);
}

void ConsoleSession::deliver(Portal& portal, std::string& to) const {
  std::size_t left = limit_ > 0 ? static_cast<std::size_t>(limit_) : portal.rows.size();
  for (; left > 0 && portal.sent < portal.rows.size(); --left) to += portal.rows[portal.sent++];
  if (portal.sent < portal.rows.size()) {
    write_portal_suspended(to);
  } else {
    write_command_complete(to, portal.tag);
  }
}

ConsoleStep ConsoleSession::run(const Command& command, std::string& to) {
  asked_ = command;
  if (command.changes() && role_ != Role::admin) {
    fail(refusal("42501", tag_of(command.verb) + " is for admins of the console",
                 "You may look, and change nothing.",
                 "Connect as one of the endpoint's admins, or have this user named among them."),
         to);
    return ConsoleStep::answered;
  }
  switch (command.verb) {
    case Verb::nothing:
      write_empty_query(to);
      if (!extended_) ready(to);
      return ConsoleStep::answered;
    case Verb::constant: answer({{command.value}}, command.tag, to); return ConsoleStep::answered;
    case Verb::ignored:
      write_notice(to, "NOTICE", "00000", command.tag + " has no effect in the console");
      finish(command.tag, to);
      return ConsoleStep::answered;
    case Verb::begin:
    case Verb::commit:
    case Verb::rollback:
      open_ = command.verb == Verb::begin;
      finish(tag_of(command.verb), to);
      return ConsoleStep::answered;
    default: break;
  }
  if (command.verb == Verb::show && command.show == Show::help) {
    write_notice(to, "NOTICE", "00000", "Console usage", help);
    finish("SHOW", to);
    return ConsoleStep::answered;
  }
  busy_ = true;
  return ConsoleStep::asks;
}

void ConsoleSession::shown(const Snapshot& snapshot, std::string& to) {
  CHECK(busy_ && asked_.verb == Verb::show);
  busy_ = false;
  answer(rows_of(asked_.show, snapshot), "SHOW", to);
}

void ConsoleSession::done(std::string& to) {
  CHECK(busy_ && asked_.verb != Verb::show);
  busy_ = false;
  finish(tag_of(asked_.verb), to);
}

void ConsoleSession::refused(const Refusal& refusal, std::string& to) {
  CHECK(busy_);
  busy_ = false;
  fail(refusal, to);
}

ConsoleStep ConsoleSession::take(const Frame& frame, std::string& to) {
  CHECK(!busy_ && (frame.kind == FrameKind::whole || frame.kind == FrameKind::piece));
  if (frame.type == 'X') return ConsoleStep::closes;
  if (skips_ && frame.type != 'S') return ConsoleStep::answered;
  extended_ = frame.type != 'Q' && frame.type != 'F';
  if (frame.kind == FrameKind::piece) {
    if (!frame.last || frame.type == 'd') return ConsoleStep::answered;
    fail(refusal("54000", "the message is too long for the console"), to);
    return ConsoleStep::answered;
  }
  const std::string_view body = frame.payload();
  switch (frame.type) {
    case 'Q': return query(body, to);
    case 'P': return parse(body, to);
    case 'B': return bind(body, to);
    case 'D': return describe(body, to);
    case 'E': return execute(body, to);
    case 'C': return close(body, to);
    case 'S':
      skips_ = false;
      if (!open_) portals_.clear();
      ready(to);
      return ConsoleStep::answered;
    case 'F':
      fail(refusal("0A000", "the console has no functions to call"), to);
      return ConsoleStep::answered;
    case 'H':  // everything is sent at once
    case 'c':  // what is left of a COPY that never began is ignored, as in a server
    case 'd':
    case 'f': return ConsoleStep::answered;
    default: return broken("this message has no place here", to);
  }
}

ConsoleStep ConsoleSession::broken(std::string_view what, std::string& to) {
  write_error(to, Severity::fatal, "08P01",
              Error(ErrorCode::data_invalid, "invalid message", std::string(what) + "."));
  return ConsoleStep::closes;
}

ConsoleStep ConsoleSession::query(std::string_view body, std::string& to) {
  const auto sql = read_query(body);
  if (!sql) return broken("a Query is a text with its end", to);
  statements_.erase("");
  portals_.erase("");
  const auto parsed = parse_command(*sql);
  if (const auto* refused = std::get_if<Refusal>(&parsed); refused != nullptr) {
    fail(*refused, to);
    return ConsoleStep::answered;
  }
  return run(std::get<Command>(parsed), to);
}

ConsoleStep ConsoleSession::parse(std::string_view body, std::string& to) {
  const auto view = read_parse(body);
  if (!view) return broken("a Parse has a name, a text and types", to);
  const auto parsed = parse_command(view->sql);
  const auto refuse = [&](const Refusal& why) {
    fail(why, to);
    return ConsoleStep::answered;
  };
  if (const auto* refused = std::get_if<Refusal>(&parsed); refused != nullptr) {
    return refuse(*refused);
  }
  if (view->type_count() > 0) {
    return refuse(refusal("0A000", "commands of the console have no parameters", {},
                          "Write the values into the command."));
  }
  if (view->statement.empty()) {
    statements_.erase("");
  } else if (statements_.contains(view->statement)) {
    return refuse(refusal("42P05", "there is a prepared statement of this name already"));
  }
  if (view->statement.size() > longest_name || statements_.size() >= most_kept) {
    return refuse(refusal("54000", "the console keeps no more prepared statements", {},
                          "Close some of them: 100 are kept, with names of up to 128 bytes."));
  }
  statements_.emplace(view->statement, std::get<Command>(parsed));
  write_parse_complete(to);
  return ConsoleStep::answered;
}

ConsoleStep ConsoleSession::bind(std::string_view body, std::string& to) {
  const auto view = read_bind(body);
  if (!view) return broken("a Bind has two names", to);
  const auto statement = statements_.find(view->statement);
  const auto refuse = [&](const Refusal& why) {
    fail(why, to);
    return ConsoleStep::answered;
  };
  if (statement == statements_.end()) {
    return refuse(refusal("26000", "there is no prepared statement of this name"));
  }
  const Command& command = statement->second;
  auto formats = read_formats(view->rest, columns_of(command).size());
  if (!formats) {
    return refuse(refusal("08P01", "the Bind does not fit its statement",
                          "It has no parameters, and as many formats as columns, one or none."));
  }
  if (view->portal.empty()) {
    portals_.erase("");
  } else if (portals_.contains(view->portal)) {
    return refuse(refusal("42P03", "there is a portal of this name already"));
  }
  if (view->portal.size() > longest_name || portals_.size() >= most_kept) {
    return refuse(refusal("54000", "the console keeps no more portals", {},
                          "Close some of them: 100 are kept, with names of up to 128 bytes."));
  }
  Portal portal;
  portal.command = command;
  portal.binary = std::move(*formats);
  portals_.emplace(view->portal, std::move(portal));
  write_bind_complete(to);
  return ConsoleStep::answered;
}

ConsoleStep ConsoleSession::describe(std::string_view body, std::string& to) {
  const auto view = read_target(body);
  if (!view) return broken("a Describe has a kind and a name", to);
  if (view->target == Target::statement) {
    const auto statement = statements_.find(view->name);
    if (statement == statements_.end()) {
      fail(refusal("26000", "there is no prepared statement of this name"), to);
      return ConsoleStep::answered;
    }
    write_no_parameters(to);
    write_columns(to, statement->second, {});
    return ConsoleStep::answered;
  }
  const auto portal = portals_.find(view->name);
  if (portal == portals_.end()) {
    fail(refusal("34000", "there is no portal of this name"), to);
  } else {
    write_columns(to, portal->second.command, portal->second.binary);
  }
  return ConsoleStep::answered;
}

ConsoleStep ConsoleSession::execute(std::string_view body, std::string& to) {
  const auto view = read_execute(body);
  if (!view) return broken("an Execute has a name and a number of rows", to);
  const auto found = portals_.find(view->portal);
  if (found == portals_.end()) {
    fail(refusal("34000", "there is no portal of this name"), to);
    return ConsoleStep::answered;
  }
  Portal& portal = found->second;
  limit_ = view->rows;
  portal_ = view->portal;
  if (!portal.executed) return run(portal.command, to);
  if (portal.command.changes()) {
    fail(refusal("55000", "the portal has been executed already"), to);
  } else {
    deliver(portal, to);
  }
  return ConsoleStep::answered;
}

ConsoleStep ConsoleSession::close(std::string_view body, std::string& to) {
  const auto view = read_target(body);
  if (!view) return broken("a Close has a kind and a name", to);
  if (view->target == Target::statement) {
    if (const auto at = statements_.find(view->name); at != statements_.end()) {
      statements_.erase(at);
    }
  } else if (const auto at = portals_.find(view->name); at != portals_.end()) {
    portals_.erase(at);
  }
  write_close_complete(to);
  return ConsoleStep::answered;
}

}  // namespace evergres::proxy
