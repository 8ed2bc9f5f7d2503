#include "store/sqlite_schema.hpp"

#include "base/names.hpp"

namespace evergres::store {
namespace {

constexpr std::uint64_t application_id = 0x45564752;  // "EVGR"
constexpr std::uint64_t schema_version = 1;

// `change` has one row: the newest revision of all and the newest of a removal.
constexpr const char* schema =
    "CREATE TABLE meta (name BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE entry (key BLOB PRIMARY KEY, value BLOB NOT NULL, revision INTEGER NOT NULL);"
    "CREATE TABLE change (newest INTEGER NOT NULL, newest_removal INTEGER NOT NULL);"
    "INSERT INTO change VALUES (0, 0);"
    "PRAGMA application_id = 1163282258;"
    "PRAGMA user_version = 1;";
static_assert(application_id == 1163282258 && schema_version == 1);

Outcome write_meta(SqliteConnection& connection, std::string_view name, std::string_view value) {
  auto insert = connection.prepare("INSERT INTO meta VALUES (?, ?)");
  if (!insert) return insert.error();
  auto done = insert->bind_bytes(name).bind_bytes(value).step();
  if (!done) return done.error();
  return {};
}

Result<std::string> read_meta(SqliteConnection& connection, std::string_view name) {
  auto select = connection.prepare("SELECT value FROM meta WHERE name = ?");
  if (!select) return select.error();
  auto row = select->bind_bytes(name).step();
  if (!row) return row.error();
  return row.value() ? select->bytes(0) : std::string();
}

Outcome fill(SqliteConnection& connection, const std::string& cluster) {
  auto tables = connection.number("SELECT count(*) FROM sqlite_master");
  if (!tables) return tables.error();
  if (tables.value() != 0) return {};  // read_identity says what it is
  if (auto made = connection.execute(schema); !made) return made;
  if (auto named = write_meta(connection, "cluster", cluster); !named) return named;
  return write_meta(connection, "id", random_hex(16));
}

}  // namespace

Outcome initialise_schema(SqliteConnection& connection, const std::string& cluster) {
  auto tables = connection.number("SELECT count(*) FROM sqlite_master");
  if (!tables) return tables.error();
  if (tables.value() != 0) return {};
  if (auto wal = connection.execute("PRAGMA journal_mode = WAL"); !wal) return wal;
  if (auto full = connection.execute("PRAGMA synchronous = FULL"); !full) return full;
  if (auto begun = connection.execute("BEGIN IMMEDIATE"); !begun) return begun;
  auto outcome = fill(connection, cluster);
  if (outcome) outcome = connection.execute("COMMIT");
  connection.roll_back();
  return outcome;
}

Result<StoreIdentity> read_identity(SqliteConnection& connection,
                                    const std::filesystem::path& file) {
  auto application = connection.number("PRAGMA application_id");
  if (!application) return application.error();
  if (application.value() != application_id) {
    return Error(ErrorCode::data_invalid, file.native() + " is not a store of Evergres",
                 "It is an empty file or the database of another application.",
                 "Check the path of the store. Only init makes a new one.");
  }
  auto version = connection.number("PRAGMA user_version");
  if (!version) return version.error();
  if (version.value() != schema_version) {
    return Error(ErrorCode::store_unavailable,
                 "the store was written by another version of evergres",
                 file.native() + " has schema version " + std::to_string(version.value()) +
                     ", this program knows " + std::to_string(schema_version) + ".",
                 "Run the version that wrote it, or a newer one.");
  }
  if (auto full = connection.execute("PRAGMA synchronous = FULL"); !full) return full.error();
  if (auto small = connection.execute("PRAGMA journal_size_limit = 4194304"); !small) {
    return small.error();
  }
  auto cluster = read_meta(connection, "cluster");
  if (!cluster) return cluster.error();
  auto id = read_meta(connection, "id");
  if (!id) return id.error();
  connection.remember_side_files();
  return StoreIdentity{std::move(cluster).value(), std::move(id).value()};
}

}  // namespace evergres::store
