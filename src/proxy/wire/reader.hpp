#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace evergres::proxy {

/// Reads the numbers and texts of one message that somebody else sent. The first read past the end
/// makes it fail for good: everything after reads as zero or empty, so that a parser reads all of
/// its fields and asks once, at the end. Views point into the bytes that were given; nothing is
/// copied and nothing is allocated, whatever the bytes claim.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  std::uint8_t byte() { return static_cast<std::uint8_t>(number(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
  std::uint32_t u32() { return number(4); }
  std::int32_t i32() { return static_cast<std::int32_t>(number(4)); }

  /// Up to the next zero byte, which is read too and is not part of the text. Fails without one.
  std::string_view text() {
    const std::size_t end = ok_ ? rest_.find('\0') : std::string_view::npos;
    if (end == std::string_view::npos) return fail();
    const std::string_view found = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return found;
  }

  std::string_view take(std::size_t count) {
    if (!ok_ || rest_.size() < count) return fail();
    const std::string_view found = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return found;
  }

  /// Everything that is left; it counts as read.
  std::string_view rest() { return take(rest_.size()); }

  [[nodiscard]] std::size_t left() const { return rest_.size(); }
  [[nodiscard]] bool ok() const { return ok_; }
  /// All reads succeeded and nothing is left over.
  [[nodiscard]] bool done() const { return ok_ && rest_.empty(); }

 private:
  std::string_view fail() {
    ok_ = false;
    rest_ = {};
    return {};
  }

  std::uint32_t number(std::size_t bytes) {
    std::uint32_t value = 0;
    for (const char c : take(bytes)) value = (value << 8U) | static_cast<unsigned char>(c);
    return value;
  }

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace evergres::proxy
