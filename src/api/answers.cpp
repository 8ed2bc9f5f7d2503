#include "api/answers.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "net/error_wire.hpp"

namespace evergres::api {

net::HttpAnswer json_answer(unsigned status, const boost::json::value& body) {
  return net::HttpAnswer{status, "application/json", boost::json::serialize(body)};
}

net::HttpAnswer error_answer(unsigned status, const Error& error) {
  boost::json::object body;
  body["error"] = net::error_to_json(error);
  return json_answer(status, body);
}

net::HttpAnswer text_answer(unsigned status, std::string text) {
  return net::HttpAnswer{status, "text/plain; charset=utf-8", std::move(text)};
}

}  // namespace evergres::api
