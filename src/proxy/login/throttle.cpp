#include "proxy/login/throttle.hpp"

#include <algorithm>
#include <string>

#include "base/check.hpp"

namespace evergres::proxy {
namespace {

/// Doubling more often than this exceeds every limit.
constexpr std::uint32_t count_most = 32;

std::string network_of(const IpAddress& address) {
  const std::size_t bytes = address.v6 ? 8 : 4;
  std::string name(1, address.v6 ? '6' : '4');
  name.append(address.bytes.begin(), address.bytes.begin() + static_cast<std::ptrdiff_t>(bytes));
  return name;
}

}  // namespace

LoginThrottle::LoginThrottle(Limits limits)
    : limits_(limits), addresses_(limits.entries), users_(limits.entries) {
  CHECK(limits.first.count() > 0 && limits.most >= limits.first && limits.half_life.count() > 0);
}

std::uint32_t LoginThrottle::add(Failures& failures, Instant now) const {
  const Nanos span = limits_.half_life;
  const std::int64_t halvings = std::max<std::int64_t>(0, (now - failures.halved) / span);
  if (failures.count == 0 || halvings >= count_most) {
    failures.count = 0;
    failures.halved = now;
  } else {
    failures.count >>= static_cast<unsigned>(halvings);
    failures.halved = failures.halved + halvings * span;
  }
  failures.count = std::min(failures.count + 1, count_most);
  return failures.count;
}

Millis LoginThrottle::failed(const std::optional<IpAddress>& address, std::string_view user,
                             Instant now) {
  const std::lock_guard lock(mutex_);
  ++failures_;
  std::uint32_t count = add(users_.at(user), now);
  if (address) count = std::max(count, add(addresses_.at(network_of(*address)), now));
  Millis delay = limits_.first;
  for (std::uint32_t doubled = 1; doubled < count && delay < limits_.most; ++doubled) delay *= 2;
  return std::min(delay, limits_.most);
}

LoginThrottle::Counts LoginThrottle::counts() const {
  const std::lock_guard lock(mutex_);
  return Counts{failures_, addresses_.size(), users_.size(),
                addresses_.pushed_out() + users_.pushed_out()};
}

}  // namespace evergres::proxy
