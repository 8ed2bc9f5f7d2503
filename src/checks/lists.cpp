#include "checks/lists.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "checks/dependencies.hpp"
#include "checks/set.hpp"

namespace evergres::checks {
namespace {

/// An item, with the key of its list.
using Item = std::pair<std::string, std::int64_t>;

std::string text_of(const Item& item) {
  return std::to_string(item.second) + " in list " + item.first;
}

std::string end_of(const std::vector<std::int64_t>& list) {
  std::string text = list.size() > 3 ? "[…" : "[";
  for (std::size_t i = list.size() > 3 ? list.size() - 3 : 0; i < list.size(); ++i) {
    text += (text.size() > 1 ? " " : "") + std::to_string(list[i]);
  }
  return text + "]";
}

class Reading {
 public:
  Reading(const std::vector<ListTransaction>& transactions, const Lists& last)
      : transactions_(transactions), last_(last) {
    for (std::size_t number = 0; number < transactions.size(); ++number) {
      for (const ListStep& step : transactions[number].steps) {
        if (step.append) writer_[{step.key, step.item}] = number;
      }
    }
  }

  Anomalies run(Isolation isolation, bool in_real_time) {
    check_presence();
    for (const ListTransaction& one : transactions_) {
      if (one.told == Told::ok) check_reads(one);
    }
    report();
    // What is forked has no order to speak of.
    if (!forked_.empty()) return std::move(anomalies_);
    Dependencies graph(transactions_.size());
    connect(graph);
    check_cycles(graph, isolation);
    if (in_real_time && anomalies_.empty()) {
      connect_in_time(graph);
      tell_cycle(graph, "stale", Dependency::time,
                 {Dependency::write_write, Dependency::write_read, Dependency::read_write,
                  Dependency::time});
    }
    return std::move(anomalies_);
  }

 private:
  /// An append that was there, or may have been, and is not known to have failed.
  [[nodiscard]] bool is_there(const Item& item) const {
    const auto list = last_.find(item.first);
    return list != last_.end() &&
           std::ranges::find(list->second, item.second) != list->second.end();
  }

  void check_presence() {
    std::vector<Addition> additions;
    std::vector<std::string> there;
    for (const auto& [item, number] : writer_) {
      additions.push_back({text_of(item), transactions_[number].told});
    }
    for (const auto& [key, list] : last_) {
      for (const std::int64_t item : list) there.push_back(text_of({key, item}));
    }
    anomalies_ = check_set(additions, there);
  }

  /// The reads of one transaction that was told ok.
  void check_reads(const ListTransaction& one) {
    std::map<std::string, std::vector<std::int64_t>> own;
    for (const ListStep& step : one.steps) {
      if (step.append) {
        own[step.key].push_back(step.item);
        continue;
      }
      const auto list = last_.find(step.key);
      const std::vector<std::int64_t> empty;
      const auto& final = list == last_.end() ? empty : list->second;
      const bool beginning = step.seen.size() <= final.size() &&
                             std::equal(step.seen.begin(), step.seen.end(), final.begin());
      if (!beginning) {
        forked_.push_back("list " + step.key + " was seen as " + end_of(step.seen));
      }
      const auto& mine = own[step.key];
      const bool sees_own = step.seen.size() >= mine.size() &&
                            std::equal(mine.rbegin(), mine.rend(), step.seen.rbegin());
      if (!sees_own) internal_.push_back(text_of({step.key, mine.back()}));
      check_items(one, step);
    }
  }

  void check_items(const ListTransaction& reader, const ListStep& read) {
    for (const std::int64_t seen : read.seen) {
      const auto writer = writer_.find({read.key, seen});
      if (writer == writer_.end()) continue;
      if (transactions_[writer->second].told == Told::failed) {
        aborted_.push_back(text_of({read.key, seen}));
      }
    }
    if (read.seen.empty()) return;
    const auto writer = writer_.find({read.key, read.seen.back()});
    if (writer == writer_.end() || &transactions_[writer->second] == &reader) return;
    for (const ListStep& step : std::vector(transactions_[writer->second].steps.rbegin(),
                                            transactions_[writer->second].steps.rend())) {
      if (!step.append || step.key != read.key) continue;
      if (step.item != read.seen.back()) {
        intermediate_.push_back(text_of({read.key, read.seen.back()}));
      }
      return;
    }
  }

  void report() {
    const auto tell = [&](const char* kind, const std::vector<std::string>& all, const char* what) {
      if (!all.empty()) anomalies_.push_back({kind, what + examples(all)});
    };
    tell("forked", forked_, "no beginning of what it became: ");
    tell("internal", internal_, "transactions that do not see their own ");
    tell("aborted", aborted_, "read though it had failed: ");
    tell("intermediate", intermediate_, "read in the middle of its transaction: ");
  }

  /// What the order of the items and the reads say.
  void connect(Dependencies& graph) const {
    for (const auto& [key, list] : last_) {
      for (std::size_t i = 1; i < list.size(); ++i) {
        const auto before = writer_.find({key, list[i - 1]});
        const auto behind = writer_.find({key, list[i]});
        if (before == writer_.end() || behind == writer_.end()) continue;
        graph.add(before->second, behind->second, Dependency::write_write);
      }
    }
    for (std::size_t number = 0; number < transactions_.size(); ++number) {
      if (transactions_[number].told != Told::ok) continue;
      for (const ListStep& step : transactions_[number].steps) {
        if (!step.append) connect_read(graph, number, step);
      }
    }
  }

  void connect_read(Dependencies& graph, std::size_t reader, const ListStep& read) const {
    const auto list = last_.find(read.key);
    if (list == last_.end()) return;
    if (!read.seen.empty()) {
      const auto writer = writer_.find({read.key, read.seen.back()});
      if (writer != writer_.end()) graph.add(writer->second, reader, Dependency::write_read);
    }
    if (read.seen.size() >= list->second.size()) return;
    const auto next = writer_.find({read.key, list->second[read.seen.size()]});
    if (next != writer_.end()) graph.add(reader, next->second, Dependency::read_write);
  }

  /// Who had ended when another began; what follows from two others is left out.
  void connect_in_time(Dependencies& graph) const {
    struct Moment {
      std::int64_t at;
      bool ends;  ///< of two at one time the beginning comes first: they overlap
      std::size_t number;
    };
    std::vector<Moment> moments;
    for (std::size_t number = 0; number < transactions_.size(); ++number) {
      const ListTransaction& one = transactions_[number];
      if (one.told == Told::failed || !counts(one)) continue;
      moments.push_back({one.span.began, false, number});
      if (one.told == Told::ok) moments.push_back({one.span.end(), true, number});
    }
    std::ranges::sort(moments, {}, [](const Moment& m) { return std::pair(m.at, m.ends); });
    // Those that have ended, and behind which nothing has ended that began later.
    std::vector<std::size_t> newest;
    std::map<std::size_t, std::vector<std::size_t>> before;
    for (const Moment& moment : moments) {
      if (!moment.ends) {
        before[moment.number] = newest;
        for (const std::size_t one : newest) graph.add(one, moment.number, Dependency::time);
        continue;
      }
      for (const std::size_t older : before[moment.number]) std::erase(newest, older);
      newest.push_back(moment.number);
    }
  }

  /// Unknown and never seen: perhaps it never happened.
  [[nodiscard]] bool counts(const ListTransaction& one) const {
    if (one.told == Told::ok) return true;
    return std::ranges::any_of(one.steps, [&](const ListStep& step) {
      return step.append && is_there({step.key, step.item});
    });
  }

  void check_cycles(const Dependencies& graph, Isolation isolation) {
    constexpr Dependency ww = Dependency::write_write;
    constexpr Dependency wr = Dependency::write_read;
    constexpr Dependency rw = Dependency::read_write;
    if (tell_cycle(graph, "G0", ww, {ww})) return;
    if (tell_cycle(graph, "G1c", wr, {ww, wr})) return;
    if (isolation == Isolation::read_committed) return;
    if (tell_cycle(graph, "G-single", rw, {ww, wr})) return;
    if (isolation == Isolation::snapshot) return;
    tell_cycle(graph, "G2", rw, {ww, wr, rw});
  }

  bool tell_cycle(const Dependencies& graph, const char* kind, Dependency with,
                  const std::vector<Dependency>& also) {
    const auto cycle = graph.cycle(with, also);
    if (!cycle) return false;
    std::string text;
    for (const Dependencies::Step& step : *cycle) {
      text += "T" + std::to_string(step.from) + " -" + std::string(word_of(step.why)) + "-> ";
    }
    anomalies_.push_back({kind, text + "T" + std::to_string(cycle->front().from)});
    return true;
  }

  const std::vector<ListTransaction>& transactions_;
  const Lists& last_;
  std::map<Item, std::size_t> writer_;
  Anomalies anomalies_;
  std::vector<std::string> forked_, internal_, aborted_, intermediate_;
};

}  // namespace

Anomalies check_lists(const std::vector<ListTransaction>& transactions, const Lists& last,
                      Isolation isolation, bool in_real_time) {
  return Reading(transactions, last).run(isolation, in_real_time);
}

}  // namespace evergres::checks
