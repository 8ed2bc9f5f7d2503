#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <variant>

#include "agent/services.hpp"
#include "base/result.hpp"
#include "net/http.hpp"

/// The half of Patroni's REST API that changes something, translated into what the command line
/// asks the agent: there is one way to switch over, whoever asks. Pure.
namespace evergres::api {

/// What is to be asked of Services::control, and how its result is told.
struct Change {
  boost::json::object request;  ///< {"verb": …}
  unsigned status = 200;        ///< when it is done
  std::string done;             ///< the body of that; "%" stands for the name of the leader
  unsigned refused = 503;       ///< when a safety rule says no
  unsigned invalid = 409;       ///< when settings cannot be as they are asked for
  bool shows_config = false;    ///< the body is /config instead
};

/// A request of another method than GET, HEAD and OPTIONS, whose sender may change things. Either
/// what to do, or the answer: 400 for bodies that cannot be understood, 404 for other paths, 409
/// while another request is pending, 412 for what does not fit the cluster, 501 for other methods.
/// `config_file`: this node's node.yaml.
std::variant<Change, net::HttpAnswer> change_of(const net::HttpRequest& request,
                                                const agent::View& view,
                                                const std::string& config_file);

/// `after`: what the agent knows when the verb has been answered.
net::HttpAnswer answer_of(const Change& change, const Result<boost::json::value>& result,
                          const agent::View& after);

}  // namespace evergres::api
