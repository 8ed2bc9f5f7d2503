#include "api/endpoint_page.hpp"

#include <boost/json.hpp>

#include "config/node_settings.hpp"
#include "net/local_client.hpp"

namespace evergres::api {
namespace {

constexpr Millis endpoint_answers_within{250};

Result<std::string> ask_endpoint(const std::filesystem::path& socket) {
  const boost::json::value request = boost::json::object{{"verb", "metrics"}};
  auto answer = net::LocalClient::ask(socket, request, endpoint_answers_within);
  if (!answer) return answer.error();
  const boost::json::object* const object = answer->if_object();
  const boost::json::value* const text = object != nullptr ? object->if_contains("text") : nullptr;
  const boost::json::string* const page = text != nullptr ? text->if_string() : nullptr;
  if (page == nullptr) return Error(ErrorCode::data_invalid, "the endpoint's answer has no text");
  return std::string(page->data(), page->size());
}

}  // namespace

net::awaitable<std::string> endpoint_page(net::Worker& worker,
                                          const config::NodeSettings& settings) {
  if (!settings.proxy.enabled) co_return std::string();
  auto work = [socket = settings.run_directory / "proxy.sock"] { return ask_endpoint(socket); };
  auto asking = worker.run(std::move(work));
  Result<std::string> page = co_await std::move(asking);
  co_return page ? std::move(*page) : std::string();
}

}  // namespace evergres::api
