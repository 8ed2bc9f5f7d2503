#include "proxy/worker/cancel_forwards.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "proxy/auth/digest.hpp"
#include "proxy/io/stream.hpp"
#include "proxy/wire/writer.hpp"

namespace evergres::proxy {
namespace {

constexpr std::size_t forwards_most = 64;
constexpr Millis forward_patience{5'000};

}  // namespace

std::uint16_t proxy_number(const std::string& node) {
  if (node.empty()) return 1;
  const std::string digest(sha256(node).view());
  const std::uint32_t high = static_cast<unsigned char>(digest[0]);
  const std::uint32_t value = (high << 8U) | static_cast<unsigned char>(digest[1]);
  return static_cast<std::uint16_t>(2 + value % (CancelKeys::proxies_most - 2));
}

/// One request to one endpoint: a connection of its own, which the other closes when it is done.
class CancelForwards::Forward final : public Watcher {
 public:
  Forward(CancelForwards& all, std::uint64_t session, const CancelRequest& request)
      : all_(all),
        stream_(Descriptor{}),
        session_(session),
        deadline_(all.around_.reactor.now() + forward_patience) {
    write_cancel(request_, request.pid, request.key);
  }
  ~Forward() {
    all_.around_.reactor.forget(watch_);
    stream_.close();
  }
  Forward(const Forward&) = delete;
  Forward& operator=(const Forward&) = delete;

  void begin(const Resolved& to) {
    auto socket = begin_connect(to);
    if (!socket) return over();
    stream_ = Stream(std::move(*socket));
    auto watch = all_.around_.reactor.watch(stream_.descriptor(), *this);
    if (!watch) return over();
    watch_ = *watch;
  }

  void ready(Ready what) override {
    if (what.hung_up) stream_.hung_up();
    switch (step_) {
      case Step::connecting: return connected();
      case Step::asked: return encryption_answered();
      case Step::handshake: return shake_hands();
      case Step::sent: {
        if (stream_.unsent() > 0 && !stream_.flush()) return over();
        std::array<char, 64> ignored;
        if (stream_.read(ignored).closed || what.hung_up) over();
        return;
      }
      case Step::over: return;
    }
  }

  [[nodiscard]] std::uint64_t session() const { return session_; }
  /// Instead of telling a session.
  std::function<void()> then;
  [[nodiscard]] bool late(Instant now) const { return now > deadline_; }
  void over() {
    if (std::exchange(step_, Step::over) == Step::over) return;
    all_.around_.reactor.forget(std::exchange(watch_, {}));
    all_.over(*this);
  }

 private:
  enum class Step { connecting, asked, handshake, sent, over };

  void connected() {
    Descriptor borrowed(stream_.descriptor());
    const auto result = connect_result(borrowed);
    borrowed.release();
    if (!result) return;
    if (!*result) return over();
    if (!all_.tls_) return send();
    std::string ask;
    write_ssl_request(ask);
    step_ = Step::asked;
    if (!stream_.write(ask)) over();
  }

  void encryption_answered() {
    std::array<char, 1> answer{};
    const Stream::Got got = stream_.read(answer);
    if (got.bytes == 0) {
      if (got.closed) over();
      return;
    }
    // An endpoint without a certificate has no TLS for its clients either.
    if (answer[0] == 'N') return send();
    if (answer[0] != 'S') return over();
    step_ = Step::handshake;
    stream_.connect_tls(*all_.tls_, "");
    shake_hands();
  }

  void shake_hands() {
    switch (stream_.handshake()) {
      case Stream::Handshake::going_on: return;
      case Stream::Handshake::failed: return over();
      case Stream::Handshake::done: return send();
    }
  }

  void send() {
    step_ = Step::sent;
    if (!stream_.write(request_)) over();
  }

  CancelForwards& all_;
  Stream stream_;
  Reactor::Watch watch_;
  std::uint64_t session_;
  std::string request_;
  Instant deadline_;
  Step step_ = Step::connecting;
};

CancelForwards::CancelForwards(Surroundings& around, Told told)
    : around_(around), told_(std::move(told)) {
  // The other's certificate may be of any authority, as for clients with sslmode=require: TLS keeps
  // the key from listeners, and whoever takes the request from us could cancel this statement.
  auto context = TlsContext::for_servers(TlsContext::Verify::nothing, {});
  if (context) tls_ = std::move(*context);
}

CancelForwards::~CancelForwards() = default;

bool CancelForwards::pass_on(const CancelKeys& keys, const CancelRequest& request,
                             std::uint16_t number, std::uint64_t session) {
  const auto passed = keys.forward(request);
  if (!passed) return false;
  std::vector<Resolved> places;
  for (const EndpointNode& endpoint : around_.world->endpoints) {
    if (endpoint.node.value == around_.configuration->node) continue;
    if (proxy_number(endpoint.node.value) != number || endpoint.resolved.empty()) continue;
    places.push_back(endpoint.resolved.front());
  }
  // Anybody can write a short key: those leave room for long ones, which are proven.
  const bool proven = request.key.size() == CancelKeys::long_key;
  const std::size_t most = proven ? forwards_most : forwards_most / 2;
  if (places.empty() || forwards_.size() + places.size() > most) return false;
  std::vector<Forward*> begun;
  for (std::size_t i = 0; i < places.size(); ++i) {
    forwards_.push_back(std::make_unique<Forward>(*this, session, *passed));
    begun.push_back(forwards_.back().get());
  }
  // What is over at once is destroyed later.
  for (std::size_t i = 0; i < places.size(); ++i) begun[i]->begin(places[i]);
  return true;
}

bool CancelForwards::send(const Resolved& server, std::int32_t pid, std::string_view key,
                          std::function<void()> then) {
  if (forwards_.size() >= forwards_most) return false;
  CancelRequest request;
  request.pid = pid;
  request.key = key;
  forwards_.push_back(std::make_unique<Forward>(*this, 0, request));
  forwards_.back()->then = std::move(then);
  forwards_.back()->begin(server);
  return true;
}

void CancelForwards::tick() {
  for (std::size_t i = forwards_.size(); i-- > 0;) {
    if (forwards_[i]->late(around_.reactor.now())) forwards_[i]->over();
  }
}

void CancelForwards::over(Forward& forward) {
  around_.reactor.defer([this, gone = &forward] {
    const std::uint64_t session = gone->session();
    const auto then = std::move(gone->then);
    std::erase_if(forwards_, [gone](const auto& owned) { return owned.get() == gone; });
    if (then) return then();
    const bool more = std::any_of(forwards_.begin(), forwards_.end(), [session](const auto& owned) {
      return owned->session() == session;
    });
    if (!more) told_(session);
  });
}

}  // namespace evergres::proxy
