#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/lsn.hpp"
#include "base/names.hpp"
#include "proxy/loudness.hpp"

namespace evergres::proxy {

/// What an external server said of itself.
struct ProbeAnswer {
  bool in_recovery = true;
  bool read_only = false;  ///< its transactions are, unless they say otherwise
  std::uint64_t system = 0;
  TimelineId timeline;  ///< the one that it writes; of a standby that of its last restartpoint
  Lsn lsn;              ///< written; of a standby replayed
  bool streams = false;
  auto operator<=>(const ProbeAnswer&) const = default;
};

/// Which of several servers is the primary, where nobody keeps a record of it: judged by what they
/// say of themselves. It can be wrong where two of them say the same, and says so; it cannot stop
/// an old primary. No input or output, no clock; one thread.
class ExternalView {
 public:
  /// What has to be remembered beyond the life of a process, so that an old primary that answers
  /// alone is not believed.
  struct Known {
    std::optional<std::uint64_t> system;
    TimelineId timeline;  ///< the highest that a primary wrote
    auto operator<=>(const Known&) const = default;
  };
  struct Leader {
    Term term;         ///< counts the leaderships that this view has seen
    std::size_t host;  ///< the place in `names`
    TimelineId timeline;
    auto operator<=>(const Leader&) const = default;
  };
  struct Note {
    Loudness loudness;
    std::string text;
  };

  /// `must_write`: a primary that is read_only does not count.
  ExternalView(std::vector<std::string> names, Known known, bool must_write);

  void answered(std::size_t host, const ProbeAnswer& answer);
  /// It did not answer. The first failure changes nothing, the second in a row does.
  void failed(std::size_t host, const std::string& why);
  /// From now on its name means another address, where another server may be: what it said before
  /// does not count, and if it leads again, that is a new term.
  void moved(std::size_t host);

  /// Whoever was the leader is not another's for as long as it is silent: with the same server the
  /// same term comes back.
  [[nodiscard]] std::optional<Leader> leader() const;
  /// Servers of an older term are left.
  [[nodiscard]] Term highest() const { return chosen_ ? chosen_->term : Term{}; }
  [[nodiscard]] const Known& known() const { return known_; }
  /// Nothing while the server does not answer.
  [[nodiscard]] const std::optional<ProbeAnswer>& answer(std::size_t host) const {
    return hosts_[host].answer;
  }
  /// A standby of this database that streams, on no older timeline than it can be on.
  [[nodiscard]] bool replays(std::size_t host) const;
  /// What the last known position of a leader is ahead of it, in bytes.
  [[nodiscard]] std::optional<std::uint64_t> lag(std::size_t host) const;
  /// What people should read, since the last call.
  std::vector<Note> take_notes();

 private:
  struct Host {
    std::string name;
    std::optional<ProbeAnswer> answer;
    unsigned failures = 0;  ///< in a row
    bool reported = false;  ///< answered or failed at least once
    bool disputes = false;  ///< takes writes beside the leader
    std::string said;       ///< the last sentence about it
    /// The last that it said, also if it is silent now.
    std::optional<std::uint64_t> system = std::nullopt;
  };
  void judge();
  bool are_of_two_systems();
  void choose(std::size_t host);
  [[nodiscard]] bool is_ours(const ProbeAnswer& answer) const;
  [[nodiscard]] bool is_writable(const Host& host) const;
  [[nodiscard]] std::optional<std::size_t> best() const;
  void look_for_disputes(std::size_t best);
  void say_once(Host& host, Loudness loudness, const std::string& text);

  std::vector<Host> hosts_;
  Known known_;
  const bool must_write_;
  std::optional<Leader> chosen_;
  bool serves_ = false;  ///< the chosen one is writable now
  bool chosen_moved_ = false;
  bool two_systems_ = false;  ///< and it was said
  std::optional<Lsn> lead_lsn_;
  std::vector<Note> notes_;
};

}  // namespace evergres::proxy
