#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "differential/server.hpp"

namespace evergres::differential {

/// What is told while a script runs on one kind of servers: a list of lines. Positions appear as
/// the last mark that they have reached, never as numbers.
class Story {
 public:
  explicit Story(World& world);

  Server& n1;
  Server& n2;
  Server& n3;

  [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }
  void say(std::string line) { lines_.push_back(std::move(line)); }
  /// Waits for it, and writes down whether it came true. After one that did not, nothing is waited
  /// for any more.
  void until(const std::string& what, const std::function<bool()>& condition);

  // What most scripts begin with.
  /// Starts it and waits for what becomes of that.
  void start(Server& server);
  void promote(Server& server);
  /// Timeline 2, with these names in force.
  void lead(Server& server, const std::string& names);
  void follow(Server& server, Server& upstream, const std::string& name,
              const std::string& slot = {});
  void follow_over_relay(Server& server, Server& upstream, const std::string& name);
  /// Writes the names, reloads, and waits until a new connection shows them.
  void set_names(Server& server, const std::string& names);

  /// Gives a name to where the WAL of a primary, the replay of a standby, or the WAL of a stopped
  /// server ends now.
  void mark(const std::string& name, Server& server);
  /// The last mark that this position has reached.
  std::string at(std::uint64_t position) const;

  /// Begins a commit and waits until it is known to wait, or has an answer.
  int commit(Server& server, bool has_wal = true);
  /// A commit that is answered, and that the receivers of these names have flushed, is marked.
  void commit_everywhere(Server& server, const std::string& mark,
                         const std::vector<std::string>& names);
  void see_commit(Server& server, int commit);
  void until_acknowledged(Server& server, int commit);
  /// Commits again and again until one waits.
  void until_one_waits(Server& server);
  /// Until the receiver of this name has flushed what is marked, as the sender sees it.
  void until_flushed(Server& sender, const std::string& name, const std::string& mark);
  /// Until it has replied once more: whatever it said before has taken effect.
  void until_another_reply(Server& sender, const std::string& name);
  void until_replayed(Server& server, const std::string& mark);
  void until_life(Server& server, const std::string& life);
  void until_no_sender(Server& sender, const std::string& name);
  void until_streaming(Server& sender, const std::string& name);
  void until_sync_state(Server& sender, const std::string& name, const std::string& state);
  void until_refused(Server& receiver, const std::string& why);

  /// "n1 is primary on timeline 2, names ANY 1 ("a"), 1 waits".
  void see(Server& server);
  /// "n1 sends to a: streaming, quorum, flushed m1", one line each.
  void see_senders(Server& server);
  /// "n2 receives timeline 2 from m1"
  void see_receiver(Server& server);
  void see_histories(Server& server);

 private:
  void connect(Server& server, Server& upstream, const Upstream& way);
  std::optional<postgres::SenderFacts> sender(Server& server, const std::string& name);
  /// It has an answer, or this server shows as many waiting as there are commits without one.
  bool settled(Server& server, int commit);

  World& world_;
  std::vector<std::string> lines_;
  std::map<std::uint64_t, std::string> marks_;
  std::map<std::string, std::uint64_t> values_;
  std::map<std::string, std::vector<int>> commits_;
  bool stuck_ = false;
};

/// One script. The registry is filled before main() begins.
struct Script {
  std::string name;
  void (*tell)(Story& story);
};
std::vector<Script>& scripts();

/// DIFFERENTIAL(Name) { story.start(story.n1); … } adds a script, and with it one test per version
/// of PostgreSQL that is installed.
#define DIFFERENTIAL(Name)                                                                      \
  void tell_##Name(Story& story);                                                               \
  [[maybe_unused]] const bool added_##Name = (scripts().push_back({#Name, tell_##Name}), true); \
  void tell_##Name([[maybe_unused]] Story& story)

}  // namespace evergres::differential
