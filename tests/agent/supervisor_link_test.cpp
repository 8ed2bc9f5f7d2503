#include "agent/supervisor_link.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>

#include "agent/place.hpp"
#include "supervisor/keeper.hpp"

namespace evergres::agent::test {
namespace {

/// A real keeper and supervisor, without PostgreSQL; what the links tell is applied to `know_`.
class SupervisorLink : public Place {
 protected:
  void SetUp() override {
    settings_.data_directory = setup_.settings.data_directory;
    settings_.state_directory = setup_.settings.state_directory;
    settings_.run_directory = setup_.settings.run_directory;
    settings_.log_directory = root_ / "log";
    settings_.postgres_program = setup_.server.program("postgres");
    settings_.agent_program = "/bin/sleep";
    settings_.agent_argv = {"sleep", "10000"};
  }
  void TearDown() override {
    if (keeper_ == 0) return;
    kill(keeper_, SIGTERM);
    waitpid(keeper_, nullptr, 0);
  }
  void start_keeper() {
    const pid_t self = getpid();
    keeper_ = fork();
    ASSERT_GE(keeper_, 0);
    if (keeper_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGTERM);
      if (getppid() != self) _exit(3);
      FILE* log = std::freopen((root_ / "keeper.log").c_str(), "a", stderr);
      _exit(log == nullptr ? 3 : supervisor::run_keeper(settings_));
    }
  }
  Tell tell() {
    return [this](const Learn& change) {
      const std::lock_guard lock(mutex_);
      change(know_);
    };
  }
  template <typename F>
  bool knows(F&& condition) {
    return eventually([&] {
      const std::lock_guard lock(mutex_);
      return condition(know_);
    });
  }
  supervisor::Status ask_status() {
    auto client =
        supervisor::Client::connect(supervisor::socket_path(settings_.run_directory), generous);
    return client->status(generous).value();
  }

  supervisor::Settings settings_;
  pid_t keeper_ = 0;
  std::mutex mutex_;
  Knowledge know_;
};

TEST_F(SupervisorLink, WithoutASupervisorThereIsTroubleAndLaterNone) {
  const SupervisorWatch watch(setup_, tell());
  ASSERT_TRUE(knows([](const Knowledge& k) { return !k.situation.server.trouble.empty(); }));
  {
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(know_.supervisor_known);
  }
  start_keeper();
  EXPECT_TRUE(knows([](const Knowledge& k) { return k.supervisor_known; }));
}

TEST_F(SupervisorLink, ANewSupervisorVoidsWhatWasTrueOfTheServer) {
  start_keeper();
  const SupervisorWatch watch(setup_, tell());
  ASSERT_TRUE(
      knows([](const Knowledge& k) { return k.supervisor_known && k.supervisor.agent_pid; }));
  std::string run;
  {
    const std::lock_guard lock(mutex_);
    run = know_.supervisor.supervisor_run;
    know_.situation.fenced = core::Fenced{};
    know_.situation.server.position = core::Position{};
    know_.situation.server.grant = core::Grant{};
  }
  auto child = content_of("/proc/" + std::to_string(keeper_) + "/task/" + std::to_string(keeper_) +
                          "/children");
  kill(static_cast<pid_t>(std::stol(child)), SIGKILL);
  ASSERT_TRUE(knows([&](const Knowledge& k) { return k.supervisor.supervisor_run != run; }));
  const std::lock_guard lock(mutex_);
  EXPECT_FALSE(know_.situation.fenced);
  EXPECT_FALSE(know_.situation.server.position);
  EXPECT_FALSE(know_.situation.server.grant);
}

TEST_F(SupervisorLink, TheLeaseSpeaksForTheControlThreadAndFallsSilentWithIt) {
  settings_.silent_agent_limit = Millis{3000};
  start_keeper();
  LeaseKeeper lease(setup_, tell());
  const Instant until = boot_now() + Millis{5000};
  while (boot_now() < until) {
    lease.set_wish(core::GrantWish{}, 0);
    std::this_thread::sleep_for(Millis{50});
  }
  EXPECT_EQ(ask_status().agent_restarts, 0U) << "it did not say that the agent lives";
  // From here on the control thread stands still.
  EXPECT_TRUE(eventually([&] { return ask_status().agent_restarts > 0; }))
      << "a hanging agent is kept alive";
}

TEST_F(SupervisorLink, ALeaseThatIsRefusedIsToldAndNotBelieved) {
  start_keeper();
  LeaseKeeper lease(setup_, tell());
  core::GrantWish wish;
  wish.kind = core::GrantKind::lead;
  wish.term = Term{3};
  wish.counted_from = boot_now();
  lease.set_wish(wish, 1);  // there is no server that could get it
  ASSERT_TRUE(knows([](const Knowledge& k) { return !k.recent_errors.empty(); }));
  EXPECT_FALSE(ask_status().grant);
  const std::lock_guard lock(mutex_);
  EXPECT_TRUE(know_.recent_errors[0].starts_with("grant: ")) << know_.recent_errors[0];
  EXPECT_FALSE(know_.situation.server.grant);
}

}  // namespace
}  // namespace evergres::agent::test
