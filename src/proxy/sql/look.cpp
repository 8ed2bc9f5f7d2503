#include "proxy/sql/look.hpp"

#include <algorithm>

#include "proxy/sql/words.hpp"

namespace evergres::proxy {
namespace {

/// The first words of a statement, and which words occur in it.
struct Statement {
  std::array<SqlWord, 4> front{};
  std::size_t count = 0;  ///< of words, strings and operators

  [[nodiscard]] bool at(std::size_t place, std::string_view keyword) const {
    return place < front.size() && is_keyword(front[place], keyword);
  }
};

struct Mark {
  std::string_view name;
  bool Traces::*trace;
};

/// Functions that leave something behind, wherever they are called; also in quotes.
constexpr std::array functions{
    Mark{"set_config", &Traces::opaque},
    Mark{"nextval", &Traces::sequences},
    Mark{"setval", &Traces::sequences},
    Mark{"setseed", &Traces::opaque},
    Mark{"pg_advisory_lock", &Traces::advisory_locks},
    Mark{"pg_advisory_lock_shared", &Traces::advisory_locks},
    Mark{"pg_try_advisory_lock", &Traces::advisory_locks},
    Mark{"pg_try_advisory_lock_shared", &Traces::advisory_locks},
    Mark{"lo_open", &Traces::opaque},
    Mark{"dblink_connect", &Traces::opaque},
    Mark{"dblink_connect_u", &Traces::opaque},
};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool same(std::string_view a, std::string_view lower_case) {
  return std::equal(a.begin(), a.end(), lower_case.begin(), lower_case.end(),
                    [](char x, char y) { return lower(x) == y; });
}

/// Everything that is counted while the words pass by.
struct Count {
  Statement first;
  std::size_t statements = 0;
  bool doubtful = false;
  bool writes = false;
  bool analyze = false;
  bool into = false;
  bool temporary = false;
  bool hold = false;
  bool only = false;
  bool write = false;
  bool chain = false;
  bool transaction = false;    ///< the word
  bool mode = false;           ///< transaction_read_only, also in quotes
  bool settings_view = false;  ///< pg_settings
  bool hides_schema = false;   ///< a literal that names pg_temp, or may
  Traces traces;
};

bool begins_with(std::string_view text, std::string_view lower_case) {
  return same(text.substr(0, lower_case.size()), lower_case);
}

/// `behind`: it follows another one, and PostgreSQL may read both as one: 'pg_' 'temp'.
void mark_literal(std::string_view text, bool behind, Count& count) {
  constexpr std::string_view name = "pg_temp";
  const auto found = std::search(text.begin(), text.end(), name.begin(), name.end(),
                                 [](char x, char y) { return lower(x) == y; });
  const bool escapes = text.find('\\') != std::string_view::npos;
  count.hides_schema = count.hides_schema || behind || escapes || found != text.end();
}

/// What counts wherever a statement stands among several.
void mark_first(const SqlWord& word, Count& count) {
  if (is_keyword(word, "load")) count.traces.loaded = true;
  // Also of statements that are ours, by their names or all of them.
  if (is_keyword(word, "deallocate") || is_keyword(word, "discard")) count.traces.prepared = true;
}

void mark(const SqlWord& word, Count& count) {
  for (const Mark& known : functions) {
    if (same(word.text, known.name)) count.traces.*known.trace = true;
  }
  // Both may be quoted: "pg_temp".t
  count.temporary = count.temporary || begins_with(word.text, "pg_temp");
  count.settings_view = count.settings_view || same(word.text, "pg_settings");
  count.mode = count.mode || same(word.text, "transaction_read_only");
  if (word.kind != SqlWord::Kind::word) return;
  const auto is = [&](std::string_view keyword) { return is_keyword(word, keyword); };
  count.writes = count.writes || is("insert") || is("update") || is("delete") || is("merge");
  count.analyze = count.analyze || is("analyze") || is("analyse");
  count.into = count.into || is("into");
  count.temporary = count.temporary || is("temp") || is("temporary");
  count.hold = count.hold || is("hold");
  count.only = count.only || is("only");
  count.write = count.write || is("write");
  count.transaction = count.transaction || is("transaction");
  count.chain = count.chain || is("chain");
}

Count counted(std::string_view sql) {
  Count count;
  SqlWords words(sql);
  bool inside = false;
  bool behind_literal = false;
  while (true) {
    const SqlWord word = words.next();
    if (word.kind == SqlWord::Kind::end) return count;
    if (word.kind == SqlWord::Kind::semicolon) {
      inside = false;
      continue;
    }
    if (!inside) {
      ++count.statements;
      mark_first(word, count);
    }
    inside = true;
    const bool literal = word.kind == SqlWord::Kind::other && word.text.size() > 1 &&
                         (word.text.front() == '\'' || word.text.front() == '$');
    if (literal) mark_literal(word.text, behind_literal, count);
    behind_literal = literal;
    count.doubtful =
        count.doubtful || word.kind == SqlWord::Kind::open || word.kind == SqlWord::Kind::ambiguous;
    if (word.kind == SqlWord::Kind::word || word.kind == SqlWord::Kind::quoted) mark(word, count);
    Statement& first = count.first;
    if (count.statements == 1) {
      if (first.count < first.front.size()) first.front[first.count] = word;
      ++first.count;
    }
  }
}

SqlKind kind_of_transaction(const Count& count) {
  const Statement& s = count.first;
  if (s.at(0, "begin")) return SqlKind::begin;
  if (s.at(0, "start")) return s.at(1, "transaction") ? SqlKind::begin : SqlKind::write;
  if (s.at(0, "savepoint") || s.at(0, "release")) return SqlKind::within;
  if (s.at(1, "prepared")) return SqlKind::two_phase;
  const bool commits = s.at(0, "commit") || s.at(0, "end");
  // ROLLBACK [WORK | TRANSACTION] TO [SAVEPOINT] name
  if (!commits && (s.at(1, "to") || s.at(2, "to"))) return SqlKind::within;
  if (count.chain) return SqlKind::several;
  return commits ? SqlKind::commit : SqlKind::rollback;
}

SqlKind kind_of_set(const Count& count, Traces& traces) {
  const Statement& s = count.first;
  // With a search_path like that every table that is created is a temporary one.
  traces.opaque = traces.opaque || count.hides_schema;
  if (s.at(0, "set") && (s.at(1, "local") || s.at(1, "transaction") || s.at(1, "constraints"))) {
    return SqlKind::within;
  }
  // Also in quotes, where they are the same parameters.
  const bool role = std::any_of(s.front.begin() + 1, s.front.end(), [](const SqlWord& word) {
    return same(word.text, "role") || same(word.text, "authorization") ||
           same(word.text, "session_authorization");
  });
  traces.role = traces.role || role;
  traces.settings = true;
  return SqlKind::session;
}

bool begins_with_one_of(const Statement& s, std::initializer_list<std::string_view> keywords) {
  return std::any_of(keywords.begin(), keywords.end(),
                     [&](std::string_view keyword) { return s.at(0, keyword); });
}

SqlKind kind_of_session(const Count& count, Traces& traces) {
  const Statement& s = count.first;
  if (s.at(0, "listen")) traces.channels = true;
  if (s.at(0, "load")) traces.loaded = true;
  if (s.at(0, "prepare")) {
    if (s.at(1, "transaction")) return SqlKind::two_phase;
    traces.prepared = true;
  }
  // What an EXECUTE executes was seen when it was prepared, if it was prepared in this session.
  if (s.at(0, "execute")) {
    traces.opaque = true;
    return SqlKind::write;
  }
  if (s.at(0, "declare") && count.hold) traces.cursors = true;
  return SqlKind::session;
}

SqlKind kind_of(const Count& count, Traces& traces) {
  const Statement& s = count.first;
  traces.temporary = traces.temporary || count.temporary;
  // An UPDATE of the view is set_config() (system_views.sql).
  traces.opaque = traces.opaque || (count.settings_view && count.writes);
  if (begins_with_one_of(
          s, {"begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release"})) {
    return kind_of_transaction(count);
  }
  if (begins_with_one_of(s, {"set", "reset"})) return kind_of_set(count, traces);
  if (begins_with_one_of(s, {"listen", "unlisten", "load", "prepare", "deallocate", "discard",
                             "execute", "declare", "fetch", "move", "close"})) {
    return kind_of_session(count, traces);
  }
  if (begins_with_one_of(s, {"call", "do"})) {
    traces.opaque = true;
    return SqlKind::several;
  }
  // They commit in the middle.
  if (begins_with_one_of(s, {"vacuum", "cluster", "reindex"}) || s.at(2, "concurrently") ||
      s.at(3, "concurrently")) {
    return SqlKind::several;
  }
  if (s.at(0, "copy")) return SqlKind::copy;
  const bool explains = s.at(0, "explain");
  const bool reads =
      explains || begins_with_one_of(s, {"select", "values", "table", "show", "with"});
  const bool only_reads = reads && !count.writes && !count.into && !(explains && count.analyze);
  return only_reads ? SqlKind::read : SqlKind::write;
}

}  // namespace

SqlLook look_at(std::string_view sql, bool whole) {
  const Count count = counted(sql);
  SqlLook look;
  look.traces = count.traces;
  if (!whole || count.doubtful || count.statements > 1) {
    look.kind = SqlKind::several;
    look.changes_mode = true;
    look.traces.opaque = true;
    look.traces.any = true;
    return look;
  }
  if (count.statements == 0) return look;
  look.traces.any = true;
  look.kind = kind_of(count, look.traces);
  if (look.kind == SqlKind::begin) {
    look.plain_begin = count.first.count == 1;
    look.read_only = count.only && !count.write;
  }
  const bool sets = count.first.at(0, "set") && count.transaction;
  look.changes_mode = sets || count.mode || look.traces.opaque;
  return look;
}

}  // namespace evergres::proxy
