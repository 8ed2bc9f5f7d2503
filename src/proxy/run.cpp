#include "proxy/run.hpp"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <utility>
#include <vector>

#include "proxy/feed/feed.hpp"
#include "proxy/worker/proxy.hpp"

namespace evergres::proxy {
namespace {

constexpr Millis files_come_within{60'000};
constexpr Millis grace{4'000};
constexpr Millis between_looks{1'000};

int told(const Error& error) {
  std::fputs(error.for_people().c_str(), stderr);
  return error_code_info(error.code()).exit_status;
}

/// The files that are replaced by rename at any time.
std::vector<std::filesystem::path> watched(const Configuration& configuration) {
  std::vector<std::filesystem::path> files;
  for (const auto& file :
       {configuration.certificate, configuration.certificate_key, configuration.client_authority,
        configuration.server_authority, configuration.server_certificate,
        configuration.server_certificate_key, configuration.hba_file, configuration.auth_file}) {
    if (!file.empty()) files.push_back(file);
  }
  return files;
}

/// Tells two states of the files apart. A file that is missing is a state too.
std::vector<std::array<std::int64_t, 4>> state_of(const std::vector<std::filesystem::path>& files) {
  std::vector<std::array<std::int64_t, 4>> state;
  for (const auto& file : files) {
    struct stat found {};
    if (::stat(file.c_str(), &found) != 0) found = {};
    state.push_back({static_cast<std::int64_t>(found.st_ino), found.st_mtim.tv_sec,
                     found.st_mtim.tv_nsec, found.st_size});
  }
  return state;
}

/// One of the signals that end the process or reload it; 0 when `at_most` has passed.
int next_signal(const sigset_t& signals, Millis at_most) {
  const timespec span{at_most.count() / 1000, (at_most.count() % 1000) * 1'000'000};
  const int got = ::sigtimedwait(&signals, nullptr, &span);
  return got < 0 ? 0 : got;
}

class Life {
 public:
  Life(RunPlan plan, RunHooks hooks) : plan_(std::move(plan)), hooks_(std::move(hooks)) {
    sigemptyset(&signals_);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals_, signal);
    // Before there are threads, so that all inherit it.
    ::pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
  }

  int run() {
    if (!await_files()) return 0;
    Proxy::Hooks hooks;
    hooks.say = hooks_.say;
    hooks.applied = [this](unsigned shard, std::uint64_t world, std::uint32_t busy) {
      if (Feed* feed = feed_for_shards_.load()) feed->applied(shard, world, busy);
    };
    auto proxy = Proxy::start(plan_.configuration, std::move(hooks));
    if (!proxy) return told(proxy.error());
    proxy_ = std::move(*proxy);
    auto feed = start_feed();
    if (!feed) return told(feed.error());
    feed_for_shards_.store(feed->get());
    for (const int port : proxy_->ports()) {
      hooks_.say(Loudness::info, "listening on port " + std::to_string(port));
    }
    serve();
    proxy_->leave(grace);
    // First the shards, which tell the feed what they do.
    proxy_.reset();
    return 0;
  }

 private:
  /// Certificates and rules are made by the agent, which may be starting too. False if the process
  /// is to end before they came.
  bool await_files() {
    const Instant deadline = boot_now() + files_come_within;
    bool said = false;
    for (;;) {
      std::filesystem::path missing;
      for (const auto& file : watched(plan_.configuration)) {
        if (::access(file.c_str(), R_OK) != 0) missing = file;
      }
      if (missing.empty() || boot_now() > deadline) return true;
      if (!std::exchange(said, true)) {
        hooks_.say(Loudness::info, "waiting for " + missing.string() + ", which the agent makes");
      }
      if (next_signal(signals_, Millis{100}) > 0) return false;
    }
  }

  Result<std::unique_ptr<Feed>> start_feed() {
    auto options = Feed::options_of(plan_.settings);
    if (!options) return options.error();
    options->look_up = resolve;
    options->shards = proxy_->shards();
    options->note = [this](const std::string& text) { hooks_.say(Loudness::info, text); };
    const std::weak_ptr<Proxy> proxy = proxy_;
    return Feed::start(std::move(*options), [proxy](std::shared_ptr<const World> world) {
      if (const auto lives = proxy.lock()) lives->set_world(std::move(world));
    });
  }

  void serve() {
    Configuration in_force = plan_.configuration;
    auto seen = state_of(watched(in_force));
    for (;;) {
      const int signal = next_signal(signals_, between_looks);
      if (signal == SIGTERM || signal == SIGINT) return;
      const auto now = state_of(watched(in_force));
      if (signal == 0 && now == seen) continue;
      seen = now;
      reload(in_force, signal == SIGHUP);
    }
  }

  void reload(Configuration& in_force, bool asked) {
    Configuration next = in_force;
    if (asked) {
      auto read = plan_.read_again();
      if (!read) return hooks_.say(Loudness::warning, read.error().one_line());
      next = std::move(*read);
    }
    if (Outcome reloaded = proxy_->reload(next); !reloaded) {
      return hooks_.say(Loudness::warning, reloaded.error().one_line());
    }
    in_force = std::move(next);
    hooks_.say(Loudness::info, "configuration and files were read again");
  }

  RunPlan plan_;
  RunHooks hooks_;
  sigset_t signals_{};
  std::shared_ptr<Proxy> proxy_;
  std::atomic<Feed*> feed_for_shards_{nullptr};
};

}  // namespace

int run_proxy(RunPlan plan, RunHooks hooks) {
  return Life(std::move(plan), std::move(hooks)).run();
}

}  // namespace evergres::proxy
