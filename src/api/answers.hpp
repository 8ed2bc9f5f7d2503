#pragma once

#include <boost/json/value.hpp>

#include "base/error.hpp"
#include "net/http.hpp"

/// The shapes of answers.
namespace evergres::api {

net::HttpAnswer json_answer(unsigned status, const boost::json::value& body);
/// {"error": {"code", "message", "detail", "hint"}}
net::HttpAnswer error_answer(unsigned status, const Error& error);
/// A sentence in Patroni's words.
net::HttpAnswer text_answer(unsigned status, std::string text);

}  // namespace evergres::api
