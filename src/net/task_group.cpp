#include "net/task_group.hpp"

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

namespace evergres::net {
namespace asio = boost::asio;

namespace {

bool is_cancellation(const std::exception_ptr& failure) {
  if (!failure) return false;
  try {
    std::rethrow_exception(failure);
  } catch (const boost::system::system_error& error) {
    return error.code() == asio::error::operation_aborted;
  } catch (...) {
    return false;
  }
}

bool was_cancelled(const asio::cancellation_state& state) {
  return state.cancelled() != asio::cancellation_type::none;
}

}  // namespace

struct Wakeup::State {
  State(asio::any_io_executor executor_, Kind kind_)
      : executor(std::move(executor_)), kind(kind_) {}

  void set() {
    given = true;
    for (asio::steady_timer* waiter : waiters) waiter->cancel();
  }

  asio::any_io_executor executor;
  Kind kind;
  bool given = false;
  std::vector<asio::steady_timer*> waiters;
};

Wakeup::Wakeup(asio::any_io_executor executor, Kind kind)
    : state_(std::make_shared<State>(std::move(executor), kind)) {}

Wakeup::~Wakeup() = default;

void Wakeup::set() {
  state_->set();
}

void Wakeup::reset() {
  state_->given = false;
}

void Wakeup::post() {
  asio::post(state_->executor, [state = state_] { state->set(); });
}

awaitable<bool> Wakeup::wait(std::optional<Nanos> at_most) {
  return wait_on(state_, at_most);
}

awaitable<bool> Wakeup::wait_on(std::shared_ptr<State> state, std::optional<Nanos> at_most) {
  using Clock = std::chrono::steady_clock;
  const auto until = at_most ? Clock::now() + *at_most : Clock::time_point::max();
  asio::steady_timer timer(state->executor);
  struct Registration {
    State& state;
    asio::steady_timer* timer;
    ~Registration() { std::erase(state.waiters, timer); }
  } registration{*state, &timer};
  state->waiters.push_back(&timer);
  while (true) {
    const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
    if (was_cancelled(cancellation)) {
      throw boost::system::system_error(asio::error::operation_aborted);
    }
    if (state->given) {
      if (state->kind == Kind::automatic) state->given = false;
      co_return true;
    }
    if (Clock::now() >= until) co_return false;
    timer.expires_at(until);
    boost::system::error_code ignored;
    auto token = asio::redirect_error(asio::use_awaitable, ignored);
    co_await timer.async_wait(token);
  }
}

TaskGroup::TaskGroup(asio::any_io_executor executor)
    : executor_(executor), changed_(std::move(executor)) {}

TaskGroup::~TaskGroup() {
  CHECK(tasks_.empty());
}

void TaskGroup::spawn(awaitable<void> task) {
  auto signal = std::make_shared<asio::cancellation_signal>();
  tasks_.push_back(signal);
  auto on_end = [this, signal](std::exception_ptr failure) { ended(signal, std::move(failure)); };
  asio::co_spawn(executor_, std::move(task),
                 asio::bind_cancellation_slot(signal->slot(), std::move(on_end)));
}

void TaskGroup::ended(const Signal& signal, std::exception_ptr failure) {
  std::erase(tasks_, signal);
  if (failure && !failure_ && !is_cancellation(failure)) {
    failure_ = std::move(failure);
    cancel();
  }
  changed_.set();
}

void TaskGroup::cancel() {
  // A copy, because a task that ends at once removes itself from the list.
  const auto running = tasks_;
  for (const auto& signal : running) signal->emit(asio::cancellation_type::terminal);
}

awaitable<void> TaskGroup::join() {
  bool cancelled = false;
  while (!tasks_.empty()) {
    const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
    if (was_cancelled(state)) {
      cancelled = true;
      cancel();
      // From here on nothing may interrupt the wait for the tasks.
      co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
      continue;
    }
    try {
      auto waiting = changed_.wait();
      co_await std::move(waiting);
    } catch (const boost::system::system_error&) {
      // Cancelled: the next round looks.
    }
  }
  if (cancelled) {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_terminal_cancellation());
  }
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  if (cancelled) throw boost::system::system_error(asio::error::operation_aborted);
}

awaitable<void> pause_for(Nanos span) {
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, span);
  co_await timer.async_wait(asio::use_awaitable);
}

namespace detail {

awaitable<bool> run_within(Nanos at_most, awaitable<void> op) {
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, at_most);
  auto group = asio::experimental::make_parallel_group(
      asio::co_spawn(executor, std::move(op), asio::deferred), timer.async_wait(asio::deferred));
  auto condition = asio::experimental::wait_for_one();
  auto waiting = std::move(group).async_wait(condition, asio::use_awaitable);
  auto [order, failure, timer_error] = co_await std::move(waiting);
  // If we were cancelled, the timer was as well; only a timer that ran out is a timeout.
  const bool timed_out = order[0] == 1 && !timer_error;
  if (failure && !(timed_out && is_cancellation(failure))) std::rethrow_exception(failure);
  co_return !failure;
}

}  // namespace detail
}  // namespace evergres::net
