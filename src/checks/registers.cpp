#include "checks/registers.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace evergres::checks {
namespace {

using Value = std::optional<std::int64_t>;

/// What the register is afterwards; nothing if the use cannot stand here.
std::optional<Value> value_after(const RegisterUse& use, const Value& before) {
  const bool fits = use.kind == RegisterUse::Kind::write ||
                    before == (use.kind == RegisterUse::Kind::read ? use.value : use.expected);
  if (!fits) return {};
  return std::optional<Value>(std::in_place, use.value);
}

/// Looks for an order of the uses of one register, depth first.
class Search {
 public:
  Search(std::vector<const RegisterUse*> uses, std::size_t most_steps)
      : uses_(std::move(uses)), placed_(uses_.size(), false), most_steps_(most_steps) {
    for (const RegisterUse* use : uses_) must_ += use->told == Told::ok ? 1 : 0;
  }

  enum class Found { order, none, gave_up };
  Found run() {
    std::vector<Step> steps;
    Value value;
    std::size_t from = 0;
    std::size_t placed_of_must = 0;
    while (true) {
      if (placed_of_must == must_) return Found::order;
      if (++steps_ > most_steps_) return Found::gave_up;
      if (const auto next = candidate(from, value)) {
        steps.push_back({*next, value});
        placed_[*next] = true;
        const bool counts = uses_[*next]->told == Told::ok;
        value = *value_after(*uses_[*next], value);
        if (tried_.insert({placed_, value}).second) {
          placed_of_must += counts ? 1 : 0;
          deepest_ = std::max(deepest_, placed_of_must);
          from = 0;
          continue;
        }
        placed_[*next] = false;
        value = steps.back().before;
        steps.pop_back();
        from = *next + 1;
        continue;
      }
      if (steps.empty()) return Found::none;
      const Step last = steps.back();
      steps.pop_back();
      placed_[last.use] = false;
      placed_of_must -= uses_[last.use]->told == Told::ok ? 1 : 0;
      value = last.before;
      from = last.use + 1;
    }
  }

  /// So many of those that happened for certain could be ordered.
  [[nodiscard]] std::size_t deepest() const { return deepest_; }
  [[nodiscard]] std::size_t must() const { return must_; }

 private:
  struct Step {
    std::size_t use;
    Value before;
  };

  /// The next use from `from` on that may come now: no other had ended before it began.
  std::optional<std::size_t> candidate(std::size_t from, const Value& value) const {
    std::int64_t first_end = Span::never;
    for (std::size_t i = 0; i < uses_.size(); ++i) {
      if (uses_[i]->span.began > first_end) break;  // ordered by `began`
      if (!placed_[i] && uses_[i]->told == Told::ok) {
        first_end = std::min(first_end, uses_[i]->span.end());
      }
    }
    for (std::size_t i = from; i < uses_.size() && uses_[i]->span.began <= first_end; ++i) {
      if (!placed_[i] && value_after(*uses_[i], value)) return i;
    }
    return std::nullopt;
  }

  std::vector<const RegisterUse*> uses_;
  std::vector<bool> placed_;
  std::size_t most_steps_;
  std::size_t steps_ = 0;
  std::size_t must_ = 0;
  std::size_t deepest_ = 0;
  std::set<std::pair<std::vector<bool>, Value>> tried_;
};

}  // namespace

Anomalies check_registers(const std::vector<RegisterUse>& uses, std::size_t most_steps) {
  std::map<std::string, std::vector<const RegisterUse*>> by_key;
  for (const RegisterUse& use : uses) {
    // What failed did nothing, and a read without an answer says nothing.
    const bool idle = use.kind == RegisterUse::Kind::read && use.told != Told::ok;
    if (use.told != Told::failed && !idle) by_key[use.key].push_back(&use);
  }
  Anomalies anomalies;
  for (auto& [key, of_key] : by_key) {
    std::ranges::stable_sort(of_key, {}, [](const RegisterUse* use) { return use->span.began; });
    Search search(std::move(of_key), most_steps);
    const Search::Found found = search.run();
    if (found == Search::Found::order) continue;
    const bool none = found == Search::Found::none;
    anomalies.push_back(
        {none ? "order" : "undecided",
         "register " + key + ": " +
             (none ? "no order explains more than " : "not decided; an order explains ") +
             std::to_string(search.deepest()) + " of " + std::to_string(search.must()) +
             " answers"});
  }
  return anomalies;
}

}  // namespace evergres::checks
