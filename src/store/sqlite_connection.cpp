#include "store/sqlite_connection.hpp"

#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

#include "base/check.hpp"

namespace evergres::store {
namespace {

std::filesystem::path beside(const std::filesystem::path& file, const char* suffix) {
  return std::filesystem::path(file.native() + suffix);
}

Error locked(const std::filesystem::path& file, Nanos waited) {
  const auto millis = std::chrono::duration_cast<Millis>(waited).count();
  return Error(ErrorCode::store_locked, "the store is locked by another process",
               "Waited " + std::to_string(millis) + " ms for " + file.native() + ".",
               "Look for a stopped process that has it open: fuser -v " + file.native() + "-shm");
}

Error not_permitted(const std::filesystem::path& file, const std::string& reason) {
  return Error(ErrorCode::permission, "the store at " + file.native() + " cannot be written",
               "SQLite says: " + reason + ".",
               "The file and its directory must belong to the user that runs evergres and be on a "
               "file system that is not read-only.");
}

}  // namespace

std::optional<FileIdentity> FileIdentity::of(const std::filesystem::path& file) {
  struct stat found {};
  if (::stat(file.c_str(), &found) != 0) return std::nullopt;
  return FileIdentity{found.st_dev, found.st_ino};
}

Statement::~Statement() {
  sqlite3_finalize(raw_);
}

Statement::Statement(Statement&& other) noexcept
    : connection_(other.connection_), raw_(other.raw_), bound_(other.bound_) {
  other.raw_ = nullptr;
}

Statement& Statement::bind_bytes(std::string_view bytes) {
  // A null pointer would bind NULL and not the empty blob.
  const char* data = bytes.empty() ? "" : bytes.data();
  CHECK(sqlite3_bind_blob64(raw_, ++bound_, data, bytes.size(), SQLITE_TRANSIENT) == SQLITE_OK);
  return *this;
}

Statement& Statement::bind_number(std::uint64_t number) {
  CHECK(sqlite3_bind_int64(raw_, ++bound_, static_cast<sqlite3_int64>(number)) == SQLITE_OK);
  return *this;
}

Result<bool> Statement::step() {
  const int status = sqlite3_step(raw_);
  if (status == SQLITE_ROW) return true;
  if (status == SQLITE_DONE) return false;
  return connection_.last_error();
}

void Statement::reset() {
  sqlite3_reset(raw_);
}

std::string Statement::bytes(int column) const {
  const void* data = sqlite3_column_blob(raw_, column);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(raw_, column));
  if (data == nullptr) return {};
  return std::string(static_cast<const char*>(data), size);
}

std::uint64_t Statement::number(int column) const {
  return static_cast<std::uint64_t>(sqlite3_column_int64(raw_, column));
}

SqliteConnection::SqliteConnection(std::filesystem::path file, sqlite3* raw)
    : file_(std::move(file)), raw_(raw), main_(FileIdentity::of(file_)) {
  sqlite3_busy_handler(raw_, &SqliteConnection::on_busy, this);
}

SqliteConnection::~SqliteConnection() {
  // Nobody holds a statement any more (see Statement), so this closes for certain. SQLite itself
  // leaves the side files alone when the main file was moved away.
  sqlite3_close(raw_);
}

Result<std::unique_ptr<SqliteConnection>> SqliteConnection::open(const std::filesystem::path& file,
                                                                 Instant deadline) {
  sqlite3* raw = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int status = sqlite3_open_v2(file.c_str(), &raw, flags, nullptr);
  if (raw == nullptr) return Error(ErrorCode::internal, "SQLite has no memory for a connection");
  std::unique_ptr<SqliteConnection> connection(new SqliteConnection(file, raw));
  connection->set_deadline(deadline);
  if (status != SQLITE_OK) return connection->last_error();
  // SQLite opens read-only without a word when writing is not permitted.
  if (sqlite3_db_readonly(raw, "main") == 1) return not_permitted(file, "the file is read-only");
  return connection;
}

void SqliteConnection::set_deadline(Instant deadline) {
  began_ = boot_now();
  deadline_ = deadline;
}

int SqliteConnection::on_busy(void* self, int times) {
  const auto& connection = *static_cast<SqliteConnection*>(self);
  const Nanos left = connection.deadline_ - boot_now();
  if (left <= Nanos::zero()) return 0;
  const Nanos step = Millis(std::min(1 + times / 4, 20));
  std::this_thread::sleep_for(std::min(left, step));
  return 1;
}

Outcome SqliteConnection::execute(const char* sql) {
  if (sqlite3_exec(raw_, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return last_error();
}

Result<Statement> SqliteConnection::prepare(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(raw_, sql, -1, &statement, nullptr) != SQLITE_OK) return last_error();
  return Statement(*this, statement);
}

Result<std::uint64_t> SqliteConnection::number(const char* sql) {
  auto statement = prepare(sql);
  if (!statement) return statement.error();
  auto row = statement->step();
  if (!row) return row.error();
  return row.value() ? statement->number(0) : 0;
}

void SqliteConnection::roll_back() {
  if (sqlite3_get_autocommit(raw_) == 0) sqlite3_exec(raw_, "ROLLBACK", nullptr, nullptr, nullptr);
}

void SqliteConnection::remember_side_files() {
  wal_ = FileIdentity::of(beside(file_, "-wal"));
  shm_ = FileIdentity::of(beside(file_, "-shm"));
}

bool SqliteConnection::still_in_place() const {
  return main_.has_value() && FileIdentity::of(file_) == main_ &&
         FileIdentity::of(beside(file_, "-wal")) == wal_ &&
         FileIdentity::of(beside(file_, "-shm")) == shm_;
}

Error SqliteConnection::last_error() {
  const int code = sqlite3_extended_errcode(raw_);
  const int system = sqlite3_system_errno(raw_);
  const std::string reason = sqlite3_errmsg(raw_);
  const int kind = code & 0xFF;
  if (kind == SQLITE_BUSY || kind == SQLITE_LOCKED) return locked(file_, boot_now() - began_);
  broken_ = true;
  if (kind == SQLITE_FULL || (kind == SQLITE_IOERR && (system == ENOSPC || system == EDQUOT))) {
    return Error(ErrorCode::no_space, "the disk of the store is full",
                 "SQLite could not write " + file_.native() + ": " + reason + ".",
                 "Make room on that file system; nothing else needs to be done.");
  }
  const bool denied = system == EACCES || system == EPERM || system == EROFS;
  if (code != SQLITE_READONLY_DBMOVED &&
      (kind == SQLITE_READONLY || kind == SQLITE_PERM || (kind == SQLITE_CANTOPEN && denied))) {
    return not_permitted(file_, reason);
  }
  if (kind == SQLITE_NOTADB || kind == SQLITE_CORRUPT) {
    return Error(ErrorCode::data_invalid, file_.native() + " is not a usable SQLite database",
                 "SQLite says: " + reason + ".",
                 "Check the path of the store, or put the file back.");
  }
  std::string detail = "SQLite says: " + reason;
  if (system != 0) detail += std::string(" (") + std::strerror(system) + ")";
  return Error(ErrorCode::store_unavailable, "the store at " + file_.native() + " cannot be used",
               detail + ".", "Check that the file and its directory exist and can be written.");
}

}  // namespace evergres::store
