#pragma once

#include <string>
#include <utility>
#include <vector>

/// What is asked and answered over HTTP, as values. The server is in net/http_server.hpp.
namespace evergres::net {

/// A request whose head was well-formed HTTP. Everything in it comes from a stranger.
struct HttpRequest {
  std::string method;  ///< "GET"
  std::string target;  ///< "/replica?lag=10MB", as it was sent
  std::string body;
  std::string authorization;   ///< of the header of this name; "" without it
  std::string origin;          ///< browsers name here the site whose page asks
  std::string host;            ///< as the client calls this server
  bool from_loopback = false;  ///< the connection comes from this machine
};

struct HttpAnswer {
  unsigned status = 200;
  std::string content_type;  ///< empty: no such header
  std::string body;          ///< not sent in the answer to HEAD; its length is
  std::vector<std::pair<std::string, std::string>> headers = {};  ///< more of them
};

}  // namespace evergres::net
