#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/instant.hpp"
#include "base/result.hpp"

struct sqlite3;
struct sqlite3_stmt;

/// The part of SQLite that the store uses, with our errors. Only the store's .cpp files include
/// this.
namespace evergres::store {

/// Which file a path names now. Two looks that agree saw the same file.
struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const FileIdentity&) const = default;
  /// By stat(2) only: opening and closing a second descriptor would drop SQLite's locks.
  static std::optional<FileIdentity> of(const std::filesystem::path& file);
};

class SqliteConnection;

/// A prepared statement. Lives shorter than its connection.
class Statement {
 public:
  Statement(SqliteConnection& connection, sqlite3_stmt* raw) : connection_(connection), raw_(raw) {}
  ~Statement();
  Statement(Statement&& other) noexcept;

  Statement& bind_bytes(std::string_view bytes);
  Statement& bind_number(std::uint64_t number);
  /// True: there is a row. False: no more.
  Result<bool> step();
  void reset();
  [[nodiscard]] std::string bytes(int column) const;
  [[nodiscard]] std::uint64_t number(int column) const;

 private:
  SqliteConnection& connection_;
  sqlite3_stmt* raw_;
  int bound_ = 0;
};

/// One open database file. Waits for locks until the deadline that was set last.
class SqliteConnection {
 public:
  /// Opens an existing file for reading and writing; never creates one.
  static Result<std::unique_ptr<SqliteConnection>> open(const std::filesystem::path& file,
                                                        Instant deadline);
  ~SqliteConnection();
  SqliteConnection(SqliteConnection&&) = delete;

  void set_deadline(Instant deadline);
  Outcome execute(const char* sql);
  Result<Statement> prepare(const char* sql);
  /// The first column of the first row as a number, 0 if there is no row.
  Result<std::uint64_t> number(const char* sql);
  /// Ends a transaction that is still open.
  void roll_back();
  /// Remembers which -wal and -shm files belong to this connection; after the first statement.
  void remember_side_files();
  /// Whether the three files at their paths are still the ones that are open here.
  [[nodiscard]] bool still_in_place() const;
  /// Whether a failure was met after which the connection should be opened anew.
  [[nodiscard]] bool broken() const { return broken_; }
  /// The Error for the last failed call on this connection.
  Error last_error();

 private:
  SqliteConnection(std::filesystem::path file, sqlite3* raw);
  static int on_busy(void* self, int times);

  std::filesystem::path file_;
  sqlite3* raw_;
  std::optional<FileIdentity> main_;
  std::optional<FileIdentity> wal_;
  std::optional<FileIdentity> shm_;
  Instant began_;
  Instant deadline_;
  bool broken_ = false;
};

}  // namespace evergres::store
