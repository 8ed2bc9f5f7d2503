#pragma once

#include <string>

/// What is asked and answered over HTTP, as values. The server is in net/http_server.hpp.
namespace evergres::net {

/// A request whose head was well-formed HTTP. Everything in it comes from a stranger.
struct HttpRequest {
  std::string method;  ///< "GET"
  std::string target;  ///< "/replica?lag=10MB", as it was sent
  std::string body;
};

struct HttpAnswer {
  unsigned status = 200;
  std::string content_type;  ///< empty: no such header
  std::string body;          ///< not sent in the answer to HEAD; its length is
};

}  // namespace evergres::net
