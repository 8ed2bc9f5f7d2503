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

#include "proxy/control/control.hpp"
#include "proxy/feed/feed.hpp"
#include "proxy/requests.hpp"
#include "proxy/worker/proxy.hpp"

namespace evergres::proxy {
namespace {

constexpr Millis files_come_within{60'000};
constexpr Millis grace{4'000};
constexpr Millis between_looks{1'000};
constexpr Millis between_looks_at_the_end{50};

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
        configuration.server_certificate_key, configuration.hba_file, configuration.ident_file,
        configuration.auth_file}) {
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
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, Requests::wake}) sigaddset(&signals_, signal);
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
    hooks.reload = [this](Requests::Then then) { requests_.reload(std::move(then)); };
    hooks.shut_down = [this](Shutdown how) { requests_.shut_down(how); };
    hooks.version = plan_.version;
    auto proxy = Proxy::start(plan_.configuration, std::move(hooks));
    if (!proxy) return told(proxy.error());
    proxy_ = std::move(*proxy);
    auto feed = start_feed();
    if (!feed) return told(feed.error());
    feed_for_shards_.store(feed->get());
    const std::unique_ptr<Control> control = start_control();
    for (const int port : proxy_->ports()) {
      hooks_.say(Loudness::info, "listening on port " + std::to_string(port));
    }
    proxy_->leave(serve());
    // First the shards, which tell the feed what they do, and answer the control.
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

  std::unique_ptr<Control> start_control() {
    const std::weak_ptr<Proxy> proxy = proxy_;
    Control::Options options;
    options.socket = plan_.settings.run_directory / "proxy.sock";
    options.labels = {{"scope", plan_.settings.cluster}, {"name", plan_.settings.node.value}};
    options.look = [proxy](bool connections, auto then) {
      if (const auto lives = proxy.lock()) lives->look(connections, std::move(then));
    };
    options.note = [this](const std::string& text) { hooks_.say(Loudness::info, text); };
    return Control::start(std::move(options));
  }

  /// Returns when the process is to end, with how long clients may still take.
  Millis serve() {
    Configuration in_force = plan_.configuration;
    auto seen = state_of(watched(in_force));
    bool leaving = false;
    for (;;) {
      const int signal = next_signal(signals_, leaving ? between_looks_at_the_end : between_looks);
      if (signal == SIGTERM || signal == SIGINT) return grace;
      if (const auto how = requests_.shutdown()) {
        hooks_.say(Loudness::info, "an admin said SHUTDOWN in the console");
        if (*how == Shutdown::at_once) return Millis{0};
        if (*how == Shutdown::wait_for_servers) proxy_->leave(Millis{0});
        proxy_->shut_doors();
        leaving = true;
      }
      if (leaving && proxy_->clients() == 0) return Millis{0};
      const auto reloads = requests_.reloads();
      const bool asked = signal == SIGHUP || !reloads.empty();
      const auto now = state_of(watched(in_force));
      if (!asked && now == seen) continue;
      seen = now;
      const Outcome reloaded = reload(in_force, asked);
      for (const auto& then : reloads) then(reloaded);
    }
  }

  Outcome reload(Configuration& in_force, bool asked) {
    Result<Configuration> next = asked ? plan_.read_again() : Result<Configuration>(in_force);
    Outcome reloaded = next ? proxy_->reload(*next) : Outcome(next.error());
    if (!reloaded) {
      hooks_.say(Loudness::warning, reloaded.error().one_line());
      return reloaded;
    }
    in_force = std::move(*next);
    hooks_.say(Loudness::info, "configuration and files were read again");
    return {};
  }

  RunPlan plan_;
  RunHooks hooks_;
  sigset_t signals_{};
  Requests requests_;
  std::shared_ptr<Proxy> proxy_;
  std::atomic<Feed*> feed_for_shards_{nullptr};
};

}  // namespace

int run_proxy(RunPlan plan, RunHooks hooks) {
  return Life(std::move(plan), std::move(hooks)).run();
}

}  // namespace evergres::proxy
