#pragma once

#include <boost/json.hpp>
#include <string>

#include "base/error.hpp"

/// What the verbs of the control socket share: members of a request, results, refusals.
namespace evergres::agent {

/// "" if the request has no such text.
inline std::string text_member(const boost::json::object& object, const char* name) {
  const auto* found = object.if_contains(name);
  if (found == nullptr || !found->is_string()) return {};
  const auto& text = found->get_string();
  return std::string(text.data(), text.size());
}

inline bool flag_member(const boost::json::object& object, const char* name) {
  const auto* found = object.if_contains(name);
  return found != nullptr && found->is_bool() && found->get_bool();
}

inline boost::json::value text_result(const char* name, const std::string& text) {
  boost::json::object result;
  result[name] = text;
  return result;
}

inline Error refusal(std::string message, std::string detail, std::string hint = {}) {
  return Error(ErrorCode::refused, std::move(message), std::move(detail), std::move(hint));
}

}  // namespace evergres::agent
