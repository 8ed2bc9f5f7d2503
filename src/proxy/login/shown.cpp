#include "proxy/login/shown.hpp"

#include "proxy/wire/startup.hpp"

namespace evergres::proxy {
namespace {

/// The bytes of the well-formed letter at the front (Unicode 15, table 3-7), 0 if there is none.
std::size_t letter(std::string_view text) {
  const auto at = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned lead = at(0);
  if (lead < 0x80) return lead < 0x20 || lead == 0x7f ? 0 : 1;
  unsigned low = 0x80;
  unsigned high = 0xbf;
  std::size_t length = 0;
  if (lead >= 0xc2 && lead <= 0xdf) {
    length = 2;
    if (lead == 0xc2) low = 0xa0;  // U+0080 to U+009F are control characters
  } else if (lead >= 0xe0 && lead <= 0xef) {
    length = 3;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    length = 4;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
  }
  if (length == 0 || at(1) < low || at(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (at(i) < 0x80 || at(i) > 0xbf) return 0;
  }
  return length;
}

}  // namespace

std::string shown(std::string_view text, std::size_t most) {
  std::string clean;
  while (!text.empty()) {
    const std::size_t length = letter(text);
    const std::size_t taken = length == 0 ? 1 : length;
    if (clean.size() + taken > most) break;
    clean += length == 0 ? std::string_view("?") : text.substr(0, length);
    text.remove_prefix(taken);
  }
  return clean;
}

std::string shown_name(std::string_view name) {
  return '"' + shown(name, name_most) + '"';
}

}  // namespace evergres::proxy
