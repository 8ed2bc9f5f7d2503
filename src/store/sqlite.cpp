#include "store/sqlite.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

#include "base/file.hpp"
#include "store/sqlite_schema.hpp"

namespace evergres::store {
namespace {

constexpr Millis open_deadline{2000};
/// How often a waiter looks at data_version: one pread of shared memory, so idle costs next to
/// nothing.
constexpr Millis poll_interval{20};

/// The first key after all keys with this prefix; empty if there is none.
std::string after_prefix(std::string_view prefix) {
  std::string bound(prefix);
  while (!bound.empty() && static_cast<unsigned char>(bound.back()) == 0xFF) bound.pop_back();
  if (!bound.empty()) bound.back() = static_cast<char>(bound.back() + 1);
  return bound;
}

Error gone(const std::filesystem::path& file) {
  return Error(ErrorCode::store_unavailable, "there is no store at " + file.native(),
               "The file does not exist.",
               "If it was there before, put it back (with its -wal file); only init makes a new "
               "one.");
}

Error lost_history(const std::filesystem::path& file, std::string detail) {
  return Error(ErrorCode::store_unavailable, "the store at " + file.native() + " lost its history",
               std::move(detail), "Put the right file back. Nothing is changed until then.");
}

Error foreign_cluster(const std::filesystem::path& file, const std::string& found,
                      const std::string& ours) {
  return Error(ErrorCode::refused, "the store belongs to the cluster \"" + found + "\"",
               file.native() + " was made for \"" + found + "\", but this is the cluster \"" +
                   ours + "\". One store holds one cluster.",
               "Give this cluster a store file of its own, or correct the cluster's name.");
}

/// An empty file of mode 0600 if there is none. Durable before anything depends on it.
Outcome create_empty(const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    if (errno == EEXIST) return {};
    const int reason = errno;
    if (reason == ENOENT || reason == ENOTDIR) {
      return Error(ErrorCode::store_unavailable, "the store cannot be made at " + file.native(),
                   "Its directory does not exist.", "Make the directory, owned by this user.");
    }
    return error_from_errno("could not make the store at " + file.native(), reason);
  }
  ::close(descriptor);
  const auto directory = file.parent_path();
  return sync_directory(directory.empty() ? std::filesystem::path(".") : directory);
}

class SqliteStore final : public Store {
 public:
  SqliteStore(std::filesystem::path file, std::string cluster)
      : file_(std::move(file)), cluster_(std::move(cluster)) {}

  Outcome open(Create create) {
    const Instant deadline = boot_now() + open_deadline;
    if (create == Create::yes) {
      if (auto made = create_empty(file_); !made) return made;
    }
    // Of two connections that turn the file to WAL at once SQLite refuses one without asking its busy
    // handler.
    for (;;) {
      auto connected = connect(create, deadline);
      const bool locked = !connected && connected.error().code() == ErrorCode::store_locked;
      if (!locked || boot_now() >= deadline) return connected;
      std::this_thread::sleep_for(Millis{2});
    }
  }

  Result<Listing> list(std::string_view prefix, Millis deadline) override {
    return in_transaction<Listing>("BEGIN", deadline, [&] { return list_now(prefix); });
  }

  Result<std::optional<Entry>> get(std::string_view key, Millis deadline) override {
    if (auto allowed = check_limits(key, {}); !allowed) return allowed.error();
    return in_transaction<std::optional<Entry>>("BEGIN", deadline, [&] { return get_now(key); });
  }

  Result<PutOutcome> put(std::string_view key, std::string_view value, Expect expect,
                         Millis deadline) override {
    if (auto allowed = check_limits(key, value); !allowed) return allowed.error();
    return in_transaction<PutOutcome>("BEGIN IMMEDIATE", deadline,
                                      [&] { return put_now(key, value, expect); });
  }

  Result<PutOutcome> remove(std::string_view key, Expect expect, Millis deadline) override {
    if (auto allowed = check_limits(key, {}); !allowed) return allowed.error();
    return in_transaction<PutOutcome>("BEGIN IMMEDIATE", deadline,
                                      [&] { return remove_now(key, expect); });
  }

  Result<Revision> changed_since(std::string_view prefix, Revision seen, Millis deadline) override;

 private:
  Outcome connect(Create create, Instant deadline);
  Outcome ensure_connected(Instant deadline);
  Result<Revision> newest();
  Result<Listing> list_now(std::string_view prefix);
  Result<std::optional<Entry>> get_now(std::string_view key);
  Result<PutOutcome> put_now(std::string_view key, std::string_view value, Expect expect);
  Result<PutOutcome> remove_now(std::string_view key, Expect expect);
  Result<bool> changed_under(std::string_view prefix, Revision seen);
  /// Waits until another connection may have changed something, or the file is another one. False
  /// if `until` came first.
  Result<bool> watch(std::uint64_t version, Instant until);

  /// Runs `work` between `begin` and COMMIT on a connection to the file that is in place now. Every
  /// transaction first checks that the history is not older than what this handle has seen.
  template <typename T, typename F>
  Result<T> in_transaction(const char* begin, Millis span, F&& work) {
    if (auto ready = ensure_connected(boot_now() + span); !ready) return ready.error();
    Result<T> outcome = attempt<T>(begin, work);
    connection_->roll_back();
    // Also after a failure that was none of SQLite's: what was done in a file that somebody moved
    // away meanwhile was not done in the store.
    if (outcome.ok() && !connection_->still_in_place()) outcome = moved_away();
    if (connection_->broken()) connection_.reset();
    return outcome;
  }

  template <typename T, typename F>
  Result<T> attempt(const char* begin, F&& work) {
    if (auto begun = connection_->execute(begin); !begun) return begun.error();
    auto now = newest();
    if (!now) return now.error();
    if (now.value() < seen_) {
      return lost_history(file_, "It ends at revision " + std::to_string(now->value) +
                                     ", but revision " + std::to_string(seen_.value) +
                                     " was seen before.");
    }
    const Revision before = now.value();
    Result<T> outcome = work();
    if (!outcome) return outcome;
    auto after = newest();
    if (!after) return after.error();
    if (auto committed = connection_->execute("COMMIT"); !committed) return committed.error();
    seen_ = std::max(before, after.value());
    return outcome;
  }

  Error moved_away() const {
    return Error(ErrorCode::store_unavailable,
                 "the store at " + file_.native() + " was moved or replaced",
                 "The file was not the same at the end of the operation as at its beginning.",
                 "Put the right file back.");
  }

  std::filesystem::path file_;
  std::string cluster_;
  std::string id_;  ///< of the store that was opened first; empty before
  std::unique_ptr<SqliteConnection> connection_;
  Revision seen_;  ///< the newest revision that this handle knows of
};

Outcome SqliteStore::connect(Create create, Instant deadline) {
  if (!FileIdentity::of(file_)) {
    const int reason = errno;
    if (reason == EACCES) {
      return error_from_errno("could not look for the store " + file_.native(), reason);
    }
    return gone(file_);
  }
  auto opened = SqliteConnection::open(file_, deadline);
  if (!opened) return opened.error();
  auto connection = std::move(opened).value();
  if (create == Create::yes) {
    if (auto made = initialise_schema(*connection, cluster_); !made) return made;
  }
  auto identity = read_identity(*connection, file_);
  if (!identity) return identity.error();
  if (identity->cluster != cluster_) return foreign_cluster(file_, identity->cluster, cluster_);
  if (!id_.empty() && identity->id != id_) {
    return lost_history(file_, "The file was replaced by a store that was made anew.");
  }
  id_ = identity->id;
  connection_ = std::move(connection);
  return {};
}

Outcome SqliteStore::ensure_connected(Instant deadline) {
  if (connection_ && !connection_->still_in_place()) connection_.reset();
  if (!connection_) return connect(Create::no, deadline);
  connection_->set_deadline(deadline);
  return {};
}

Result<Revision> SqliteStore::newest() {
  auto number = connection_->number("SELECT newest FROM change");
  if (!number) return number.error();
  return Revision{number.value()};
}

Result<Listing> SqliteStore::list_now(std::string_view prefix) {
  const std::string bound = after_prefix(prefix);
  auto select = connection_->prepare(
      "SELECT key, value, revision FROM entry WHERE key >= ?1 AND (?2 = x'' OR key < ?2)"
      " ORDER BY key");
  if (!select) return select.error();
  select->bind_bytes(prefix).bind_bytes(bound);
  Listing listing;
  while (true) {
    auto row = select->step();
    if (!row) return row.error();
    if (!row.value()) break;
    const Revision revision{select->number(2)};
    listing.entries.push_back(Entry{select->bytes(0), select->bytes(1), revision});
  }
  auto revision = newest();
  if (!revision) return revision.error();
  listing.revision = revision.value();
  return listing;
}

Result<std::optional<Entry>> SqliteStore::get_now(std::string_view key) {
  auto select = connection_->prepare("SELECT value, revision FROM entry WHERE key = ?");
  if (!select) return select.error();
  auto row = select->bind_bytes(key).step();
  if (!row) return row.error();
  if (!row.value()) return std::optional<Entry>();
  return std::optional(Entry{std::string(key), select->bytes(0), Revision{select->number(1)}});
}

Result<PutOutcome> SqliteStore::put_now(std::string_view key, std::string_view value,
                                        Expect expect) {
  auto current = get_now(key);
  if (!current) return current.error();
  if (!expect.holds(current.value())) return PutOutcome(Conflict{std::move(current).value()});
  if (auto bumped = connection_->execute("UPDATE change SET newest = newest + 1"); !bumped) {
    return bumped.error();
  }
  auto revision = newest();
  if (!revision) return revision.error();
  auto write = connection_->prepare("INSERT OR REPLACE INTO entry VALUES (?, ?, ?)");
  if (!write) return write.error();
  auto done = write->bind_bytes(key).bind_bytes(value).bind_number(revision->value).step();
  if (!done) return done.error();
  return PutOutcome(Applied{revision.value()});
}

Result<PutOutcome> SqliteStore::remove_now(std::string_view key, Expect expect) {
  auto current = get_now(key);
  if (!current) return current.error();
  if (!expect.holds(current.value())) return PutOutcome(Conflict{std::move(current).value()});
  if (current.value()) {
    auto bumped =
        connection_->execute("UPDATE change SET newest = newest + 1, newest_removal = newest + 1");
    if (!bumped) return bumped.error();
    auto erase = connection_->prepare("DELETE FROM entry WHERE key = ?");
    if (!erase) return erase.error();
    auto done = erase->bind_bytes(key).step();
    if (!done) return done.error();
  }
  auto revision = newest();
  if (!revision) return revision.error();
  return PutOutcome(Applied{revision.value()});
}

Result<bool> SqliteStore::changed_under(std::string_view prefix, Revision seen) {
  const std::string bound = after_prefix(prefix);
  auto select = connection_->prepare(
      "SELECT EXISTS (SELECT 1 FROM change WHERE newest_removal > ?1) OR EXISTS"
      " (SELECT 1 FROM entry WHERE revision > ?1 AND key >= ?2 AND (?3 = x'' OR key < ?3))");
  if (!select) return select.error();
  auto row = select->bind_number(seen.value).bind_bytes(prefix).bind_bytes(bound).step();
  if (!row) return row.error();
  return select->number(0) != 0;
}

Result<bool> SqliteStore::watch(std::uint64_t version, Instant until) {
  // Prepared once, because this runs all the time.
  auto select = connection_->prepare("PRAGMA data_version");
  if (!select) return select.error();
  while (connection_->still_in_place()) {
    const Nanos left = until - boot_now();
    if (left <= Nanos::zero()) return false;
    std::this_thread::sleep_for(std::min<Nanos>(poll_interval, left));
    auto row = select->step();
    if (!row) return row.error();
    if (select->number(0) != version) return true;
    select->reset();
  }
  return true;
}

Result<Revision> SqliteStore::changed_since(std::string_view prefix, Revision seen,
                                            Millis deadline) {
  const Instant until = boot_now() + deadline;
  while (true) {
    // The version is read before the content, so that a change between the two is seen next time.
    if (auto ready = ensure_connected(until); !ready) return ready.error();
    auto version = connection_->number("PRAGMA data_version");
    const auto look = [&] { return changed_under(prefix, seen); };
    const auto left = std::chrono::duration_cast<Millis>(until - boot_now());
    auto changed = in_transaction<bool>("BEGIN", std::max(left, Millis::zero()), look);
    if (!changed) return changed.error();
    if (changed.value()) return seen_;
    if (!version) return version.error();
    if (!connection_) continue;
    // Whatever ended the watch, also a failure, the next look at the content tells what it means.
    static_cast<void>(watch(version.value(), until));
    if (connection_->broken()) connection_.reset();
    if (boot_now() >= until) return seen;
  }
}

}  // namespace

Result<std::unique_ptr<Store>> open_sqlite(std::filesystem::path file, std::string cluster,
                                           Create create) {
  auto store = std::make_unique<SqliteStore>(std::move(file), std::move(cluster));
  if (auto opened = store->open(create); !opened) return opened.error();
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace evergres::store
