#include "proxy/worker/proxy.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "proxy/worker/desk.hpp"
#include "proxy/worker/shard.hpp"

namespace evergres::proxy {
namespace {

/// A port, on the thread of the first shard: each client goes to the shard with the fewest.
class Door final : public Watcher {
 public:
  using Admit = std::function<void(Accepted, Port)>;
  Door(Reactor& reactor, Descriptor listening, Port kind, Admit admit)
      : reactor_(reactor), acceptor_(std::move(listening)), kind_(kind), admit_(std::move(admit)) {}
  ~Door() { shut(); }
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;

  Outcome open() {
    auto watch = reactor_.watch(acceptor_.descriptor(), *this);
    if (!watch) return watch.error();
    watch_ = *watch;
    return {};
  }
  void shut() { reactor_.forget(std::exchange(watch_, {})); }
  [[nodiscard]] int descriptor() const { return acceptor_.descriptor(); }

  void ready(Ready) override {
    for (int turn = 0; turn < 64; ++turn) {
      Acceptor::Step step = acceptor_.next();
      if (step.kind == Acceptor::Step::Kind::none) return;
      if (step.kind == Acceptor::Step::Kind::client) admit_(std::move(step.client), kind_);
    }
    reactor_.again(watch_);
  }

 private:
  Reactor& reactor_;
  Acceptor acceptor_;
  Port kind_;
  Admit admit_;
  Reactor::Watch watch_;
};

}  // namespace

struct Proxy::Impl {
  Hooks hooks;
  std::shared_ptr<Guard> guard;
  std::shared_ptr<Permits> permits = std::make_shared<Permits>();
  std::vector<std::unique_ptr<Shard>> shards;
  std::unique_ptr<Desk> desk;  ///< before any thread runs
  std::vector<std::unique_ptr<Door>> doors;
  std::vector<Configuration::Listen> listens;  ///< of the doors
  std::vector<int> ports;
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::condition_variable emptied;  ///< a shard's last client has gone

  ~Impl() {
    for (const auto& shard : shards) shard->reactor().stop();
    for (std::thread& thread : threads) thread.join();
    doors.clear();
    shards.clear();
  }

  void admit(Accepted accepted, Port kind) {
    Shard* least = shards.front().get();
    for (const auto& shard : shards) {
      if (shard->load() < least->load()) least = shard.get();
    }
    least->expect();
    if (least == shards.front().get()) return least->adopt(std::move(accepted), kind);
    auto shared = std::make_shared<Accepted>(std::move(accepted));
    least->reactor().post([least, shared, kind] { least->adopt(std::move(*shared), kind); });
  }

  void forward_cancel(unsigned shard, const OwnSession& meant, const CancelAsker& asker) {
    if (shard >= shards.size()) return cancel_done(asker);
    Shard* const to = shards[shard].get();
    to->reactor().post([to, meant, asker] { to->cancel_here(meant, asker); });
  }

  void cancel_done(const CancelAsker& asker) {
    Shard* const to = shards[asker.shard].get();
    to->reactor().post([to, number = asker.session] { to->cancel_answered(number); });
  }

  /// Runs `what` on the thread of each shard, and waits.
  void everywhere(const std::function<void(Shard&)>& what) {
    std::mutex counted;
    std::condition_variable done;
    std::size_t left = shards.size();
    for (const auto& shard : shards) {
      shard->reactor().post([&, raw = shard.get()] {
        what(*raw);
        const std::lock_guard lock(counted);
        if (--left == 0) done.notify_one();
      });
    }
    std::unique_lock lock(counted);
    done.wait(lock, [&] { return left == 0; });
  }

  Outcome make_shards(std::shared_ptr<const Configuration> configuration) {
    for (unsigned number = 0; number < std::max(1U, configuration->threads); ++number) {
      Shard::Plan plan;
      plan.number = number;
      plan.configuration = configuration;
      plan.guard = guard;
      plan.permits = permits;
      plan.say = hooks.say;
      plan.forward_cancel = [this](unsigned shard, const OwnSession& meant,
                                   const CancelAsker& asker) {
        forward_cancel(shard, meant, asker);
      };
      plan.cancel_done = [this](const CancelAsker& asker) { cancel_done(asker); };
      plan.emptied = [this] {
        const std::lock_guard lock(mutex);
        emptied.notify_all();
      };
      plan.console_asks = [this, number](std::uint64_t ticket, const Command& command) {
        desk->ask({number, ticket}, command);
      };
      plan.console_gives_up = [this, number](std::uint64_t ticket) {
        desk->give_up({number, ticket});
      };
      if (hooks.applied) {
        plan.applied = [this, number](std::uint64_t world, std::uint32_t busy) {
          hooks.applied(number, world, busy);
        };
      }
      auto shard = Shard::make(std::move(plan));
      if (!shard) return shard.error();
      shards.push_back(std::move(*shard));
    }
    std::vector<Shard*> all;
    for (const auto& shard : shards) all.push_back(shard.get());
    desk = std::make_unique<Desk>(std::move(all), Desk::Hooks{hooks.reload, hooks.shut_down},
                                  hooks.version, configuration);
    return {};
  }

  /// The socket that was taken over for it, or a new one.
  static Result<Listening> listening_for(const Configuration::Listen& listen,
                                         std::vector<HandedSocket>& taken) {
    for (HandedSocket& one : taken) {
      const auto& is = one.listen;
      if (!one.socket.open() || is.host != listen.host || is.port != listen.port ||
          is.kind != listen.kind) {
        continue;
      }
      const int port = port_of(one.socket);
      return Listening{.socket = std::move(one.socket), .port = port};
    }
    return listen_on(listen.host, listen.port, true);
  }

  Outcome open_doors(const Configuration& configuration, std::vector<HandedSocket> taken) {
    for (const Configuration::Listen& listen : configuration.listen) {
      auto listening = listening_for(listen, taken);
      if (!listening) return listening.error();
      ports.push_back(listening->port);
      listens.push_back(listen);
      doors.push_back(std::make_unique<Door>(
          shards.front()->reactor(), std::move(listening->socket), listen.kind,
          [this](Accepted accepted, Port kind) { admit(std::move(accepted), kind); }));
      if (Outcome opened = doors.back()->open(); !opened) return opened;
    }
    return {};
  }
};

Proxy::Proxy(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Proxy::~Proxy() = default;

Result<std::unique_ptr<Proxy>> Proxy::start(Configuration configuration, Hooks hooks,
                                            std::vector<HandedSocket> taken) {
  auto impl = std::make_unique<Impl>();
  impl->hooks = std::move(hooks);
  const std::string& shared_key = configuration.cluster_key;
  auto guard = Guard::make(configuration, sha256(shared_key.empty() ? random_hex(32) : shared_key));
  if (!guard) return guard.error();
  impl->guard = std::move(*guard);
  auto shared = std::make_shared<const Configuration>(std::move(configuration));
  if (Outcome made = impl->make_shards(shared); !made) return made.error();
  if (Outcome opened = impl->open_doors(*shared, std::move(taken)); !opened) return opened.error();
  for (const auto& shard : impl->shards) {
    impl->threads.emplace_back([raw = shard.get()] { raw->reactor().run(); });
  }
  return std::unique_ptr<Proxy>(new Proxy(std::move(impl)));
}

void Proxy::set_world(std::shared_ptr<const World> world) {
  for (const auto& shard : impl_->shards) {
    Shard* const to = shard.get();
    to->reactor().post([to, world] { to->set_world(world); });
  }
}

Outcome Proxy::reload(Configuration configuration) {
  if (Outcome loaded = impl_->guard->reload(configuration); !loaded) return loaded;
  const auto shared = std::make_shared<const Configuration>(std::move(configuration));
  impl_->everywhere([&](Shard& shard) { shard.set_configuration(shared); });
  impl_->desk->set_configuration(shared);
  return {};
}

void Proxy::look(bool connections, std::function<void(std::shared_ptr<const Snapshot>)> then) {
  impl_->desk->look(connections, std::move(then));
}

void Proxy::shut_doors() {
  impl_->everywhere([&](Shard& shard) {
    // Closed: whoever comes is refused at once, and tries another address.
    if (&shard == impl_->shards.front().get()) impl_->doors.clear();
  });
}

std::size_t Proxy::clients() const {
  std::size_t count = 0;
  for (const auto& shard : impl_->shards) {
    const std::size_t consoles = shard->consoles();
    const std::size_t all = shard->load();
    count += all - std::min(all, consoles);
  }
  return count;
}

std::vector<HandoverDoor::Listening> Proxy::listening() const {
  std::vector<HandoverDoor::Listening> sockets;
  for (std::size_t i = 0; i < impl_->doors.size(); ++i) {
    sockets.push_back({impl_->listens[i], impl_->doors[i]->descriptor()});
  }
  return sockets;
}

void Proxy::leave(Millis grace) {
  shut_doors();
  impl_->everywhere([](Shard& shard) { shard.leave(); });
  std::unique_lock lock(impl_->mutex);
  impl_->emptied.wait_until(lock, std::chrono::steady_clock::now() + grace, [this] {
    for (const auto& shard : impl_->shards) {
      if (shard->load() > 0) return false;
    }
    return true;
  });
}

std::vector<int> Proxy::ports() const {
  return impl_->ports;
}

unsigned Proxy::shards() const {
  return static_cast<unsigned>(impl_->shards.size());
}

}  // namespace evergres::proxy
