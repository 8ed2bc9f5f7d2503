#pragma once

#include <coroutine>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace evergres::sim {

/// A step by step operation of the simulated world: a lazy coroutine that ends with a value.
/// Whoever holds the outermost Task may drop it at any step, which ends it as SIGKILL ends a
/// process.
template <typename T>
class [[nodiscard]] Task {
 public:
  struct promise_type {
    std::optional<T> value;
    std::coroutine_handle<> then;
    Task get_return_object() {
      return Task(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_always initial_suspend() noexcept { return {}; }
    struct Final {
      bool await_ready() noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> ended) noexcept {
        const std::coroutine_handle<> next = ended.promise().then;
        return next ? next : std::noop_coroutine();
      }
      void await_resume() noexcept {}
    };
    Final final_suspend() noexcept { return {}; }
    void return_value(T result) { value.emplace(std::move(result)); }
    void unhandled_exception() { std::terminate(); }
  };

  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  void start() { handle_.resume(); }
  [[nodiscard]] bool done() const { return handle_.done(); }
  [[nodiscard]] T& value() { return *handle_.promise().value; }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiter) {
    handle_.promise().then = waiter;
    return handle_;
  }
  T await_resume() { return std::move(*handle_.promise().value); }

 private:
  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  std::coroutine_handle<promise_type> handle_;
};

/// Awaits a callback that comes at most once, unless the run that awaits it is dropped before.
template <typename T>
class Answered {
 public:
  using Reply = std::function<void(T)>;
  Answered(std::weak_ptr<int> run, std::function<void(Reply)> begin)
      : run_(std::move(run)), begin_(std::move(begin)) {}

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> waiter) {
    auto came = std::make_shared<bool>(false);
    auto inside = std::make_shared<bool>(true);
    begin_([this, waiter, came, inside, run = run_](T value) {
      if (run.expired() || std::exchange(*came, true)) return;
      value_.emplace(std::move(value));
      if (!*inside) waiter.resume();
    });
    *inside = false;
    return !*came;
  }
  T await_resume() { return std::move(*value_); }

 private:
  std::weak_ptr<int> run_;
  std::function<void(Reply)> begin_;
  std::optional<T> value_;
};

}  // namespace evergres::sim
