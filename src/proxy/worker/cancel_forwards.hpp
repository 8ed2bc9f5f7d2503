#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "proxy/io/tls.hpp"
#include "proxy/login/cancel_keys.hpp"
#include "proxy/pool/surroundings.hpp"

namespace evergres::proxy {

/// The number in the cancel keys of the endpoint of this node: from its name, so that all endpoints
/// agree without being told. Two nodes may share one: a request is passed on to both. Without a
/// node 1, which no request is passed on to. 1 to CancelKeys::proxies_most - 1.
std::uint16_t proxy_number(const std::string& node);

/// Cancel requests of one shard that are on their way to other endpoints. A client is told that its
/// request is done when those have closed their connections: then it has been carried out, and
/// cannot hit what the client sends next. At most 64 at once and each for five seconds, so that
/// nobody can make an endpoint dial others without end. One thread.
class CancelForwards {
 public:
  using Told = std::function<void(std::uint64_t session)>;
  /// `told`: nothing of that session's request is under way any more.
  CancelForwards(Surroundings& around, Told told);
  ~CancelForwards();
  CancelForwards(const CancelForwards&) = delete;
  CancelForwards& operator=(const CancelForwards&) = delete;

  /// To the endpoints with this number. False if there is none to tell: nothing follows.
  bool pass_on(const CancelKeys& keys, const CancelRequest& request, std::uint16_t number,
               std::uint64_t session);
  /// To a server that one client has for itself. `then` is called when it has arrived or never
  /// will. False above the limit: it is dropped, and nothing follows.
  bool send(const Resolved& server, std::int32_t pid, std::string_view key,
            std::function<void()> then);
  /// About ten times a second.
  void tick();

 private:
  class Forward;
  void over(Forward& forward);

  Surroundings& around_;
  Told told_;
  std::optional<TlsContext> tls_;
  std::vector<std::unique_ptr<Forward>> forwards_;
};

}  // namespace evergres::proxy
