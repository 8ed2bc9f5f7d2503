#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "metrics/page.hpp"
#include "proxy/console/snapshot.hpp"

namespace evergres::proxy {

/// Answers the command line and the agent on RUN_DIRECTORY/proxy.sock: the tables of the console
/// and the metrics page. The protocol is that of the agent's control socket; callers are this user
/// and root. A thread of its own, which waits for the shards and never makes them wait.
///
/// {"verb": "show", "what": "pools", "after": 0} is answered with {"rows": [{column: value, …}],
/// "more": false}; of clients, servers and sockets there are at most 500 rows, those with an id
/// above "after". {"verb": "metrics"} is answered with {"text": …}.
class Control {
 public:
  struct Options {
    std::filesystem::path socket;
    metrics::Labels labels;  ///< of every sample on the metrics page
    /// As Proxy::look(); also while or after the proxy ends, when it need not answer.
    std::function<void(bool connections, std::function<void(std::shared_ptr<const Snapshot>)>)>
        look;
    /// A line for the log. From the thread of the control.
    std::function<void(const std::string&)> note;
  };

  /// Listens in the background: while it cannot (an older process may still be there) it tries
  /// again, and says so once.
  static std::unique_ptr<Control> start(Options options);
  /// Answers nobody any more and leaves the socket to others. An answer to a look() that is still to
  /// come does no harm.
  void shut();
  /// Nobody may still be about to answer a look().
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

 private:
  struct Impl;
  explicit Control(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace evergres::proxy
