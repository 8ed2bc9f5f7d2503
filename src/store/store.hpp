#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/instant.hpp"
#include "base/names.hpp"
#include "base/result.hpp"

/// The narrow port to the place where the cluster keeps its one record. It knows keys, values and
/// revisions and nothing of clusters; that meaning lives above, once, in cluster/.
namespace evergres::store {

inline constexpr std::size_t max_key_bytes = 512;
inline constexpr std::size_t max_value_bytes = std::size_t{256} << 10U;

struct Entry {
  std::string key;
  std::string value;
  Revision revision;  ///< of the change that wrote this value
};

struct Listing {
  std::vector<Entry> entries;  ///< ascending by key, bytewise
  Revision revision;           ///< of the newest change of the whole store in this listing
};

/// What a writer believes about the key before its change.
class Expect {
 public:
  static Expect anything() { return Expect(Kind::anything, Revision{}); }
  static Expect absent() { return Expect(Kind::absent, Revision{}); }
  static Expect at(Revision revision) { return Expect(Kind::revision, revision); }
  /// Whether the belief agrees with what is there.
  [[nodiscard]] bool holds(const std::optional<Entry>& current) const {
    if (kind_ == Kind::anything) return true;
    if (kind_ == Kind::absent) return !current.has_value();
    return current.has_value() && current->revision == revision_;
  }

 private:
  enum class Kind { anything, absent, revision };
  Expect(Kind kind, Revision revision) : kind_(kind), revision_(revision) {}
  Kind kind_;
  Revision revision_;
};

struct Applied {
  Revision revision;  ///< of this change
};
/// The expectation did not hold; nothing was changed. `current` is what is there instead.
struct Conflict {
  std::optional<Entry> current;
};
using PutOutcome = std::variant<Applied, Conflict>;

/// All functions block, at most about as long as the deadline given to them (a span from the call),
/// and then fail with timed_out or store_locked. Errors: store_unavailable (it cannot be reached,
/// or it lost its history), store_locked (somebody else holds it), no_space, permission,
/// data_invalid, usage (key or value beyond the limits). After an error other than usage,
/// data_invalid, store_locked the effect of put and remove is unknown: read before trying again.
/// One object may be used by one thread at a time; several objects may be open for one store.
class Store {
 public:
  virtual ~Store() = default;

  /// All entries whose key begins with `prefix`, from one consistent view.
  virtual Result<Listing> list(std::string_view prefix, Millis deadline) = 0;
  virtual Result<std::optional<Entry>> get(std::string_view key, Millis deadline) = 0;
  /// Compare-and-set. A change is durable before `Applied` is returned. Revisions only grow.
  virtual Result<PutOutcome> put(std::string_view key, std::string_view value, Expect expect,
                                 Millis deadline) = 0;
  /// Removes the key if the expectation holds. Removing what is not there, with
  /// Expect::anything(), is applied and changes nothing.
  virtual Result<PutOutcome> remove(std::string_view key, Expect expect, Millis deadline) = 0;
  /// Waits until something under `prefix` has changed since `seen` (also by removal) and returns
  /// the newest revision of the store; returns it unchanged when the deadline passes. It may return
  /// early without a change under `prefix`; it never misses one.
  virtual Result<Revision> changed_since(std::string_view prefix, Revision seen,
                                         Millis deadline) = 0;
};

/// Error usage for a key or value beyond the limits, or an empty key; shared by all backends.
Outcome check_limits(std::string_view key, std::string_view value);

}  // namespace evergres::store
