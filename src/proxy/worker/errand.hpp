#pragma once

#include <functional>
#include <optional>
#include <string>

#include "proxy/login/auth_query.hpp"
#include "proxy/outcome/fate.hpp"
#include "proxy/pool/pool.hpp"

namespace evergres::proxy {

/// Something that we ask a server ourselves: it waits for its turn like a client, asks once, and
/// gives the server back. One thread. It is over when `done` is called, and may be destroyed after
/// that call.
class Errand : public Waiter {
 public:
  explicit Errand(Surroundings& around) : around_(around) {}
  virtual ~Errand();
  Errand(const Errand&) = delete;
  Errand& operator=(const Errand&) = delete;

  /// Asks `pool` for a server: where there is a route. One at a time.
  void go(Pool& pool);
  [[nodiscard]] bool under_way() const { return server_ != nullptr || Pool::waits(*this); }

  void lent(Server& server) override;
  void turned_away(const TurnedAway& why) override;
  void skipped(Server&, const Owed&) override {}
  void heard_all(Server& server) override;
  void lost(Server& server, const ServerEnd& end) override;
  [[nodiscard]] bool takes() const override { return true; }

 protected:
  /// The messages of one request.
  virtual void ask(std::string& to) = 0;
  /// Everything was answered and the server was given back.
  virtual void answered() = 0;
  virtual void failed(const std::string& sqlstate, const Error& error) = 0;

  Surroundings& around_;
  Pool* pool_ = nullptr;
  Server* server_ = nullptr;
};

/// A role's secret.
class SecretErrand final : public Errand {
 public:
  using Done = std::function<void(AuthStep)>;
  SecretErrand(Surroundings& around, std::string user, Done done)
      : Errand(around), query_(std::move(user)), done_(std::move(done)) {}
  void heard(Server& server, const Frame& frame, const Answer& answer) override;

 private:
  void ask(std::string& to) override { query_.ask(to); }
  void answered() override;
  void failed(const std::string& sqlstate, const Error& error) override;

  AuthQuery query_;
  std::string pending_;
  std::optional<AuthStep> step_;
  Done done_;
};

/// What became of a transaction: follows decide_fate() from step to step.
class FateErrand final : public Errand {
 public:
  using Done = std::function<void(Fate, std::string_view because)>;
  FateErrand(Surroundings& around, FateQuestion question, Instant deadline, Done done)
      : Errand(around),
        question_(std::move(question)),
        deadline_(deadline),
        done_(std::move(done)) {}

  /// Takes the next step: at the beginning, when the world has changed, and ten times a second.
  void proceed(Pool& pool);
  void heard(Server& server, const Frame& frame, const Answer& answer) override;

 private:
  void ask(std::string& to) override;
  void answered() override;
  void failed(const std::string& sqlstate, const Error& error) override;

  FateQuestion question_;
  Instant deadline_;
  Done done_;
  FateStep step_ = FateStep::wait;
  XactAnswer heard_ = XactAnswer::failed;
  bool committed_ = false;
  bool cancelled_ = false;  ///< its wait for the standbys was
  bool over_ = false;
  Instant not_before_;
};

}  // namespace evergres::proxy
