#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "proxy/worker/errand.hpp"

namespace evergres::proxy {

/// Whether a server has committed and waits for standbys (wait_event SyncRep in pg_stat_activity,
/// which shows the sessions of a role to that role).
class CommitLook final : public Errand {
 public:
  using Done = std::function<void(CommitLook&)>;
  CommitLook(Surroundings& around, const Server& looked_at, Done done)
      : Errand(around),
        node_(looked_at.birth().node),
        pid_(looked_at.pid()),
        number_(looked_at.number),
        done_(std::move(done)) {}

  void lent(Server& server) override;
  void heard(Server& server, const Frame& frame, const Answer& answer) override;

  [[nodiscard]] std::uint64_t server_number() const { return number_; }
  /// Nothing if it could not be seen.
  [[nodiscard]] std::optional<bool> commits() const { return commits_; }

 private:
  void ask(std::string& to) override;
  void answered() override { done_(*this); }
  void failed(const std::string&, const Error&) override { done_(*this); }

  NodeName node_;
  std::int32_t pid_;
  std::uint64_t number_;
  std::optional<bool> commits_;
  Done done_;
};

}  // namespace evergres::proxy
