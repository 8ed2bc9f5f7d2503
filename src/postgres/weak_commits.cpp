#include "postgres/weak_commits.hpp"

#include <charconv>

namespace evergres::postgres {
namespace {

/// What applies to a session: database and role, role, database, everybody (process_settings in
/// postinit.c), then the files.
constexpr const char* with_settings =
    "WITH given AS ("
    "  SELECT s.setdatabase, s.setrole, lower(substr(c, 20)) AS value"
    "    FROM pg_db_role_setting s, unnest(s.setconfig) c"
    "   WHERE lower(c) LIKE 'synchronous\\_commit=%'"
    "  UNION ALL"
    "  SELECT NULL, NULL, lower(value) FROM ("
    "    SELECT setting AS value FROM pg_file_settings"
    "     WHERE name = 'synchronous_commit' AND applied ORDER BY seqno DESC LIMIT 1) file),"
    " weak AS (SELECT unnest($1::text[]) AS value) ";

constexpr const char* weak_values = "{off,false,no,0,local,remote_write}";
constexpr const char* values_of_off = "{off,false,no,0}";

}  // namespace

Result<WeakCommits> weak_commits(Session& session, bool local_is_enough, Instant deadline) {
  const std::string values = local_is_enough ? values_of_off : weak_values;
  const auto settings = session.query(
      std::string(with_settings) +
          "SELECT CASE WHEN setrole IS NULL THEN 'configuration file'"
          "            WHEN setrole = 0 AND setdatabase = 0 THEN 'all roles'"
          "            WHEN setrole = 0 THEN 'database ' || coalesce(d.datname, setdatabase::text)"
          "            ELSE 'role ' || coalesce(r.rolname, setrole::text) ||"
          "                 CASE WHEN setdatabase = 0 THEN ''"
          "                      ELSE ' in database ' || coalesce(d.datname, setdatabase::text) END"
          "       END || ': ' || value"
          "  FROM given LEFT JOIN pg_database d ON d.oid = setdatabase"
          "             LEFT JOIN pg_roles r ON r.oid = setrole"
          " WHERE value IN (SELECT value FROM weak) ORDER BY 1 LIMIT 10",
      {values}, deadline);
  if (!settings) return settings.error();
  WeakCommits found;
  for (const Row& row : *settings) found.settings.push_back(row.front().value_or("?"));
  if (found.settings.empty()) return found;
  const auto sessions = session.query(
      std::string(with_settings) +
          "SELECT count(*) FROM pg_stat_activity a"
          " WHERE a.backend_type = 'client backend'"
          "   AND a.application_name <> 'evergres agent'"
          "   AND (SELECT g.value FROM given g"
          "         WHERE g.setrole IS NULL OR (g.setrole IN (0, a.usesysid)"
          "                                     AND g.setdatabase IN (0, a.datid))"
          "         ORDER BY g.setrole IS NULL, g.setrole = 0, g.setdatabase = 0 LIMIT 1)"
          "       IN (SELECT value FROM weak)",
      {values}, deadline);
  if (!sessions) return sessions.error();
  if (sessions->empty() || !sessions->front().front()) return found;
  const std::string& count = *sessions->front().front();
  std::from_chars(count.data(), count.data() + count.size(), found.sessions);
  return found;
}

}  // namespace evergres::postgres
