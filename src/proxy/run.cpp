#include "proxy/run.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
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
#include "proxy/feed/prober.hpp"
#include "proxy/requests.hpp"
#include "proxy/worker/proxy.hpp"
#include "proxy/worker/start_lock.hpp"

namespace evergres::proxy {
namespace {

constexpr Millis files_come_within{60'000};
constexpr Millis grace{4'000};
constexpr Millis between_looks{1'000};
constexpr Millis between_looks_at_the_end{50};
constexpr Millis turn_comes_within{30'000};
constexpr Millis taking_over_within{10'000};
constexpr Millis between_keeping_files{3'600'000};

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

bool ends_us(int signal) {
  return signal == SIGTERM || signal == SIGINT;
}

class Life {
 public:
  Life(RunPlan plan, RunHooks hooks) : plan_(std::move(plan)), hooks_(std::move(hooks)) {
    sigemptyset(&signals_);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR2, Requests::wake}) {
      sigaddset(&signals_, signal);
    }
    // Before there are threads, so that all inherit it.
    ::pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    signal_events_ = Descriptor(::signalfd(-1, &signals_, SFD_CLOEXEC | SFD_NONBLOCK));
  }

  int run() {
    if (!await_files()) return 0;
    auto turn = await_turn();
    if (!turn) return told(turn.error());
    if (!*turn) return 0;
    auto taking = Takeover::begin(place_of_handover(), boot_now() + taking_over_within);
    if (!taking) return told(taking.error());
    Proxy::Hooks hooks;
    hooks.say = hooks_.say;
    hooks.applied = [this](unsigned shard, std::uint64_t world, std::uint32_t busy) {
      if (Feed* feed = feed_for_shards_.load()) feed->applied(shard, world, busy);
    };
    hooks.reload = [this](Requests::Then then) { requests_.reload(std::move(then)); };
    hooks.shut_down = [this](Shutdown how) { requests_.shut_down(how); };
    hooks.version = plan_.version;
    in_force_ = plan_.configuration;
    seen_ = state_of(watched(in_force_));
    handover_timeout_ = in_force_.handover_timeout;
    auto proxy = Proxy::start(plan_.configuration, std::move(hooks),
                              *taking ? (*taking)->take() : std::vector<HandedSocket>());
    if (!proxy) return told(proxy.error());
    proxy_ = std::move(*proxy);
    std::unique_ptr<Feed> feed;
    std::unique_ptr<Prober> prober;
    if (Outcome begun = begin_to_follow(feed, prober); !begun) return told(begun.error());
    feed_for_shards_.store(feed.get());
    prober_ = prober.get();
    const std::unique_ptr<Control> control = start_control();
    for (const int port : proxy_->ports()) {
      hooks_.say(Loudness::info, "listening on port " + std::to_string(port));
    }
    if (*taking) finish_taking_over(**taking);
    taking = std::optional<Takeover>();
    // Without a door it serves all the same, and nobody else: a successor would not find it.
    if (open_door()) turn->reset();
    const Millis patience = serve();
    if (replaced_) {
      control->shut();  // its socket is the successor's now; shards may be about to answer it
      outlive();
    }
    door_.reset();  // whoever starts now finds nobody, and does not wait for an answer
    proxy_->leave(patience);
    // First the shards, which tell the feed what they do, and answer the control.
    proxy_.reset();
    return 0;
  }

 private:
  [[nodiscard]] std::filesystem::path place_of_handover() const {
    return handover_path(plan_.settings.run_directory);
  }

  void finish_taking_over(Takeover& taking) {
    const Outcome alone = taking.serving(boot_now() + taking_over_within);
    hooks_.say(
        alone ? Loudness::info : Loudness::warning,
        alone ? "took the place of the process that served before" : alone.error().one_line());
  }

  bool open_door() {
    auto door = HandoverDoor::open(place_of_handover(), proxy_->listening());
    if (!door) {
      const Error& why = door.error();
      hooks_.say(Loudness::warning,
                 Error(why.code(), "this process cannot be replaced, only ended: " + why.message(),
                       why.detail())
                     .one_line());
      return false;
    }
    door_.emplace(std::move(*door));
    return true;
  }

  /// One of the signals that end the process or reload it; 0 when `at_most` has passed, or when
  /// the process was replaced.
  int next_signal(Millis at_most) {
    std::vector<pollfd> polled{{signal_events_.number(), POLLIN, 0}};
    if (door_) {
      for (const int descriptor : door_->descriptors()) polled.push_back({descriptor, POLLIN, 0});
    }
    if (::poll(polled.data(), polled.size(), static_cast<int>(at_most.count())) <= 0) return 0;
    signalfd_siginfo info{};
    if (::read(signal_events_.number(), &info, sizeof info) == sizeof info) {
      return static_cast<int>(info.ssi_signo);
    }
    if (!door_) return 0;
    if (door_->step()) {
      replaced_ = true;
      proxy_->shut_doors();
      door_->done();
      door_.reset();
    } else if (const std::string trouble = door_->trouble(); !trouble.empty()) {
      hooks_.say(Loudness::warning, trouble);
    }
    return 0;
  }

  /// Another process accepts clients: those who are here may stay for a while. They need what their
  /// servers ask for, so configuration and files are read anew as ever.
  void outlive() {
    hooks_.say(Loudness::info, "a new process accepts clients now; " +
                                   std::to_string(proxy_->clients()) + " stay here for " +
                                   std::to_string(handover_timeout_.count() / 1000) + " s at most");
    const Instant begun = boot_now();
    Instant look_at = begun + between_looks;
    while (proxy_->clients() > 0 && boot_now() < begun + handover_timeout_) {
      const int signal = next_signal(between_looks_at_the_end);
      if (ends_us(signal) || requests_.shutdown()) return;
      if (signal == 0 && boot_now() < look_at) continue;
      look_at = boot_now() + between_looks;
      look_for_changes(signal == SIGHUP);
    }
  }

  /// The right to start: see StartLock. Nothing if the process is to end before.
  Result<std::optional<StartLock>> await_turn() {
    const std::filesystem::path& directory = plan_.settings.run_directory;
    const Instant deadline = boot_now() + turn_comes_within;
    for (;;) {
      auto turn = StartLock::try_take(directory);
      if (!turn || *turn) return turn;
      if (boot_now() > deadline) return StartLock::not_given(directory);
      if (ends_us(next_signal(between_looks_at_the_end))) return std::optional<StartLock>();
    }
  }

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
      if (ends_us(next_signal(Millis{100}))) return false;
    }
  }

  /// Who leads: agents tell it, or servers are looked at.
  Outcome begin_to_follow(std::unique_ptr<Feed>& feed, std::unique_ptr<Prober>& prober) {
    const auto on_world = [proxy = std::weak_ptr<Proxy>(proxy_)](std::shared_ptr<const World> is) {
      if (const auto lives = proxy.lock()) lives->set_world(std::move(is));
    };
    const config::NodeSettings& settings = plan_.settings;
    if (!settings.proxy.external.empty()) {
      auto servers = read_external_servers(settings.proxy.external);
      if (!servers) return servers.error();
      Prober::Options options{std::move(*servers),
                              plan_.configuration.auth_password,
                              settings.proxy.probe_interval,
                              settings.proxy.probe_timeout,
                              settings.state_directory / "external.known",
                              hooks_.say};
      auto begun = Prober::start(std::move(options), on_world);
      if (!begun) return begun.error();
      prober = std::move(*begun);
      return {};
    }
    auto options = Feed::options_of(settings);
    if (!options) return options.error();
    options->look_up = resolve;
    options->shards = proxy_->shards();
    options->note = [this](const std::string& text) { hooks_.say(Loudness::info, text); };
    auto begun = Feed::start(std::move(*options), on_world);
    if (!begun) return begun.error();
    feed = std::move(*begun);
    return {};
  }

  void keep_files() {
    if (!plan_.keep_files || boot_now() < keep_files_at_) return;
    keep_files_at_ = boot_now() + between_keeping_files;
    const auto kept = plan_.keep_files();
    const std::string text = kept ? *kept : kept.error().one_line();
    if (!text.empty()) hooks_.say(Loudness::warning, text);
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
    bool leaving = false;
    for (;;) {
      if (!leaving) keep_files();
      const int signal = next_signal(leaving ? between_looks_at_the_end : between_looks);
      if (ends_us(signal) || replaced_) return grace;
      if (signal == SIGUSR2) {
        hooks_.say(Loudness::warning,
                   "to replace this process start a second one with the same "
                   "file; beside a node send SIGUSR2 to `evergres run`");
      }
      if (const auto how = requests_.shutdown()) {
        hooks_.say(Loudness::info, "an admin said SHUTDOWN in the console");
        door_.reset();  // it gives sockets away that are closed now
        if (*how == Shutdown::at_once) return Millis{0};
        if (*how == Shutdown::wait_for_servers) proxy_->leave(Millis{0});
        proxy_->shut_doors();
        leaving = true;
      }
      if (leaving && proxy_->clients() == 0) return Millis{0};
      look_for_changes(signal == SIGHUP);
    }
  }

  /// Reads anew what was asked for, by SIGHUP or RELOAD, and files that were replaced.
  void look_for_changes(bool asked) {
    const auto reloads = requests_.reloads();
    asked = asked || !reloads.empty();
    const auto now = state_of(watched(in_force_));
    if (!asked && now == seen_) return;
    seen_ = now;
    const Outcome reloaded = reload(asked);
    for (const auto& then : reloads) then(reloaded);
  }

  Outcome reload(bool asked) {
    Result<Configuration> next = asked ? plan_.read_again() : Result<Configuration>(in_force_);
    Outcome reloaded = next ? proxy_->reload(*next) : Outcome(next.error());
    if (!reloaded) {
      hooks_.say(Loudness::warning, reloaded.error().one_line());
      return reloaded;
    }
    in_force_ = std::move(*next);
    handover_timeout_ = in_force_.handover_timeout;
    if (prober_ != nullptr) prober_->set_password(in_force_.auth_password);
    hooks_.say(Loudness::info, "configuration and files were read again");
    return {};
  }

  RunPlan plan_;
  RunHooks hooks_;
  sigset_t signals_{};
  Requests requests_;
  Descriptor signal_events_;
  std::optional<HandoverDoor> door_;
  bool replaced_ = false;
  Configuration in_force_;
  std::vector<std::array<std::int64_t, 4>> seen_;  ///< of the files that are watched
  Millis handover_timeout_{0};
  std::shared_ptr<Proxy> proxy_;
  std::atomic<Feed*> feed_for_shards_{nullptr};
  Prober* prober_ = nullptr;  ///< while there is one
  Instant keep_files_at_;
};

}  // namespace

int run_proxy(RunPlan plan, RunHooks hooks) {
  return Life(std::move(plan), std::move(hooks)).run();
}

}  // namespace evergres::proxy
