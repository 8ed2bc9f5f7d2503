#include "net/error_wire.hpp"

#include <string>

namespace evergres::net {
namespace {

constexpr std::size_t max_quoted = 200;

std::string text_member(const boost::json::object& object, boost::json::string_view name) {
  const auto* found = object.if_contains(name);
  if (found == nullptr || !found->is_string()) return {};
  const auto& text = found->get_string();
  return std::string(text.data(), text.size());
}

}  // namespace

std::optional<ErrorCode> error_code_from_word(std::string_view word) {
  // The codes are numbered from `internal` to `authentication` without holes (base/error.hpp).
  const int last = static_cast<int>(ErrorCode::authentication);
  for (int number = static_cast<int>(ErrorCode::internal); number <= last; ++number) {
    const auto code = static_cast<ErrorCode>(number);
    if (error_code_info(code).word == word) return code;
  }
  return std::nullopt;
}

boost::json::value error_to_json(const Error& error) {
  const std::string_view word = error_code_info(error.code()).word;
  boost::json::object object;
  object["code"] = boost::json::string_view(word.data(), word.size());
  object["message"] = error.message();
  object["detail"] = error.detail();
  object["hint"] = error.hint();
  return object;
}

Error error_from_json(const boost::json::value& from) {
  const boost::json::object* object = from.if_object();
  const std::string message = object == nullptr ? std::string() : text_member(*object, "message");
  if (message.empty()) {
    return Error(ErrorCode::internal, "the agent reported an error that cannot be read",
                 "It sent: " + boost::json::serialize(from).substr(0, max_quoted));
  }
  const std::string word = text_member(*object, "code");
  const auto code = error_code_from_word(word);
  std::string detail = text_member(*object, "detail");
  if (!code) {
    detail += (detail.empty() ? "" : " ") + std::string("Its code is \"") +
              word.substr(0, max_quoted) + "\", which this version does not know.";
  }
  return Error(code.value_or(ErrorCode::internal), message, detail, text_member(*object, "hint"));
}

}  // namespace evergres::net
