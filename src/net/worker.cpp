#include "net/worker.hpp"

#include <pthread.h>

namespace evergres::net {

Worker::Worker(std::string name, std::size_t queue_limit)
    : name_(std::move(name)), queue_limit_(queue_limit), thread_([this] { loop(); }) {}

Worker::~Worker() {
  std::deque<std::shared_ptr<AnyJob>> abandoned;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    abandoned.swap(queue_);
  }
  changed_.notify_all();
  thread_.join();
  for (const auto& job : abandoned) job->abandon();
}

std::size_t Worker::waiting() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

Outcome Worker::enqueue(std::shared_ptr<AnyJob> job) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return Error(ErrorCode::cancelled, "the background thread is stopping");
  if (queue_.size() >= queue_limit_) {
    return Error(ErrorCode::refused, "the background thread " + name_ + " has too much to do",
                 std::to_string(queue_.size()) + " functions wait for it.");
  }
  queue_.push_back(std::move(job));
  changed_.notify_one();
  return {};
}

void Worker::loop() {
  pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    const std::shared_ptr<AnyJob> job = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    job->run();
    lock.lock();
  }
}

}  // namespace evergres::net
