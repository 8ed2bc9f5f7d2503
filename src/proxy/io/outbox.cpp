#include "proxy/io/outbox.hpp"

#include "base/check.hpp"

namespace evergres::proxy {

void Outbox::put(Addressee& to, Batch& batch) {
  CHECK(batch.size() <= longest);
  if (batch.empty()) return;
  if (bytes_.size() + batch.size() > most) send();
  const std::size_t from = bytes_.size();
  batch.take(bytes_);
  const std::size_t size = bytes_.size() - from;
  if (!replies_.empty() && replies_.back().to == &to) {
    replies_.back().size += size;
  } else {
    replies_.push_back({&to, from, size});
  }
}

void Outbox::send() {
  for (const Reply& reply : replies_) {
    if (reply.to == nullptr) continue;
    reply.to->deliver(std::string_view(bytes_).substr(reply.from, reply.size));
  }
  replies_.clear();
  bytes_.clear();
}

void Outbox::forget(const Addressee& gone) {
  for (Reply& reply : replies_) {
    if (reply.to == &gone) reply.to = nullptr;
  }
}

}  // namespace evergres::proxy
