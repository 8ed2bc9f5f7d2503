#include "cluster/json.hpp"

namespace evergres::cluster::json_detail {
namespace {

constexpr std::size_t max_depth = 32;
constexpr std::size_t max_quoted = 64;

std::string_view kind_word(const boost::json::value& value) {
  switch (value.kind()) {
    case boost::json::kind::null: return "null";
    case boost::json::kind::bool_: return "true or false";
    case boost::json::kind::int64:
    case boost::json::kind::uint64: return "a whole number";
    case boost::json::kind::double_: return "a fraction";
    case boost::json::kind::string: return "text";
    case boost::json::kind::array: return "a list";
    case boost::json::kind::object: return "an object";
  }
  return "something else";
}

Error invalid(std::string detail) {
  return Error(ErrorCode::data_invalid, "the data cannot be read", std::move(detail));
}

/// Length of the UTF-8 sequence at the start of `text`, 0 if it is none (RFC 3629: no overlong
/// forms, no surrogates, nothing above U+10FFFF).
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t at) {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
  };
  const auto tail = [&](std::size_t at) { return (byte(at) & 0xC0U) == 0x80U; };
  const unsigned first = byte(0);
  const unsigned second = byte(1);
  if (first < 0x80U) return 1;
  if (first >= 0xC2U && first <= 0xDFU) return tail(1) ? 2 : 0;
  if (first >= 0xE0U && first <= 0xEFU) {
    const bool overlong = first == 0xE0U && second < 0xA0U;
    const bool surrogate = first == 0xEDU && second > 0x9FU;
    return tail(1) && tail(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0U && first <= 0xF4U) {
    const bool overlong = first == 0xF0U && second < 0x90U;
    const bool beyond = first == 0xF4U && second > 0x8FU;
    return tail(1) && tail(2) && tail(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string Place::text() const {
  const std::string own =
      index_ ? "[" + std::to_string(*index_) + "]" : clean_utf8(name_.substr(0, max_quoted));
  if (parent_ == nullptr) return own;
  return parent_->text() + (index_ ? "" : ".") + own;
}

Error wrong_kind(const Place& place, const boost::json::value& found, std::string_view wanted) {
  return invalid(place.text() + " is " + std::string(kind_word(found)) + ", not " +
                 std::string(wanted) + ".");
}

Error out_of_range(const Place& place, const boost::json::value& found) {
  return invalid(place.text() + " is " + boost::json::serialize(found) +
                 ", which is outside of the range of its type.");
}

Error missing(const Place& place) {
  return invalid(place.text() + " is missing.");
}

Error unknown_word(const Place& place, std::string_view word, const std::string& known) {
  return invalid(place.text() + " is \"" + clean_utf8(word.substr(0, max_quoted)) +
                 "\", but only these words are known: " + known + ".");
}

Result<bool> read_bool(const boost::json::value& from, const Place& place) {
  if (const bool* truth = from.if_bool()) return *truth;
  return wrong_kind(place, from, "true or false");
}

Result<double> read_double(const boost::json::value& from, const Place& place) {
  if (const double* number = from.if_double()) return *number;
  if (const auto* number = from.if_int64()) return static_cast<double>(*number);
  if (const auto* number = from.if_uint64()) return static_cast<double>(*number);
  return wrong_kind(place, from, "a number");
}

Result<std::string> read_text(const boost::json::value& from, const Place& place) {
  if (const auto* text = from.if_string()) return std::string(text->data(), text->size());
  return wrong_kind(place, from, "text");
}

Result<Lsn> read_lsn(const boost::json::value& from, const Place& place) {
  auto text = read_text(from, place);
  if (!text) return text.error();
  if (const auto lsn = Lsn::parse(text.value())) return *lsn;
  return invalid(place.text() + " is \"" + text.value().substr(0, max_quoted) +
                 "\", which is not a WAL position.");
}

Result<boost::json::value> parse_text(std::string_view text, std::size_t size_limit,
                                      std::string_view what) {
  if (text.size() > size_limit) {
    return invalid(std::string(what) + " has " + std::to_string(text.size()) +
                   " bytes, but at most " + std::to_string(size_limit) + " are allowed.");
  }
  boost::json::parse_options options;
  options.max_depth = max_depth;
  boost::json::error_code failure;
  auto value = boost::json::parse(boost::json::string_view(text.data(), text.size()), failure,
                                  boost::json::storage_ptr(), options);
  if (failure) {
    return invalid(std::string(what) + " is not JSON as it should be: " + failure.message() + ".");
  }
  return value;
}

std::string clean_utf8(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0) {
      clean += "\xEF\xBF\xBD";
    } else {
      clean += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return clean;
}

}  // namespace evergres::cluster::json_detail
