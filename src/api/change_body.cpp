#include "api/change_body.hpp"

#include <algorithm>
#include <boost/json/parse.hpp>

namespace evergres::api {
namespace json = boost::json;

namespace {

constexpr std::size_t deepest = 8;

Error bad(std::string message, std::string detail) {
  return Error(ErrorCode::usage, std::move(message), std::move(detail));
}

std::string list_of(const std::vector<std::string_view>& names) {
  std::string text;
  for (const std::string_view name : names) {
    text += (text.empty() ? "\"" : ", \"") + std::string(name) + "\"";
  }
  return text;
}

}  // namespace

Result<ChangeBody> ChangeBody::parse(std::string_view text, std::vector<std::string_view> known,
                                     bool may_be_empty) {
  ChangeBody body;
  if (text.empty() && may_be_empty) return body;
  json::parse_options options;
  options.max_depth = deepest;
  json::error_code failure;
  json::value parsed =
      json::parse(json::string_view(text.data(), text.size()), failure, {}, options);
  if (failure) {
    return bad("the body is no JSON", "The parser says: " + failure.message() + ".");
  }
  if (!parsed.is_object()) return bad("the body is no JSON object", "It is {\"name\": value, …}.");
  for (const auto& member : parsed.get_object()) {
    const std::string_view name(member.key().data(), member.key().size());
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    return bad("the body has an unknown member", "Known here: " + list_of(known) + ".");
  }
  body.members_ = std::move(parsed.get_object());
  return body;
}

const json::value* ChangeBody::value(std::string_view name) const {
  const json::value* const found =
      members_.if_contains(json::string_view(name.data(), name.size()));
  return found == nullptr || found->is_null() ? nullptr : found;
}

bool ChangeBody::mentions(std::string_view name) const {
  return members_.contains(json::string_view(name.data(), name.size()));
}

bool ChangeBody::has(std::string_view name) const {
  return value(name) != nullptr;
}

Result<std::string> ChangeBody::text(std::string_view name) const {
  const json::value* const found = value(name);
  if (found == nullptr) return std::string();
  if (!found->is_string()) return bad("\"" + std::string(name) + "\" is no text", "");
  const auto& text = found->get_string();
  return std::string(text.data(), text.size());
}

Result<bool> ChangeBody::flag(std::string_view name) const {
  const json::value* const found = value(name);
  if (found == nullptr) return false;
  if (!found->is_bool()) return bad("\"" + std::string(name) + "\" is neither true nor false", "");
  return found->get_bool();
}

}  // namespace evergres::api
