#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/check.hpp"
#include "base/field.hpp"

/// Each different value is kept once and then known by a number: what makes a state of a world
/// small enough for tens of millions of them, and equal if and only if its numbers are.
namespace evergres::explore {

inline std::uint64_t mixed(std::uint64_t seed, std::uint64_t value) {
  std::uint64_t x = (seed ^ value) * 0x9E3779B97F4A7C15U;
  x ^= x >> 32U;
  x *= 0xD6E8FEB86659FD93U;
  return x ^ (x >> 29U);
}

/// Of a value without padding whose size is a multiple of four.
template <typename Plain>
std::uint64_t digest_of_plain(const Plain& value) {
  static_assert(std::has_unique_object_representations_v<Plain> && sizeof(Plain) % 4 == 0);
  std::uint64_t digest = sizeof(Plain);
  const char* at = static_cast<const char*>(static_cast<const void*>(&value));
  std::size_t left = sizeof(Plain);
  for (; left >= 8; left -= 8, at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, 8);
    digest = mixed(digest, word);
  }
  if (left == 0) return digest;
  std::uint32_t rest = 0;
  std::memcpy(&rest, at, 4);
  return mixed(digest, rest);
}

/// Of anything that the core's structs are made of.
class Digest {
 public:
  [[nodiscard]] std::uint64_t value() const { return digest_; }

  template <typename Value>
  void add(const Value& value) {
    if constexpr (std::is_arithmetic_v<Value> || std::is_enum_v<Value>) {
      digest_ = mixed(digest_, static_cast<std::uint64_t>(value));
    } else if constexpr (std::is_same_v<Value, std::string>) {
      add_text(value);
    } else if constexpr (requires { fields(static_cast<const Value*>(nullptr)); }) {
      std::apply([&](const auto&... field) { (add(value.*(field.member)), ...); },
                 fields(static_cast<const Value*>(nullptr)));
    } else if constexpr (requires { value.has_value(); }) {
      add(value.has_value());
      if (value) add(*value);
    } else if constexpr (requires { value.begin(); }) {
      add(value.size());
      for (const auto& each : value) add(each);
    } else if constexpr (requires { value.nanos; }) {
      add(value.nanos);
    } else if constexpr (requires { value.count(); }) {
      add(value.count());
    } else {
      add(value.value);
    }
  }

 private:
  void add_text(const std::string& text) {
    add(text.size());
    for (const char letter : text) digest_ = mixed(digest_, static_cast<unsigned char>(letter));
  }
  std::uint64_t digest_ = 1;
};

template <typename Value>
std::uint64_t digest_of(const Value& value) {
  if constexpr (requires { value.digest(); }) {
    return value.digest();
  } else if constexpr (std::has_unique_object_representations_v<Value>) {
    return digest_of_plain(value);
  } else {
    Digest digest;
    digest.add(value);
    return digest.value();
  }
}

/// Numbers are given out from 0 on and never change. Not for several threads.
template <typename Value>
class Pool {
 public:
  /// `expected` values are reserved: the memory is touched only as it is used.
  explicit Pool(std::size_t expected = 1024) {
    values_.reserve(expected);
    slots_.assign(4096, 0);
  }

  /// The number of the value, and whether it is new.
  std::pair<std::uint32_t, bool> put(const Value& value) {
    if ((values_.size() + 1) * 10 > slots_.size() * 7) grow();
    std::size_t at = digest_of(value) & (slots_.size() - 1);
    for (; slots_[at] != 0; at = (at + 1) & (slots_.size() - 1)) {
      if (values_[slots_[at] - 1] == value) return {slots_[at] - 1, false};
    }
    values_.push_back(value);
    slots_[at] = static_cast<std::uint32_t>(values_.size());
    return {slots_[at] - 1, true};
  }
  std::uint32_t number(const Value& value) { return put(value).first; }

  const Value& operator[](std::uint32_t number) const { return values_[number]; }
  [[nodiscard]] std::size_t size() const { return values_.size(); }
  /// In bytes, without what the values own elsewhere.
  [[nodiscard]] std::size_t memory() const {
    return values_.size() * sizeof(Value) + slots_.size() * sizeof(slots_[0]);
  }

 private:
  void grow() {
    std::vector<std::uint32_t> wider(slots_.size() * 2, 0);
    for (std::uint32_t entry = 1; entry <= values_.size(); ++entry) {
      std::size_t at = digest_of(values_[entry - 1]) & (wider.size() - 1);
      while (wider[at] != 0) at = (at + 1) & (wider.size() - 1);
      wider[at] = entry;
    }
    slots_ = std::move(wider);
  }

  std::vector<Value> values_;
  std::vector<std::uint32_t> slots_;  ///< number + 1; 0: free
};

}  // namespace evergres::explore
