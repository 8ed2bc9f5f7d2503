#include "proxy/console/command.hpp"

#include <algorithm>
#include <charconv>
#include <span>
#include <vector>

#include "proxy/console/tokens.hpp"

namespace evergres::proxy {
namespace {

using Parsed = std::variant<Command, Refusal>;
using Tokens = std::span<const ConsoleToken>;

/// Nothing that is typed here is longer; what is comes from somebody who is at the wrong database.
constexpr std::size_t longest_text = 8192;
constexpr std::size_t longest_word = 40;

enum class Argument { none, what, maybe_database, database, client, assignment, how, select, any };

struct Entry {
  std::string_view word;
  Verb verb;
  Argument argument;
  bool offered = true;  ///< whether a typing error is answered with it
};

constexpr std::array entries{
    Entry{"show", Verb::show, Argument::what},
    Entry{"pause", Verb::pause, Argument::maybe_database},
    Entry{"resume", Verb::resume, Argument::maybe_database},
    Entry{"reconnect", Verb::reconnect, Argument::maybe_database},
    Entry{"kill", Verb::kill, Argument::maybe_database},
    Entry{"wait_close", Verb::wait_close, Argument::maybe_database},
    Entry{"disable", Verb::disable, Argument::database},
    Entry{"enable", Verb::enable, Argument::database},
    Entry{"kill_client", Verb::kill_client, Argument::client},
    Entry{"reload", Verb::reload, Argument::none},
    Entry{"shutdown", Verb::shutdown, Argument::how},
    Entry{"set", Verb::set, Argument::assignment},
    Entry{"select", Verb::constant, Argument::select, false},
    Entry{"begin", Verb::begin, Argument::any, false},
    Entry{"start", Verb::begin, Argument::any, false},
    Entry{"commit", Verb::commit, Argument::any, false},
    Entry{"end", Verb::commit, Argument::any, false},
    Entry{"rollback", Verb::rollback, Argument::any, false},
    Entry{"abort", Verb::rollback, Argument::any, false},
    Entry{"reset", Verb::ignored, Argument::any, false},
    Entry{"discard", Verb::ignored, Argument::any, false},
    Entry{"deallocate", Verb::ignored, Argument::any, false},
    Entry{"unlisten", Verb::ignored, Argument::any, false},
};

/// What drivers and their frameworks set in a new session. Settings of PostgreSQL: the console has
/// no use for them.
constexpr std::array<std::string_view, 21> settings_of_drivers{
    "application_name",
    "bytea_output",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "extra_float_digits",
    "idle_in_transaction_session_timeout",
    "intervalstyle",
    "lock_timeout",
    "names",
    "role",
    "search_path",
    "standard_conforming_strings",
    "statement_timeout",
    "synchronize_seqscans",
    "time",
    "timezone",
    "transaction",
    "characteristics",
};

/// What drivers ask for in a new session.
struct Constant {
  std::string_view name;
  std::string_view column;
  std::string_view value;
};
constexpr std::array constants{
    Constant{"client_encoding", "client_encoding", "UTF8"},
    Constant{"datestyle", "DateStyle", "ISO"},
    Constant{"default_transaction_isolation", "default_transaction_isolation", "read committed"},
    Constant{"default_transaction_read_only", "default_transaction_read_only", "off"},
    Constant{"standard_conforming_strings", "standard_conforming_strings", "on"},
    Constant{"timezone", "TimeZone", "GMT"},
    Constant{"transaction", "transaction_isolation", "read committed"},  // isolation level
    Constant{"transaction_isolation", "transaction_isolation", "read committed"},
    Constant{"transaction_read_only", "transaction_read_only", "off"},
};

/// How many letters have to be changed, inserted or left out (Levenshtein).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t above = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, above + 1, diagonal + (a[i] == b[j] ? 0U : 1U)});
      diagonal = above;
    }
  }
  return row.back();
}

/// The word that was probably meant, or "".
std::string_view nearest(const std::string& typed, std::span<const std::string_view> known) {
  std::string_view best;
  if (typed.size() > longest_word) return best;
  std::size_t least = std::max<std::size_t>(1, typed.size() / 3) + 1;
  for (const std::string_view word : known) {
    const std::size_t far = distance(typed, word);
    if (far >= least) continue;
    least = far;
    best = word;
  }
  return best;
}

std::string capitals(std::string_view word) {
  std::string result(word);
  std::ranges::transform(result, result.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  });
  return result;
}

/// What was typed, for a message: one line, not endless.
std::string quoted(std::string_view text) {
  std::string result(text.substr(0, longest_word));
  for (char& c : result) {
    if (static_cast<unsigned char>(c) < 32) c = ' ';
  }
  // Half a letter of UTF-8 would make the message unreadable for the client.
  if (text.size() > longest_word) {
    while (!result.empty() && (static_cast<unsigned char>(result.back()) & 0xc0U) == 0x80) {
      result.pop_back();
    }
    if (!result.empty() && static_cast<unsigned char>(result.back()) >= 0x80) result.pop_back();
    result += "...";
  }
  return "\"" + result + "\"";
}

Refusal refusal(std::string_view sqlstate, std::string message, std::string detail,
                std::string hint) {
  return Refusal{sqlstate, Error(ErrorCode::usage, std::move(message), std::move(detail),
                                 std::move(hint))};
}

Refusal wrong(std::string message, std::string detail, std::string hint = {}) {
  if (hint.empty()) hint = "SHOW HELP lists the commands of this console.";
  return refusal("42601", std::move(message), std::move(detail), std::move(hint));
}

Refusal unknown_command(const ConsoleToken& first) {
  std::vector<std::string_view> offered;
  for (const Entry& entry : entries) {
    if (entry.offered) offered.push_back(entry.word);
  }
  const std::string_view meant = nearest(lower_case(first.raw), offered);
  return wrong("the console has no command " + quoted(first.raw),
               "This is the console of the endpoint, not a database: it shows and controls the "
               "pools and executes no SQL.",
               meant.empty() ? "SHOW HELP lists the commands of this console. For SQL connect to "
                               "another database."
                             : "Did you mean " + capitals(meant) + "?");
}

Parsed constant(std::string_view column, std::string_view value, std::string_view tag) {
  Command command;
  command.verb = Verb::constant;
  command.key = column;
  command.value = value;
  command.tag = tag;
  return command;
}

std::optional<Show> show_of(const ConsoleToken& token) {
  for (const auto& entry : words(static_cast<const Show*>(nullptr))) {
    if (token.is(entry.word)) return entry.value;
  }
  return std::nullopt;
}

Parsed parse_show(Tokens rest) {
  if (rest.empty()) {
    return wrong("SHOW needs to know what to show", "", "For example SHOW POOLS; SHOW HELP lists "
                                                        "what there is.");
  }
  for (const Constant& entry : constants) {
    if (rest[0].is(entry.name)) return constant(entry.column, entry.value, "SHOW");
  }
  const std::optional<Show> show = show_of(rest[0]);
  if (!show) {
    std::vector<std::string_view> known;
    for (const auto& entry : words(static_cast<const Show*>(nullptr))) known.push_back(entry.word);
    const std::string_view meant = nearest(lower_case(rest[0].raw), known);
    return wrong("the console has nothing to show under " + quoted(rest[0].raw), "",
                 meant.empty() ? "SHOW HELP lists what there is."
                               : "Did you mean SHOW " + capitals(meant) + "?");
  }
  if (rest.size() > 1) {
    return wrong("nothing may follow SHOW " + capitals(word_of(*show)),
                 "The console has no WHERE and no ORDER BY.");
  }
  Command command;
  command.verb = Verb::show;
  command.show = *show;
  return command;
}

/// SELECT 1 and SELECT version(), and PgBouncer's SELECT for SHOW.
Parsed parse_select(Tokens rest) {
  if (rest.size() == 1 && rest[0].is("1")) return constant("?column?", "1", "SELECT 1");
  const bool call = rest.size() == 3 && rest[1].raw == "(" && rest[2].raw == ")";
  if (call && (rest[0].is("version") || rest[0].is("pg_catalog.version"))) {
    return constant("version", "Evergres console, with the commands of PgBouncer 1.25", "SELECT 1");
  }
  if (rest.size() == 1 && show_of(rest[0])) return parse_show(rest);
  return wrong("the console executes no SQL",
               "This is the console of the endpoint, not a database.",
               "Connect to another database for SQL; SHOW HELP lists the commands of the console.");
}

Parsed parse_set(Tokens rest) {
  if (!rest.empty() && (rest[0].is("session") || rest[0].is("local"))) rest = rest.subspan(1);
  if (!rest.empty()) {
    for (const std::string_view setting : settings_of_drivers) {
      if (!rest[0].is(setting)) continue;
      Command command;
      command.verb = Verb::ignored;
      command.tag = "SET";
      return command;
    }
  }
  const bool named = rest.size() >= 3 && (rest[0].kind == ConsoleToken::Kind::word ||
                                          rest[0].kind == ConsoleToken::Kind::quoted);
  if (!named || !(rest[1].raw == "=" || rest[1].is("to"))) {
    return wrong("SET needs a name and a value", "", "Write SET name = value; SHOW CONFIG lists "
                                                     "the names.");
  }
  Command command;
  command.verb = Verb::set;
  command.key = lower_case(rest[0].text());
  const ConsoleToken& first = rest[2];
  const ConsoleToken& last = rest.back();
  const auto length = static_cast<std::size_t>(last.raw.data() + last.raw.size() -
                                               first.raw.data());
  command.value = rest.size() == 3 ? first.text()
                                   : std::string(std::string_view(first.raw.data(), length));
  return command;
}

Parsed parse_database(const Entry& entry, Tokens rest) {
  const std::string name = capitals(entry.word);
  if (rest.empty() && entry.argument == Argument::database) {
    return wrong(name + " needs the name of a database", "",
                 "SHOW DATABASES lists them; write " + name + " name.");
  }
  Command command;
  command.verb = entry.verb;
  if (rest.empty()) return command;
  const bool one = rest.size() == 1 && (rest[0].kind == ConsoleToken::Kind::word ||
                                        rest[0].kind == ConsoleToken::Kind::quoted);
  if (!one || rest[0].raw.empty()) {
    return wrong(name + " takes the name of one database",
                 "A name with other signs than letters, digits, _, - and . needs double quotes.");
  }
  command.database = rest[0].text();
  if (is_console_database(*command.database)) {
    return refusal("0A000", name + " does not work on the console itself",
                   *command.database + " is the name of this console and has no pool.",
                   "SHOW DATABASES lists the databases.");
  }
  return command;
}

Parsed parse_client(Tokens rest) {
  Command command;
  command.verb = Verb::kill_client;
  if (rest.size() == 1 && rest[0].kind != ConsoleToken::Kind::symbol) {
    const std::string digits = rest[0].text();
    const char* end = digits.data() + digits.size();
    const auto [at, error] = std::from_chars(digits.data(), end, command.client);
    if (error == std::errc() && at == end) return command;
  }
  return wrong("KILL_CLIENT needs the number of a client", "",
               "It is in the column id of SHOW CLIENTS; write KILL_CLIENT 1234.");
}

Parsed parse_shutdown(Tokens rest) {
  Command command;
  command.verb = Verb::shutdown;
  if (rest.empty()) return command;
  if (rest.size() == 1 && rest[0].is("wait_for_servers")) {
    command.shutdown = Shutdown::wait_for_servers;
    return command;
  }
  if (rest.size() == 1 && rest[0].is("wait_for_clients")) {
    command.shutdown = Shutdown::wait_for_clients;
    return command;
  }
  return wrong("SHUTDOWN does not know how to end", "",
               "Write SHUTDOWN, SHUTDOWN WAIT_FOR_SERVERS or SHUTDOWN WAIT_FOR_CLIENTS.");
}

Parsed parse_verb(const Entry& entry, Tokens rest) {
  Command command;
  command.verb = entry.verb;
  switch (entry.argument) {
    case Argument::what: return parse_show(rest);
    case Argument::maybe_database:
    case Argument::database: return parse_database(entry, rest);
    case Argument::client: return parse_client(rest);
    case Argument::assignment: return parse_set(rest);
    case Argument::how: return parse_shutdown(rest);
    case Argument::select: return parse_select(rest);
    case Argument::any:
      if (entry.verb == Verb::ignored) command.tag = capitals(entry.word);
      return command;
    case Argument::none: break;
  }
  if (rest.empty()) return command;
  return wrong("nothing may follow " + capitals(entry.word), "");
}

}  // namespace

bool is_console_database(std::string_view database) {
  return std::ranges::find(console_databases, database) != console_databases.end();
}

Parsed parse_command(std::string_view text) {
  if (text.size() > longest_text) {
    return refusal("54000", "the text is too long for the console",
                   "The console takes 8192 bytes and executes no SQL.",
                   "Connect to another database for SQL.");
  }
  const ConsoleTokens found = console_tokens(text);
  if (found.broken) {
    return wrong("a quote or a comment does not end, or a text has a backslash",
                 "The console understands 'text', \"name\" and comments as SQL has them.");
  }
  const Tokens tokens(found.tokens);
  if (tokens.empty()) return Command();
  const auto semicolon = std::ranges::find(tokens, ConsoleToken::Kind::semicolon,
                                           &ConsoleToken::kind);
  if (semicolon != tokens.end()) {
    return wrong("the console takes one statement at a time",
                 "Nothing of what was sent together was executed.", "Send them one by one.");
  }
  if (tokens[0].is("suspend")) {
    return refusal("0A000", "SUSPEND is not offered",
                   "It exists in PgBouncer for handing over its sockets to a new process. Here a "
                   "restart hands them over by itself.",
                   "PAUSE stops traffic; SHUTDOWN WAIT_FOR_CLIENTS ends the process gently.");
  }
  const auto entry = std::ranges::find_if(
      entries, [&](const Entry& known) { return tokens[0].is(known.word); });
  if (entry == entries.end()) return unknown_command(tokens[0]);
  if (found.cut) return wrong("this is too long for a command of the console", "");
  return parse_verb(*entry, tokens.subspan(1));
}

}  // namespace evergres::proxy
