#include "base/instant.hpp"

#include <cstdio>
#include <ctime>

namespace evergres {

Instant boot_now() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return Instant{static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec};
}

std::int64_t wall_now_ms() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

std::string wall_text(std::int64_t wall_ms) {
  const std::time_t seconds = static_cast<std::time_t>(wall_ms / 1000);
  std::tm broken_down{};
  gmtime_r(&seconds, &broken_down);
  char day[32];
  std::strftime(day, sizeof day, "%Y-%m-%d %H:%M:%S", &broken_down);
  char text[64];
  std::snprintf(text, sizeof text, "%s.%03d+00", day, static_cast<int>(wall_ms % 1000));
  return text;
}

}  // namespace evergres
