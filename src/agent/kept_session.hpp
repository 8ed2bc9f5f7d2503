#pragma once

#include <mutex>
#include <optional>

#include "base/names.hpp"
#include "postgres/session.hpp"

namespace evergres::agent {

/// The session over which our server was promoted, for the proof of its barrier: it was opened
/// after the reload that brought the names of the policy, and showed them. Every thread.
class KeptSession {
 public:
  void keep(Term term, std::uint64_t start_id, postgres::Session session) {
    const std::lock_guard lock(mutex_);
    kept_.emplace(Kept{term, start_id, std::move(session)});
  }

  /// It is given once, and never for another term or start of the server.
  std::optional<postgres::Session> take(Term term, std::uint64_t start_id) {
    const std::lock_guard lock(mutex_);
    auto kept = std::exchange(kept_, std::nullopt);
    if (!kept || kept->term != term || kept->start_id != start_id) return std::nullopt;
    return std::move(kept->session);
  }

 private:
  struct Kept {
    Term term;
    std::uint64_t start_id;
    postgres::Session session;
  };
  std::mutex mutex_;
  std::optional<Kept> kept_;
};

}  // namespace evergres::agent
