#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/io/stream.hpp"

namespace evergres::proxy {

/// What is sent with one system call: views of what was read and bytes of ours between them, in
/// order. Kept by its thread and used again, so that a batch allocates nothing once it has been as
/// large before. What is viewed has to stay where it is until it is sent.
class Batch {
 public:
  void pass(std::string_view bytes) {
    if (bytes.empty()) return;
    if (!parts_.empty() && parts_.back().view != nullptr &&
        parts_.back().view + parts_.back().size == bytes.data()) {
      parts_.back().size += bytes.size();
    } else {
      parts_.push_back({bytes.data(), 0, bytes.size()});
    }
    size_ += bytes.size();
  }

  /// `write` appends messages to the string that it is given.
  template <typename Write>
  void add(Write write) {
    const std::size_t before = own_.size();
    write(own_);
    const std::size_t added = own_.size() - before;
    if (added == 0) return;
    if (!parts_.empty() && parts_.back().view == nullptr) {
      parts_.back().size += added;
    } else {
      parts_.push_back({nullptr, before, added});
    }
    size_ += added;
  }

  [[nodiscard]] bool empty() const { return parts_.empty(); }
  [[nodiscard]] std::size_t size() const { return size_; }
  void clear() {
    parts_.clear();
    own_.clear();
    size_ = 0;
  }

  /// False if the stream is broken.
  bool send(Stream& to) {
    if (parts_.empty()) return true;
    views_.clear();
    for (const Part& part : parts_) views_.push_back(bytes_of(part));
    const bool sound = to.write(std::span<const std::string_view>(views_));
    clear();
    return sound;
  }
  /// Its bytes are appended to `to` instead.
  void take(std::string& to) {
    for (const Part& part : parts_) to.append(bytes_of(part));
    clear();
  }

 private:
  struct Part {
    const char* view;  ///< nullptr: in own_, at `from`
    std::size_t from;
    std::size_t size;
  };
  [[nodiscard]] std::string_view bytes_of(const Part& part) const {
    if (part.view != nullptr) return {part.view, part.size};
    return std::string_view(own_).substr(part.from, part.size);
  }
  std::vector<Part> parts_;
  std::string own_;
  std::vector<std::string_view> views_;
  std::size_t size_ = 0;
};

}  // namespace evergres::proxy
