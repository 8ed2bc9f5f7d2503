#include "base/names.hpp"

#include <sys/random.h>

#include <vector>

#include "base/check.hpp"

namespace evergres {

bool is_node_name(std::string_view text) {
  if (text.empty() || text.size() > 32) return false;
  if (text.front() < 'a' || text.front() > 'z') return false;
  for (const char c : text) {
    const bool allowed = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    if (!allowed) return false;
  }
  return true;
}

std::string random_hex(std::size_t bytes) {
  std::vector<unsigned char> raw(bytes);
  CHECK(getrandom(raw.data(), raw.size(), 0) == static_cast<ssize_t>(raw.size()));
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes * 2);
  for (const unsigned char byte : raw) {
    text += digits[byte >> 4U];
    text += digits[byte & 15U];
  }
  return text;
}

}  // namespace evergres
