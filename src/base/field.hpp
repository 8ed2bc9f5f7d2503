#pragma once

#include <string_view>
#include <tuple>

namespace evergres {

/// One described member of a struct. A struct that travels (record, situation, decision, heartbeat,
/// configuration) has a free function in its own namespace
///
///   constexpr auto fields(const Policy*) {
///     return std::tuple{Field{"mode", &Policy::mode}, Field{"voters", &Policy::voters}};
///   }
///
/// and from that one list its JSON is read and written (cluster/json.hpp). An enum that travels has
///
///   constexpr auto words(const Phase*) {
///     return std::array{Word{"vacant", Phase::vacant}, …};
///   }
template <typename Struct, typename Member>
struct Field {
  std::string_view name;
  Member Struct::*member;
};
template <typename Struct, typename Member>
Field(const char*, Member Struct::*) -> Field<Struct, Member>;

template <typename Enum>
struct Word {
  std::string_view word;
  Enum value;
};
template <typename Enum>
Word(const char*, Enum) -> Word<Enum>;

/// The word of an enum value, "?" if it has none.
template <typename Enum>
constexpr std::string_view word_of(Enum value) {
  for (const auto& entry : words(static_cast<const Enum*>(nullptr))) {
    if (entry.value == value) return entry.word;
  }
  return "?";
}

}  // namespace evergres
