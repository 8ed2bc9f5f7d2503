#include "proxy/auth/secret.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace evergres::proxy {
namespace {

constexpr std::string_view scheme = "SCRAM-SHA-256$";
constexpr std::size_t salt_most = 1024;

struct Letters {
  char32_t first;
  char32_t last;
};

/// Code points that NFKC leaves alone, that SASLprep neither maps, drops nor prohibits, that are
/// not written from right to left and never combine with the one before. The last range is
/// unassigned in Unicode 3.2: for such a password PostgreSQL takes the bytes as they are.
constexpr std::array stable_letters{
    Letters{0x00A1, 0x00A7}, Letters{0x00A9, 0x00A9},   Letters{0x00AB, 0x00AC},
    Letters{0x00AE, 0x00AE}, Letters{0x00B0, 0x00B1},   Letters{0x00B6, 0x00B7},
    Letters{0x00BB, 0x00BB}, Letters{0x00BF, 0x0131},   Letters{0x0134, 0x013E},
    Letters{0x0141, 0x0148}, Letters{0x014A, 0x017E},   Letters{0x0388, 0x038A},
    Letters{0x038C, 0x038C}, Letters{0x038E, 0x03A1},   Letters{0x03A3, 0x03CE},
    Letters{0x0400, 0x0482}, Letters{0x048A, 0x04FF},   Letters{0x2013, 0x2014},
    Letters{0x2018, 0x201E}, Letters{0x2022, 0x2022},   Letters{0x20AC, 0x20AC},
    Letters{0x3041, 0x3094}, Letters{0x30A1, 0x30FA},   Letters{0x4E00, 0x9FA5},
    Letters{0xAC00, 0xD7A3}, Letters{0x1F300, 0x1F64F},
};

/// Reads one code point of UTF-8 as PostgreSQL does (pg_utf8_islegal); 0 if there is none.
char32_t take_code_point(std::string_view& text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  const std::size_t length = lead < 0x80   ? 1
                             : lead < 0xC2 ? 0
                             : lead < 0xE0 ? 2
                             : lead < 0xF0 ? 3
                             : lead < 0xF5 ? 4
                                           : 0;
  if (length == 0 || text.size() < length) return 0;
  char32_t point = length == 1 ? lead : lead & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xC0U) != 0x80U) return 0;
    point = (point << 6U) | (at(i) & 0x3FU);
  }
  const bool shorter_exists = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
  if (shorter_exists || (point >= 0xD800 && point <= 0xDFFF) || point > 0x10FFFF) return 0;
  text.remove_prefix(length);
  return point;
}

bool is_stable(char32_t point) {
  return point < 0x80 ||
         std::any_of(stable_letters.begin(), stable_letters.end(), [&](const Letters& range) {
           return point >= range.first && point <= range.last;
         });
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    if (take_code_point(text) == 0) return false;
  }
  return true;
}

}  // namespace

std::optional<ScramSecret> read_secret(std::string_view text) {
  if (!text.starts_with(scheme)) return std::nullopt;
  text.remove_prefix(scheme.size());
  const std::size_t colon = text.find(':');
  const std::size_t dollar = text.find('$');
  const std::size_t second = text.find(':', dollar == std::string_view::npos ? 0 : dollar);
  if (colon == std::string_view::npos || dollar == std::string_view::npos || colon > dollar ||
      second == std::string_view::npos) {
    return std::nullopt;
  }
  ScramSecret secret;
  const char* end = text.data() + colon;
  const auto [stop, problem] = std::from_chars(text.data(), end, secret.iterations);
  if (problem != std::errc{} || stop != end || secret.iterations < 1 ||
      secret.iterations > 0x7fffffffU) {
    return std::nullopt;
  }
  const auto salt = from_base64(text.substr(colon + 1, dollar - colon - 1));
  const auto stored = from_base64(text.substr(dollar + 1, second - dollar - 1));
  const auto server = from_base64(text.substr(second + 1));
  if (!salt || !stored || !server || salt->empty() || salt->size() > salt_most) return std::nullopt;
  const auto stored_key = Key::of(*stored);
  const auto server_key = Key::of(*server);
  if (!stored_key || !server_key) return std::nullopt;
  secret.salt = *salt;
  secret.stored_key = *stored_key;
  secret.server_key = *server_key;
  return secret;
}

std::string text_of(const ScramSecret& secret) {
  return std::string(scheme) + std::to_string(secret.iterations) + ":" + base64(secret.salt) + "$" +
         base64(secret.stored_key.view()) + ":" + base64(secret.server_key.view());
}

ScramSecret make_secret(std::string_view password, std::string salt, std::uint32_t iterations) {
  const Key salted = salted_password(password, salt, iterations);
  ScramSecret secret;
  secret.iterations = iterations;
  secret.salt = std::move(salt);
  secret.stored_key = sha256(hmac(salted.view(), "Client Key").view());
  secret.server_key = hmac(salted.view(), "Server Key");
  return secret;
}

ScramSecret mock_secret(std::string_view user, const Key& mock_key, std::uint32_t iterations) {
  const auto derived = [&](std::string_view purpose) {
    return hmac(mock_key.view(), std::string(purpose) + '\0' + std::string(user));
  };
  ScramSecret secret;
  secret.iterations = iterations;
  secret.salt = derived("salt").view().substr(0, 16);
  secret.stored_key = derived("stored");
  secret.server_key = derived("server");
  return secret;
}

Result<std::string> prepare_password(std::string_view password) {
  // PostgreSQL takes the bytes as they are where they are not UTF-8.
  if (!is_utf8(password)) return std::string(password);
  for (std::string_view rest = password; !rest.empty();) {
    if (is_stable(take_code_point(rest))) continue;
    return Error(ErrorCode::config_invalid, "the password has a letter that cannot be normalised",
                 "SCRAM compares passwords after SASLprep, which changes some letters beyond "
                 "ASCII; Evergres has no tables for all of them.",
                 "Give the SCRAM secret from pg_authid.rolpassword instead of the password.");
  }
  return std::string(password);
}

}  // namespace evergres::proxy
