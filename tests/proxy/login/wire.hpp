#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "proxy/wire/backend.hpp"
#include "proxy/wire/reader.hpp"

namespace evergres::proxy::test {

struct Sent {
  char type = 0;
  std::string body;
};

/// The typed messages in `bytes`, which have to be whole.
inline std::vector<Sent> messages(std::string_view bytes) {
  std::vector<Sent> all;
  Reader reader(bytes);
  while (reader.left() > 0) {
    Sent sent;
    sent.type = static_cast<char>(reader.byte());
    const std::uint32_t length = reader.u32();
    if (length < 4) break;
    sent.body = reader.take(length - 4);
    if (!reader.ok()) break;
    all.push_back(std::move(sent));
  }
  EXPECT_TRUE(reader.done());
  return all;
}

inline std::string types(std::string_view bytes) {
  std::string all;
  for (const Sent& sent : messages(bytes)) all += sent.type;
  return all;
}

/// What one side has sent: takes it, so that the next look sees only what is new.
inline std::string taken(std::string& bytes) {
  return std::exchange(bytes, {});
}

}  // namespace evergres::proxy::test
