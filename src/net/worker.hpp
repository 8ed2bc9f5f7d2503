#pragma once

#include <boost/asio/this_coro.hpp>
#include <concepts>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <type_traits>

#include "net/task_group.hpp"

namespace evergres::net {

/// One named thread that runs functions which may block (SQLite, files, child processes), in order.
/// The queue is bounded. The execution contexts of all callers outlive the worker.
class Worker {
 public:
  /// `name` is shown by ps and top (at most 15 bytes are).
  explicit Worker(std::string name, std::size_t queue_limit = 64);
  /// Waits for the running function (functions have deadlines); those that wait end as cancelled.
  ~Worker();
  Worker(Worker&&) = delete;

  /// Runs `work`, a function without arguments that returns a Result<T>, on the thread and resumes
  /// the caller on its own executor with the outcome. A full queue is Error refused, an exception
  /// of `work` is Error internal, a worker that ends is Error cancelled. If the caller is cancelled
  /// meanwhile this throws operation_aborted at once; the function runs to its end and its result
  /// is dropped, so it must own everything that it uses.
  template <typename F>
  awaitable<std::invoke_result_t<F&>> run(F work) {
    using R = std::invoke_result_t<F&>;
    auto executor = co_await boost::asio::this_coro::executor;
    auto job = std::make_shared<Job<R, F>>(executor, std::move(work));
    if (auto queued = enqueue(job); !queued) co_return R(queued.error());
    // Local, so that nothing of the worker is touched after the wait.
    auto waiting = job->done.wait();
    co_await std::move(waiting);
    co_return std::move(*job->outcome);
  }

  [[nodiscard]] std::size_t waiting() const;

 private:
  struct AnyJob {
    virtual ~AnyJob() = default;
    virtual void run() = 0;
    virtual void abandon() = 0;
  };

  template <typename R, typename F>
  struct Job final : AnyJob {
    Job(boost::asio::any_io_executor executor, F function)
        : work(std::move(function)), done(std::move(executor), Wakeup::Kind::manual) {}
    void run() override {
      try {
        outcome.emplace(work());
      } catch (const std::exception& failure) {
        outcome.emplace(Error(ErrorCode::internal, "a background function failed", failure.what()));
      }
      done.post();
    }
    void abandon() override {
      outcome.emplace(Error(ErrorCode::cancelled, "the background thread is stopping"));
      done.post();
    }
    F work;
    std::optional<R> outcome;
    Wakeup done;
  };

  Outcome enqueue(std::shared_ptr<AnyJob> job);
  void loop();

  std::string name_;
  std::size_t queue_limit_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<AnyJob>> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace evergres::net
