#pragma once

#include <boost/json.hpp>
#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/field.hpp"
#include "base/instant.hpp"
#include "base/lsn.hpp"
#include "base/result.hpp"
#include "base/strong.hpp"

/// JSON of described structs, read and written from the one list `fields()` or `words()` that
/// stands beside the type (base/field.hpp).
///
///   std::string text = json_text(record);
///   Result<core::Record> back = parse_json<core::Record>(text, 1 << 20, "record");
///
/// Known: bool, integers, double, std::string, std::optional (null or absent is nothing),
/// std::vector, std::map with text keys, StrongNumber, StrongText, Lsn ("0/1234"), Instant and
/// Nanos (nanoseconds), Millis (milliseconds), enums with words(), structs with fields(), and
/// std::variant of structs that have `static constexpr const char* kind` ({"kind": "…", members}).
///
/// Reading is strict about what it knows (type, range, enum word, missing member) and ignores
/// members that it does not know, because a newer version may have written them. Objects come out
/// in the order of the list. All functions are pure and may be called from any thread.
namespace evergres::cluster {
namespace json_detail {

/// Where the reader is: "record.policy.voters[1].node". Lives on the stack, one link per level.
class Place {
 public:
  explicit Place(std::string_view root) : name_(root) {}
  Place(const Place& parent, std::string_view member) : parent_(&parent), name_(member) {}
  Place(const Place& parent, std::size_t index) : parent_(&parent), index_(index) {}
  [[nodiscard]] std::string text() const;

 private:
  const Place* parent_ = nullptr;
  std::string_view name_;
  std::optional<std::size_t> index_;
};

/// Error data_invalid: "RECORD.TERM is text, not a number."
Error wrong_kind(const Place& place, const boost::json::value& found, std::string_view wanted);
Error out_of_range(const Place& place, const boost::json::value& found);
Error missing(const Place& place);
Error unknown_word(const Place& place, std::string_view word, const std::string& known);

Result<bool> read_bool(const boost::json::value& from, const Place& place);
Result<double> read_double(const boost::json::value& from, const Place& place);
Result<std::string> read_text(const boost::json::value& from, const Place& place);
Result<Lsn> read_lsn(const boost::json::value& from, const Place& place);
Result<boost::json::value> parse_text(std::string_view text, std::size_t size_limit,
                                      std::string_view what);

/// The text with every byte that is no UTF-8 replaced by U+FFFD: what we write must be readable by
/// everybody, also when it quotes a message in another encoding.
std::string clean_utf8(std::string_view text);

template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};
template <typename T>
struct IsMap : std::false_type {};
template <typename K, typename V>
struct IsMap<std::map<K, V>> : std::true_type {};
template <typename T>
struct IsVariant : std::false_type {};
template <typename... T>
struct IsVariant<std::variant<T...>> : std::true_type {};
template <typename T>
struct IsStrongNumber : std::false_type {};
template <typename Tag, typename V>
struct IsStrongNumber<StrongNumber<Tag, V>> : std::true_type {};
template <typename T>
struct IsStrongText : std::false_type {};
template <typename Tag>
struct IsStrongText<StrongText<Tag>> : std::true_type {};
template <typename T>
struct IsDuration : std::false_type {};
template <typename R, typename P>
struct IsDuration<std::chrono::duration<R, P>> : std::true_type {};

template <typename T>
concept Described = std::is_class_v<T> && requires {
  fields(static_cast<const T*>(nullptr));
};
template <typename T>
concept Worded = std::is_enum_v<T> && requires {
  words(static_cast<const T*>(nullptr));
};
template <typename T>
inline constexpr bool never = false;

template <typename T>
boost::json::value write(const T& from);
template <typename T>
Outcome read(T& into, const boost::json::value& from, const Place& place);

template <Described T>
void write_members(boost::json::object& into, const T& from) {
  std::apply(
      [&](const auto&... field) {
        into.reserve(into.size() + sizeof...(field));
        ((into[boost::json::string_view(field.name.data(), field.name.size())] =
              write(from.*(field.member))),
         ...);
      },
      fields(static_cast<const T*>(nullptr)));
}

template <typename V>
boost::json::value write_variant(const V& from) {
  boost::json::object object;
  std::visit(
      [&](const auto& alternative) {
        object["kind"] = std::remove_cvref_t<decltype(alternative)>::kind;
        write_members(object, alternative);
      },
      from);
  return object;
}

template <typename T>
const std::string& key_text(const T& key) {
  if constexpr (IsStrongText<T>::value)
    return key.value;
  else
    return key;
}

template <typename T>
boost::json::value write_container(const T& from) {
  if constexpr (IsVector<T>::value) {
    boost::json::array array;
    for (const auto& element : from) {
      array.push_back(write<typename T::value_type>(element));
    }
    return array;
  } else {
    boost::json::object object;
    for (const auto& [key, element] : from) object[clean_utf8(key_text(key))] = write(element);
    return object;
  }
}

template <typename T>
boost::json::value write(const T& from) {
  if constexpr (std::same_as<T, bool>)
    return boost::json::value(from);
  else if constexpr (std::same_as<T, double>) {
    // JSON has no infinity and no NaN.
    const bool finite = from - from == 0;
    return finite ? boost::json::value(from) : boost::json::value(nullptr);
  } else if constexpr (std::signed_integral<T>)
    return boost::json::value(std::int64_t{from});
  else if constexpr (std::unsigned_integral<T>)
    return boost::json::value(std::uint64_t{from});
  else if constexpr (std::same_as<T, std::string>)
    return boost::json::value(clean_utf8(from));
  else if constexpr (IsStrongNumber<T>::value || IsStrongText<T>::value)
    return write(from.value);
  else if constexpr (std::same_as<T, Lsn>)
    return boost::json::value(from.text());
  else if constexpr (std::same_as<T, Instant>)
    return boost::json::value(from.nanos);
  else if constexpr (IsDuration<T>::value)
    return boost::json::value(std::int64_t{from.count()});
  else if constexpr (Worded<T>) {
    const std::string_view word = word_of(from);
    return boost::json::value(boost::json::string_view(word.data(), word.size()));
  } else if constexpr (IsOptional<T>::value) {
    return from ? write(*from) : boost::json::value(nullptr);
  } else if constexpr (IsVector<T>::value || IsMap<T>::value)
    return write_container(from);
  else if constexpr (IsVariant<T>::value)
    return write_variant(from);
  else if constexpr (Described<T>) {
    boost::json::object object;
    write_members(object, from);
    return object;
  } else
    static_assert(never<T>, "this type has neither fields() nor words()");
}

template <typename T>
Outcome take(T& into, Result<T> found) {
  if (!found) return found.error();
  into = std::move(found).value();
  return {};
}

template <std::integral T>
Outcome read_integer(T& into, const boost::json::value& from, const Place& place) {
  if (const std::int64_t* number = from.if_int64()) {
    if (!std::in_range<T>(*number)) return out_of_range(place, from);
    into = static_cast<T>(*number);
    return {};
  }
  if (const std::uint64_t* number = from.if_uint64()) {
    if (!std::in_range<T>(*number)) return out_of_range(place, from);
    into = static_cast<T>(*number);
    return {};
  }
  return wrong_kind(place, from, "a whole number");
}

template <Worded T>
Outcome read_word(T& into, const boost::json::value& from, const Place& place) {
  auto text = read_text(from, place);
  if (!text) return text.error();
  std::string known;
  for (const auto& entry : words(static_cast<const T*>(nullptr))) {
    if (entry.word == text.value()) {
      into = entry.value;
      return {};
    }
    if (!known.empty()) known += ", ";
    known += entry.word;
  }
  return unknown_word(place, text.value(), known);
}

template <typename T>
Outcome read_array(std::vector<T>& into, const boost::json::value& from, const Place& place) {
  const boost::json::array* array = from.if_array();
  if (array == nullptr) return wrong_kind(place, from, "a list");
  into.clear();
  into.reserve(array->size());
  for (std::size_t index = 0; index < array->size(); ++index) {
    T element{};
    const Place here(place, index);
    if (auto read_one = read(element, (*array)[index], here); !read_one) return read_one;
    into.push_back(std::move(element));
  }
  return {};
}

template <typename K, typename V>
Outcome read_map(std::map<K, V>& into, const boost::json::value& from, const Place& place) {
  const boost::json::object* object = from.if_object();
  if (object == nullptr) return wrong_kind(place, from, "an object");
  into.clear();
  for (const auto& member : *object) {
    const std::string_view name(member.key().data(), member.key().size());
    V element{};
    const Place here(place, name);
    if (auto read_one = read(element, member.value(), here); !read_one) return read_one;
    into.emplace(K(std::string(name)), std::move(element));
  }
  return {};
}

template <typename T, typename M>
Outcome read_member(T& into, const boost::json::object& object, const Field<T, M>& field,
                    const Place& parent) {
  const Place place(parent, field.name);
  const auto* found =
      object.if_contains(boost::json::string_view(field.name.data(), field.name.size()));
  if (found != nullptr) return read(into.*(field.member), *found, place);
  if constexpr (IsOptional<M>::value) {
    (into.*(field.member)).reset();
    return {};
  } else {
    return missing(place);
  }
}

template <Described T>
Outcome read_struct(T& into, const boost::json::value& from, const Place& place) {
  const boost::json::object* object = from.if_object();
  if (object == nullptr) return wrong_kind(place, from, "an object");
  Outcome outcome;
  std::apply(
      [&](const auto&... field) {
        const bool all =
            ((outcome = read_member(into, *object, field, place), outcome.ok()) && ... && true);
        static_cast<void>(all);
      },
      fields(static_cast<const T*>(nullptr)));
  return outcome;
}

template <typename... A>
Outcome read_variant(std::variant<A...>& into, const boost::json::value& from, const Place& place) {
  const boost::json::object* object = from.if_object();
  if (object == nullptr) return wrong_kind(place, from, "an object");
  const Place kind_place(place, "kind");
  const auto* found = object->if_contains("kind");
  if (found == nullptr) return missing(kind_place);
  auto kind = read_text(*found, kind_place);
  if (!kind) return kind.error();
  std::optional<Outcome> outcome;
  const auto try_one = [&]<typename One>(std::type_identity<One>) {
    if (outcome || kind.value() != One::kind) return;
    One alternative{};
    outcome = read_struct(alternative, from, place);
    if (outcome->ok()) into = std::move(alternative);
  };
  (try_one(std::type_identity<A>{}), ...);
  if (outcome) return *outcome;
  std::string known;
  ((known += (known.empty() ? "" : ", ") + std::string(A::kind)), ...);
  return unknown_word(kind_place, kind.value(), known);
}

template <typename T>
Outcome read(T& into, const boost::json::value& from, const Place& place) {
  if constexpr (std::same_as<T, bool>)
    return take(into, read_bool(from, place));
  else if constexpr (std::same_as<T, double>)
    return take(into, read_double(from, place));
  else if constexpr (std::integral<T>)
    return read_integer(into, from, place);
  else if constexpr (std::same_as<T, std::string>)
    return take(into, read_text(from, place));
  else if constexpr (IsStrongNumber<T>::value || IsStrongText<T>::value)
    return read(into.value, from, place);
  else if constexpr (std::same_as<T, Lsn>)
    return take(into, read_lsn(from, place));
  else if constexpr (std::same_as<T, Instant>)
    return read_integer(into.nanos, from, place);
  else if constexpr (IsDuration<T>::value) {
    typename T::rep count{};
    auto outcome = read_integer(count, from, place);
    if (outcome) into = T(count);
    return outcome;
  } else if constexpr (Worded<T>)
    return read_word(into, from, place);
  else if constexpr (IsOptional<T>::value) {
    into.reset();
    if (from.is_null()) return {};
    typename T::value_type inner{};
    auto outcome = read(inner, from, place);
    if (outcome) into = std::move(inner);
    return outcome;
  } else if constexpr (IsVector<T>::value)
    return read_array(into, from, place);
  else if constexpr (IsMap<T>::value)
    return read_map(into, from, place);
  else if constexpr (IsVariant<T>::value)
    return read_variant(into, from, place);
  else if constexpr (Described<T>)
    return read_struct(into, from, place);
  else
    static_assert(never<T>, "this type has neither fields() nor words()");
}

}  // namespace json_detail

/// The JSON of a described value. Never fails; numbers that are not finite become null.
template <typename T>
boost::json::value to_json(const T& from) {
  return json_detail::write(from);
}

/// The value that `from` describes, or Error data_invalid whose detail names the place, beginning
/// with `what`: "record.policy.voters[1].node is missing."
template <typename T>
Result<T> from_json(const boost::json::value& from, std::string_view what = "value") {
  T into{};
  const json_detail::Place place(what);
  auto outcome = json_detail::read(into, from, place);
  if (!outcome) return outcome.error();
  return into;
}

/// One line of JSON, without newline.
template <typename T>
std::string json_text(const T& from) {
  return boost::json::serialize(to_json(from));
}

/// Parses untrusted text: at most `size_limit` bytes, at most 32 levels, nothing after the value.
template <typename T>
Result<T> parse_json(std::string_view text, std::size_t size_limit,
                     std::string_view what = "value") {
  auto parsed = json_detail::parse_text(text, size_limit, what);
  if (!parsed) return parsed.error();
  return from_json<T>(parsed.value(), what);
}

}  // namespace evergres::cluster
