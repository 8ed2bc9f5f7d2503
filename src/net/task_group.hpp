#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/instant.hpp"
#include "base/result.hpp"

/// Structured concurrency for the control side. Everything here belongs to one executor that runs
/// on one thread; only Wakeup::post may be called from elsewhere.
///
/// GCC 12 destroys braced values and lambdas twice inside `co_await` expressions: name what you
/// pass, then await.
namespace evergres::net {

using boost::asio::awaitable;

/// Something to wait for. `automatic`: one wait consumes the signal; `manual`: it stays until
/// reset().
class Wakeup {
 public:
  enum class Kind { automatic, manual };
  explicit Wakeup(boost::asio::any_io_executor executor, Kind kind = Kind::automatic);
  ~Wakeup();
  Wakeup(Wakeup&&) = delete;

  void set();    ///< from the executor's thread
  void reset();  ///< from the executor's thread
  /// set(), from any thread, as long as this object and the execution context live.
  void post();
  /// True once it is set, false after `at_most`. A signal that was given before the wait counts.
  /// Throws boost::system::system_error(operation_aborted) when the waiting task is cancelled.
  awaitable<bool> wait(std::optional<Nanos> at_most = std::nullopt);

 private:
  struct State;
  static awaitable<bool> wait_on(std::shared_ptr<State> state, std::optional<Nanos> at_most);
  std::shared_ptr<State> state_;
};

/// Tasks that do not outlive this object. The owner awaits join() before it lets go; the destructor
/// CHECKs that no task is left.
class TaskGroup {
 public:
  explicit TaskGroup(boost::asio::any_io_executor executor);
  ~TaskGroup();
  TaskGroup(TaskGroup&&) = delete;

  /// Starts the task. If it ends with an exception other than its own cancellation, the others are
  /// cancelled and join() throws it.
  void spawn(awaitable<void> task);
  /// Asks every running task to stop (terminal cancellation). Returns at once.
  void cancel();
  /// Waits until no task is left. If the waiting task is cancelled, the group is cancelled, and
  /// this still waits for all its tasks before it throws operation_aborted.
  awaitable<void> join();
  [[nodiscard]] std::size_t size() const { return tasks_.size(); }

 private:
  using Signal = std::shared_ptr<boost::asio::cancellation_signal>;
  void ended(const Signal& signal, std::exception_ptr failure);

  boost::asio::any_io_executor executor_;
  std::vector<Signal> tasks_;
  std::exception_ptr failure_;
  Wakeup changed_;
};

/// Sleeps. Throws operation_aborted when cancelled.
awaitable<void> pause_for(Nanos span);

namespace detail {
/// Runs `op` and a timer, cancels the loser and waits for it. True if `op` ended by itself or
/// in spite of its cancellation; rethrows what it threw.
awaitable<bool> run_within(Nanos at_most, awaitable<void> op);

template <typename T>
awaitable<void> run_into(awaitable<T> op, std::optional<T>* into) {
  into->emplace(co_await std::move(op));
}
}  // namespace detail

/// The value of `op`, or nothing when `at_most` passed first; `op` is then cancelled and has ended
/// before this returns. A value that arrives in spite of the cancellation is not lost.
template <typename T>
awaitable<std::optional<T>> within(Nanos at_most, awaitable<T> op) {
  std::optional<T> value;
  auto work = detail::run_into(std::move(op), &value);
  co_await detail::run_within(at_most, std::move(work));
  co_return value;
}

}  // namespace evergres::net
