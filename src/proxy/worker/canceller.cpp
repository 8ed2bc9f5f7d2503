#include "proxy/worker/canceller.hpp"

#include <array>
#include <utility>

#include "proxy/wire/writer.hpp"

namespace evergres::proxy {

Canceller::Canceller(Reactor& reactor, Server& server, Done done)
    : reactor_(reactor),
      server_(&server),
      server_alive_(server.alive()),
      stream_(Descriptor{}),
      address_(server.birth().address),
      deadline_(reactor.now() + Millis{5000}),
      done_(std::move(done)) {
  write_cancel(request_, server.pid(), server.key());
  ++server.cancels;
}

Canceller::~Canceller() {
  reactor_.forget(watch_);
  stream_.close();
}

void Canceller::begin() {
  auto socket = begin_connect(address_);
  if (!socket) return over();
  stream_ = Stream(std::move(*socket));
  auto watch = reactor_.watch(stream_.descriptor(), *this);
  if (!watch) return over();
  watch_ = *watch;
}

void Canceller::ready(Ready what) {
  if (!sent_) {
    Descriptor borrowed(stream_.descriptor());
    const auto connected = connect_result(borrowed);
    borrowed.release();
    if (!connected) return;
    sent_ = true;
    if (!*connected || !stream_.write(request_)) return over();
  }
  if (!what.readable && !what.hung_up) return;
  std::array<char, 64> ignored;
  const Stream::Got got = stream_.read(ignored);
  if (got.closed || what.hung_up) over();
}

void Canceller::over() {
  if (std::exchange(done_told_, true)) return;
  if (*server_alive_) server_->cancel_over();
  done_(*this);
}

}  // namespace evergres::proxy
