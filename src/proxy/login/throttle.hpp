#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>

#include "base/instant.hpp"
#include "proxy/auth/hba.hpp"
#include "proxy/login/recent.hpp"

namespace evergres::proxy {

/// Delays the answers to failed logins: the more there were lately from an address or for a user,
/// the longer. Successful logins are never delayed, so that nobody can lock somebody else out. An
/// IPv6 address counts with its network of 64 bits. What is known of strangers is bounded; who
/// floods the table is then counted by user. Any thread: one mutex, taken by failed logins only.
class LoginThrottle {
 public:
  struct Limits {
    Millis first{100};            ///< after the first failure; doubled by each further one
    Millis most{5'000};           ///< never longer
    Millis half_life{60'000};     ///< after as long half of the failures are forgotten
    std::size_t entries = 4'096;  ///< addresses, and as many users
  };
  struct Counts {
    std::uint64_t failures = 0;
    std::size_t addresses = 0;
    std::size_t users = 0;
    std::size_t pushed_out = 0;
  };

  explicit LoginThrottle(Limits limits);

  /// Counts a failed login. The result: how long to wait with the answer. `address`: absent for a
  /// unix socket, where only the user counts.
  Millis failed(const std::optional<IpAddress>& address, std::string_view user, Instant now);

  [[nodiscard]] Counts counts() const;

 private:
  struct Failures {
    std::uint32_t count = 0;
    Instant halved;  ///< when `count` was last made smaller, or began
  };
  std::uint32_t add(Failures& failures, Instant now) const;

  const Limits limits_;
  mutable std::mutex mutex_;
  std::uint64_t failures_ = 0;
  Recent<Failures> addresses_;
  Recent<Failures> users_;
};

}  // namespace evergres::proxy
