#include "store/memory.hpp"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>

#include "base/check.hpp"

namespace evergres::store {

class MemoryContent {
 public:
  struct Value {
    std::string text;
    Revision revision;
  };
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, Value, std::less<>> values;
  Revision newest;
  Revision newest_removal;

  std::optional<Entry> find(std::string_view key) const {
    const auto found = values.find(key);
    if (found == values.end()) return std::nullopt;
    return Entry{found->first, found->second.text, found->second.revision};
  }

  Listing list(std::string_view prefix) const {
    Listing listing;
    listing.revision = newest;
    for (auto at = values.lower_bound(prefix); at != values.end(); ++at) {
      if (!std::string_view(at->first).starts_with(prefix)) break;
      listing.entries.push_back(Entry{at->first, at->second.text, at->second.revision});
    }
    return listing;
  }

  bool changed_under(std::string_view prefix, Revision seen) const {
    if (newest_removal > seen) return true;
    const auto listing = list(prefix);
    return std::ranges::any_of(listing.entries,
                               [&](const Entry& entry) { return entry.revision > seen; });
  }
};

namespace {

class MemoryStore final : public Store {
 public:
  explicit MemoryStore(std::shared_ptr<MemoryContent> content) : content_(std::move(content)) {}

  Result<Listing> list(std::string_view prefix, Millis /*deadline*/) override {
    const std::lock_guard lock(content_->mutex);
    return content_->list(prefix);
  }

  Result<std::optional<Entry>> get(std::string_view key, Millis /*deadline*/) override {
    if (auto allowed = check_limits(key, {}); !allowed) return allowed.error();
    const std::lock_guard lock(content_->mutex);
    return content_->find(key);
  }

  Result<PutOutcome> put(std::string_view key, std::string_view value, Expect expect,
                         Millis /*deadline*/) override {
    if (auto allowed = check_limits(key, value); !allowed) return allowed.error();
    const std::lock_guard lock(content_->mutex);
    auto current = content_->find(key);
    if (!expect.holds(current)) return PutOutcome(Conflict{std::move(current)});
    content_->newest.value += 1;
    content_->values[std::string(key)] = {std::string(value), content_->newest};
    content_->changed.notify_all();
    return PutOutcome(Applied{content_->newest});
  }

  Result<PutOutcome> remove(std::string_view key, Expect expect, Millis /*deadline*/) override {
    if (auto allowed = check_limits(key, {}); !allowed) return allowed.error();
    const std::lock_guard lock(content_->mutex);
    auto current = content_->find(key);
    if (!expect.holds(current)) return PutOutcome(Conflict{std::move(current)});
    if (!current) return PutOutcome(Applied{content_->newest});
    content_->newest.value += 1;
    content_->newest_removal = content_->newest;
    content_->values.erase(current->key);
    content_->changed.notify_all();
    return PutOutcome(Applied{content_->newest});
  }

  Result<Revision> changed_since(std::string_view prefix, Revision seen, Millis deadline) override {
    std::unique_lock lock(content_->mutex);
    const bool changed = content_->changed.wait_for(
        lock, deadline, [&] { return content_->changed_under(prefix, seen); });
    return changed ? content_->newest : seen;
  }

 private:
  std::shared_ptr<MemoryContent> content_;
};

}  // namespace

std::shared_ptr<MemoryContent> make_memory_content() {
  return std::make_shared<MemoryContent>();
}

std::unique_ptr<Store> open_memory(std::shared_ptr<MemoryContent> content) {
  CHECK(content != nullptr);
  return std::make_unique<MemoryStore>(std::move(content));
}

}  // namespace evergres::store
