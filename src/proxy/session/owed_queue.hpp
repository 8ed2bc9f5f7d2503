#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace evergres::proxy {

/// A queue that keeps its memory: what comes and goes all the time allocates only while the queue
/// grows to a size that it never had. One thread.
template <class T>
class OwedQueue {
 public:
  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] std::size_t size() const { return count_; }
  /// From the front; `index` < size().
  T& operator[](std::size_t index) { return ring_[(first_ + index) & (ring_.size() - 1)]; }
  const T& operator[](std::size_t index) const {
    return ring_[(first_ + index) & (ring_.size() - 1)];
  }
  T& front() { return (*this)[0]; }
  [[nodiscard]] const T& front() const { return (*this)[0]; }

  void push_back(const T& value) {
    if (count_ == ring_.size()) grow();
    ++count_;
    (*this)[count_ - 1] = value;
  }
  void pop_front() {
    first_ = (first_ + 1) & (ring_.size() - 1);
    --count_;
  }
  /// Takes one out of the middle.
  void erase(std::size_t index) {
    for (std::size_t i = index + 1; i < count_; ++i) (*this)[i - 1] = (*this)[i];
    --count_;
  }
  /// Puts one in front of what stands at `index` <= size().
  void insert(std::size_t index, const T& value) {
    push_back(value);
    for (std::size_t i = count_ - 1; i > index; --i) (*this)[i] = (*this)[i - 1];
    (*this)[index] = value;
  }

 private:
  void grow() {
    std::vector<T> wider(ring_.empty() ? 8 : 2 * ring_.size());
    for (std::size_t i = 0; i < count_; ++i) wider[i] = (*this)[i];
    ring_ = std::move(wider);
    first_ = 0;
  }

  std::vector<T> ring_;  ///< its size is 0 or a power of two
  std::size_t first_ = 0;
  std::size_t count_ = 0;
};

}  // namespace evergres::proxy
