#include "base/error.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

namespace evergres {
namespace {

std::string without_newlines(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return text;
}

ErrorCode code_for_errno(int errno_value) {
  switch (errno_value) {
    case ENOENT: return ErrorCode::not_found;
    case EACCES:
    case EPERM: return ErrorCode::permission;
    case ENOSPC:
    case EDQUOT: return ErrorCode::no_space;
    case EADDRINUSE: return ErrorCode::port_taken;
    case EEXIST: return ErrorCode::already_exists;
    case ETIMEDOUT: return ErrorCode::timed_out;
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTUNREACH:
    case ENETUNREACH: return ErrorCode::unreachable;
    default: return ErrorCode::internal;
  }
}

}  // namespace

const ErrorCodeInfo& error_code_info(ErrorCode code) {
  static constexpr ErrorCodeInfo internal{"internal", 1, "a bug or an unforeseen failure"};
  static constexpr ErrorCodeInfo usage{"usage", 2, "the command line is wrong"};
  static constexpr ErrorCodeInfo config_invalid{"config_invalid", 2, "the configuration is wrong"};
  static constexpr ErrorCodeInfo refused{"refused", 3, "a safety rule says no"};
  static constexpr ErrorCodeInfo timed_out{"timed_out", 4, "the deadline passed"};
  static constexpr ErrorCodeInfo cancelled{"cancelled", 1, "somebody asked to stop"};
  static constexpr ErrorCodeInfo unreachable{"unreachable", 5, "no answer"};
  static constexpr ErrorCodeInfo store_unavailable{"store_unavailable", 5,
                                                   "the store does not work"};
  static constexpr ErrorCodeInfo store_locked{"store_locked", 5, "the store is held by another"};
  static constexpr ErrorCodeInfo conflict{"conflict", 1, "a compare-and-set lost"};
  static constexpr ErrorCodeInfo not_found{"not_found", 1, "there is no such thing"};
  static constexpr ErrorCodeInfo already_exists{"already_exists", 3, "it exists and stays"};
  static constexpr ErrorCodeInfo data_invalid{"data_invalid", 1, "bytes that make no sense"};
  static constexpr ErrorCodeInfo wrong_data{"wrong_data_directory", 3, "not our data directory"};
  static constexpr ErrorCodeInfo port_taken{"port_taken", 1, "somebody else listens there"};
  static constexpr ErrorCodeInfo missing{"missing_program", 1, "a program is not installed"};
  static constexpr ErrorCodeInfo no_space{"no_space", 1, "the disk is full"};
  static constexpr ErrorCodeInfo permission{"permission", 1, "the operating system says no"};
  static constexpr ErrorCodeInfo postgres{"postgres_failed", 1, "PostgreSQL reported an error"};
  static constexpr ErrorCodeInfo authentication{"authentication", 1, "the secret does not match"};
  switch (code) {
    case ErrorCode::internal: return internal;
    case ErrorCode::usage: return usage;
    case ErrorCode::config_invalid: return config_invalid;
    case ErrorCode::refused: return refused;
    case ErrorCode::timed_out: return timed_out;
    case ErrorCode::cancelled: return cancelled;
    case ErrorCode::unreachable: return unreachable;
    case ErrorCode::store_unavailable: return store_unavailable;
    case ErrorCode::store_locked: return store_locked;
    case ErrorCode::conflict: return conflict;
    case ErrorCode::not_found: return not_found;
    case ErrorCode::already_exists: return already_exists;
    case ErrorCode::data_invalid: return data_invalid;
    case ErrorCode::wrong_data_directory: return wrong_data;
    case ErrorCode::port_taken: return port_taken;
    case ErrorCode::missing_program: return missing;
    case ErrorCode::no_space: return no_space;
    case ErrorCode::permission: return permission;
    case ErrorCode::postgres_failed: return postgres;
    case ErrorCode::authentication: return authentication;
  }
  return internal;
}

Error::Error(ErrorCode code, std::string message, std::string detail, std::string hint)
    : code_(code),
      message_(std::move(message)),
      detail_(std::move(detail)),
      hint_(std::move(hint)) {}

std::string Error::one_line() const {
  std::string line = message_;
  if (!detail_.empty()) line += " (" + detail_ + ")";
  return without_newlines(std::move(line));
}

std::string Error::for_people() const {
  std::string text = "error: " + message_ + "\n";
  if (!detail_.empty()) text += "detail: " + detail_ + "\n";
  if (!hint_.empty()) text += "hint: " + hint_ + "\n";
  return text;
}

Error Error::while_doing(std::string what) const {
  std::string detail = message_ + ".";
  if (!detail_.empty()) detail += " " + detail_;
  return Error(code_, std::move(what), std::move(detail), hint_);
}

Error error_from_errno(std::string what, int errno_value) {
  return Error(code_for_errno(errno_value), std::move(what) + ": " + std::strerror(errno_value));
}

}  // namespace evergres
