#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/check.hpp"

namespace evergres::proxy {

/// A bounded table by name: when it is full the entry that was not touched for longest makes room.
/// Strangers choose the names. One thread.
template <typename Value>
class Recent {
 public:
  explicit Recent(std::size_t most) : most_(most) { CHECK(most > 0); }

  /// nullptr if there is none; else it counts as touched. Valid until the next change.
  Value* find(std::string_view name) {
    const auto at = places_.find(name);
    if (at == places_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, at->second);
    return &at->second->second;
  }

  /// The entry, made if there was none.
  Value& at(std::string_view name) {
    if (Value* known = find(name)) return *known;
    if (entries_.size() == most_) {
      places_.erase(entries_.back().first);
      entries_.pop_back();
      ++pushed_out_;
    }
    entries_.emplace_front(std::string(name), Value{});
    places_.emplace(entries_.front().first, entries_.begin());
    return entries_.front().second;
  }

  void erase(std::string_view name) {
    const auto at = places_.find(name);
    if (at == places_.end()) return;
    const auto entry = at->second;
    places_.erase(at);
    entries_.erase(entry);
  }

  void clear() {
    places_.clear();
    entries_.clear();
  }

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  /// How many made room for others.
  [[nodiscard]] std::size_t pushed_out() const { return pushed_out_; }

 private:
  using Entries = std::list<std::pair<std::string, Value>>;
  std::size_t most_;
  std::size_t pushed_out_ = 0;
  Entries entries_;
  /// Views into the names of entries_, which do not move.
  std::unordered_map<std::string_view, typename Entries::iterator> places_;
};

}  // namespace evergres::proxy
