#include "proxy/io/reactor.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "proxy/io/descriptor.hpp"

namespace evergres::proxy {
namespace {

constexpr std::uint32_t wake_slot = UINT32_MAX;
constexpr std::size_t events_at_once = 64;
/// So many at once tell of a busy time: more have come while they were handled.
constexpr int many_events = 8;
constexpr Millis longest_looks{1};

struct Slot {
  Watcher* watcher = nullptr;  ///< nobody: the slot is free
  int descriptor = -1;
  std::uint32_t generation = 0;
  std::uint64_t again_round = 0;  ///< the round in which again() was asked for; 0: it was not
};

// Epoll gives back a number and no pointer: what was forgotten has another generation.
std::uint64_t number_of(Reactor::Watch watch) {
  return (std::uint64_t{watch.generation} << 32U) | watch.slot;
}

Reactor::Watch watch_of(std::uint64_t number) {
  return {static_cast<std::uint32_t>(number), static_cast<std::uint32_t>(number >> 32U)};
}

Watcher::Ready ready_of(std::uint32_t events) {
  const bool broken = (events & (EPOLLHUP | EPOLLERR)) != 0;
  const bool hung_up = broken || (events & EPOLLRDHUP) != 0;
  return {.readable = hung_up || (events & EPOLLIN) != 0,
          .writable = broken || (events & EPOLLOUT) != 0,
          .hung_up = hung_up};
}

}  // namespace

struct Reactor::Impl {
  Descriptor epoll;
  Descriptor wake;
  std::vector<Slot> slots;
  std::vector<std::uint32_t> free_slots;
  std::vector<Watch> again, again_now;
  std::uint64_t round = 1;
  std::map<Timer, std::function<void()>> timers;
  std::uint64_t next_timer = 1;
  std::vector<std::function<void()>> deferred, deferred_now, posted_now;
  std::function<void()> turn_end;
  std::unique_ptr<char[]> scratch;
  Instant now;
  bool running = false;
  bool woken = false;  ///< in this turn, by another thread

  std::mutex mutex;  // of what other threads may touch:
  std::vector<std::function<void()>> posted;
  bool stopped = false;

  Slot* find(Watch watch);
  void dispatch(std::uint64_t number, Watcher::Ready what);
  [[nodiscard]] int wait_ms() const;
  int look(int wait_ms);
  void end_turn() const;
  void handle_events(std::uint64_t asked_round);
  bool run_posted();
  void run_again(std::uint64_t asked_round);
  void run_timers();
  void run_deferred();
  void awake() const;
};

Slot* Reactor::Impl::find(Watch watch) {
  if (watch.slot >= slots.size()) return nullptr;
  Slot& slot = slots[watch.slot];
  return slot.watcher != nullptr && slot.generation == watch.generation ? &slot : nullptr;
}

void Reactor::Impl::dispatch(std::uint64_t number, Watcher::Ready what) {
  Slot* slot = find(watch_of(number));
  if (slot == nullptr) return;  // forgotten in a callback of this turn
  if (what.readable) slot->again_round = 0;
  slot->watcher->ready(what);  // and `slot` may dangle from here on
}

int Reactor::Impl::wait_ms() const {
  if (!again_now.empty() || !deferred.empty()) return 0;
  if (timers.empty()) return -1;
  // Not the turn's `now`: its callbacks have taken time since.
  const std::int64_t left = timers.begin()->first.at - boot_now().nanos;
  if (left <= 0) return 0;
  constexpr std::int64_t per_ms = 1'000'000;
  constexpr std::int64_t longest = 3'600'000;
  return static_cast<int>(std::min((left + per_ms - 1) / per_ms, longest));
}

/// How many events there were; they have been handled. Where that takes long, what has gathered for
/// the end of the turn does not wait for all of them.
int Reactor::Impl::look(int wait_ms) {
  std::array<epoll_event, events_at_once> events;
  const int count = ::epoll_wait(epoll.number(), events.data(), events_at_once, wait_ms);
  CHECK(count >= 0 || errno == EINTR);
  now = boot_now();
  Instant until = now + longest_looks;
  constexpr int between_clocks = 8;
  for (int index = 0; index < count; ++index) {
    if (index % between_clocks == between_clocks - 1 && boot_now() >= until) {
      end_turn();
      until = boot_now() + longest_looks;
    }
    const epoll_event& event = events[static_cast<std::size_t>(index)];
    if (watch_of(event.data.u64).slot != wake_slot) {
      dispatch(event.data.u64, ready_of(event.events));
      continue;
    }
    woken = true;
    std::uint64_t ignored = 0;
    [[maybe_unused]] const ssize_t got = ::read(wake.number(), &ignored, sizeof ignored);
  }
  return count;
}

void Reactor::Impl::end_turn() const {
  if (turn_end) turn_end();
}

void Reactor::Impl::handle_events(std::uint64_t asked_round) {
  int found = look(wait_ms());
  const Instant until = now + longest_looks;
  while (found >= many_events && boot_now() < until) found = look(0);
  run_again(asked_round);
  const bool timer_is_due = !timers.empty() && timers.begin()->first.at <= now.nanos;
  if (woken || timer_is_due) end_turn();  // what was posted, and timers, may take long
}

void Reactor::Impl::run_again(std::uint64_t asked_round) {
  for (const Watch watch : again_now) {
    // Another round: it was told by an event meanwhile, and has perhaps asked anew.
    const Slot* slot = find(watch);
    if (slot == nullptr || slot->again_round != asked_round) continue;
    dispatch(number_of(watch), {.readable = true});
  }
  again_now.clear();
}

bool Reactor::Impl::run_posted() {
  if (!std::exchange(woken, false)) return false;  // without a lock
  bool stop = false;
  {
    const std::lock_guard lock(mutex);
    posted_now.swap(posted);
    stop = std::exchange(stopped, false);  // with what was posted before it
  }
  for (auto& what : posted_now) std::exchange(what, nullptr)();
  posted_now.clear();
  return stop;
}

void Reactor::Impl::run_timers() {
  const std::uint64_t first_new = next_timer;  // a timer that sets itself anew waits for its turn
  Timer last{INT64_MIN, 0};
  for (;;) {
    auto next = timers.upper_bound(last);
    while (next != timers.end() && next->first.number >= first_new) ++next;
    if (next == timers.end() || next->first.at > now.nanos) return;
    last = next->first;
    const auto what = std::move(next->second);
    timers.erase(next);
    what();
  }
}

void Reactor::Impl::run_deferred() {
  deferred_now.swap(deferred);
  for (auto& what : deferred_now) std::exchange(what, nullptr)();
  deferred_now.clear();
}

void Reactor::Impl::awake() const {
  const std::uint64_t one = 1;
  // It can fail only when the counter is full, and then the thread wakes anyway.
  [[maybe_unused]] const ssize_t put = ::write(wake.number(), &one, sizeof one);
}

Result<std::unique_ptr<Reactor>> Reactor::make() {
  auto impl = std::make_unique<Impl>();
  impl->epoll = Descriptor(::epoll_create1(EPOLL_CLOEXEC));
  if (!impl->epoll.open()) return error_from_errno("could not make an epoll descriptor", errno);
  impl->wake = Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!impl->wake.open()) return error_from_errno("could not make an event descriptor", errno);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = wake_slot;
  if (::epoll_ctl(impl->epoll.number(), EPOLL_CTL_ADD, impl->wake.number(), &event) != 0) {
    return error_from_errno("could not watch the event descriptor", errno);
  }
  impl->scratch = std::make_unique<char[]>(scratch_bytes);
  return std::unique_ptr<Reactor>(new Reactor(std::move(impl)));
}

Reactor::Reactor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Reactor::~Reactor() = default;

Result<Reactor::Watch> Reactor::watch(int descriptor, Watcher& watcher) {
  if (impl_->free_slots.empty()) {
    impl_->free_slots.push_back(static_cast<std::uint32_t>(impl_->slots.size()));
    impl_->slots.emplace_back();
  }
  const std::uint32_t number = impl_->free_slots.back();
  const Watch watch{number, impl_->slots[number].generation};
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = number_of(watch);
  if (::epoll_ctl(impl_->epoll.number(), EPOLL_CTL_ADD, descriptor, &event) != 0) {
    return error_from_errno("could not watch a descriptor", errno);
  }
  impl_->free_slots.pop_back();
  impl_->slots[number] = {
      .watcher = &watcher, .descriptor = descriptor, .generation = watch.generation};
  return watch;
}

void Reactor::forget(Watch watch) {
  Slot* slot = impl_->find(watch);
  if (slot == nullptr) return;
  ::epoll_ctl(impl_->epoll.number(), EPOLL_CTL_DEL, slot->descriptor, nullptr);
  *slot = {.generation = slot->generation + 1};
  impl_->free_slots.push_back(watch.slot);
}

void Reactor::again(Watch watch) {
  Slot* slot = impl_->find(watch);
  if (slot == nullptr || slot->again_round == impl_->round) return;
  slot->again_round = impl_->round;
  impl_->again.push_back(watch);
}

Reactor::Timer Reactor::call_at(Instant at, std::function<void()> what) {
  const Timer timer{at.nanos, impl_->next_timer++};
  impl_->timers.emplace(timer, std::move(what));
  return timer;
}

void Reactor::cancel(Timer timer) {
  impl_->timers.erase(timer);
}

void Reactor::defer(std::function<void()> what) {
  impl_->deferred.push_back(std::move(what));
}

void Reactor::at_turn_end(std::function<void()> what) {
  impl_->turn_end = std::move(what);
}

void Reactor::post(std::function<void()> what) {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->posted.push_back(std::move(what));
    if (impl_->posted.size() > 1) return;  // the first one has woken it
  }
  impl_->awake();
}

Instant Reactor::now() const {
  return impl_->running ? impl_->now : boot_now();
}

std::span<char> Reactor::scratch() {
  return {impl_->scratch.get(), scratch_bytes};
}

void Reactor::run() {
  impl_->running = true;
  bool stop = false;
  while (!stop) {
    const std::uint64_t asked_round = impl_->round++;
    impl_->again_now.swap(impl_->again);
    impl_->handle_events(asked_round);
    stop = impl_->run_posted();
    impl_->run_timers();
    impl_->run_deferred();
    impl_->end_turn();
  }
  impl_->running = false;
}

void Reactor::stop() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopped = true;
  }
  impl_->awake();
}

}  // namespace evergres::proxy
