#include "proxy/session/passage.hpp"

#include <algorithm>
#include <utility>

#include "proxy/auth/end_point.hpp"
#include "proxy/session/voter_name.hpp"
#include "proxy/wire/backend.hpp"

namespace evergres::proxy {
namespace {

constexpr std::string_view gone_code = "08006";

Error no_server(std::string why) {
  return Error(ErrorCode::unreachable, "the server could not be reached", std::move(why),
               "Try again. `evergres list` shows the cluster.");
}

bool same_but_for_case(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b;
  });
}

}  // namespace

bool is_voter_name(std::string_view application_name) {
  constexpr std::string_view receivers = "evg_";
  return same_but_for_case(application_name.substr(0, receivers.size()), receivers) ||
         same_but_for_case(application_name, "~nobody");
}

Passage::Passage(Reactor& reactor, PassageOwner& owner, Plan plan)
    : reactor_(reactor),
      owner_(owner),
      plan_(std::move(plan)),
      stream_(Descriptor{}),
      born_(reactor.now()) {}

Passage::~Passage() {
  *alive_ = false;
  close();
}

void Passage::begin() {
  auto socket = begin_connect(plan_.address);
  if (socket) {
    stream_ = Stream(std::move(*socket));
    auto watch = reactor_.watch(stream_.descriptor(), *this);
    if (watch) {
      watch_ = *watch;
      return;
    }
  }
  reactor_.defer([this, alive = alive_] {
    if (*alive) fail(std::string(gone_code), no_server("It does not listen."));
  });
}

void Passage::close() {
  step_ = Step::over;
  reactor_.forget(std::exchange(watch_, {}));
  stream_.close();
}

void Passage::fail(const std::string& sqlstate, const Error& error) {
  if (step_ == Step::over) return;
  close();
  owner_.closed(sqlstate, error);
}

void Passage::ready(Ready what) {
  if (what.hung_up) stream_.hung_up();
  switch (step_) {
    case Step::connecting: return connected();
    case Step::handshake: return shake_hands();
    case Step::login:
      if (what.writable && stream_.unsent() > 0 && !stream_.flush()) {
        return fail(std::string(gone_code), no_server("The connection broke during the login."));
      }
      if (what.readable || what.hung_up) log_in();
      return;
    case Step::open: {
      const std::shared_ptr<bool> alive = alive_;
      if (stream_.unsent() > 0) {
        const bool was = stream_.unsent() > congestion;
        // What it said before it broke is still read.
        stream_.flush();
        if (was && stream_.unsent() <= congestion) owner_.goes_on();
        if (!*alive || step_ != Step::open) return;
      }
      if (what.readable || what.hung_up) read();
      return;
    }
    case Step::over: return;
  }
}

void Passage::connected() {
  Descriptor borrowed(stream_.descriptor());
  const auto result = connect_result(borrowed);
  borrowed.release();
  if (!result) return;
  if (!*result) return fail(std::string(gone_code), no_server(result->error().message() + "."));
  stream_.tune({});
  login_ = std::make_unique<ServerLogin>(std::move(plan_.login));
  step_ = Step::login;
  step(login_->start(out_));
}

void Passage::shake_hands() {
  switch (stream_.handshake()) {
    case Stream::Handshake::going_on: return;
    case Stream::Handshake::failed:
      return fail(std::string(gone_code), no_server("TLS failed: " + stream_.handshake_problem()));
    case Stream::Handshake::done: break;
  }
  step_ = Step::login;
  std::optional<std::string> binding;
  if (const auto certificate = stream_.peer_certificate()) binding = end_point_hash(*certificate);
  step(login_->tls_established(std::move(binding), out_));
}

void Passage::log_in() {
  for (;;) {
    const Stream::Got got = stream_.read(reactor_.scratch());
    pending_.append(reactor_.scratch().data(), got.bytes);
    std::string_view input = pending_;
    ServerStep next = login_->feed(input, out_);
    pending_.erase(0, pending_.size() - input.size());
    const bool lacks = std::holds_alternative<ServerLacks>(next);
    const std::shared_ptr<bool> alive = alive_;
    step(std::move(next));
    if (!*alive || step_ == Step::over || !lacks) return;
    if (got.closed) {
      return fail(std::string(gone_code),
                  no_server("The server closed the connection during the login."));
    }
    if (!got.more) return;
  }
}

void Passage::step(ServerStep step) {
  if (!out_.empty() && !stream_.write(out_)) {
    return fail(std::string(gone_code), no_server("The connection broke during the login."));
  }
  out_.clear();
  if (std::holds_alternative<ServerLacks>(step)) return;
  if (std::get_if<ServerBeginTls>(&step) != nullptr) {
    if (plan_.tls == nullptr) {
      return fail(std::string(gone_code), no_server("There is no TLS toward servers."));
    }
    stream_.connect_tls(*plan_.tls, plan_.named.host);
    step_ = Step::handshake;
    return shake_hands();
  }
  if (const auto* refused = std::get_if<ServerRefused>(&step)) {
    return fail(refused->sqlstate, refused->error);
  }
  auto& ready = std::get<ServerReady>(step);
  step_ = Step::open;
  pid_ = ready.pid;
  key_ = ready.key;
  login_.reset();
  out_ = {};
  const std::shared_ptr<bool> alive = alive_;
  owner_.opened(std::move(ready));
  if (*alive && step_ == Step::open) read();
}

bool Passage::may_take(char type) const {
  if (step_ != Step::open || stream_.unsent() > congestion) return false;
  // Copy data goes both ways at any time.
  if (type == 'd' || type == 'c' || type == 'f' || type == 'X') return true;
  // A cancel request that is on its way was meant for what has been answered meanwhile.
  return !answering_ && cancels == 0;
}

void Passage::take(const Frame& frame) {
  if (step_ != Step::open) return;
  // The only ones that ReadyForQuery answers.
  if (frame.first && (frame.type == 'Q' || frame.type == 'S' || frame.type == 'F')) {
    answering_ = true;
  }
  // A broken connection is noticed where it is read.
  stream_.write(frame.bytes);
}

void Passage::resume() {
  if (std::exchange(unread_, false)) reactor_.again(watch_);
}

void Passage::read() {
  const std::shared_ptr<bool> alive = alive_;
  for (int turn = 0; turn < 8; ++turn) {
    unread_ = !owner_.takes();
    if (unread_) return;
    std::string_view input;
    Stream::Got got;
    std::string whole = std::exchange(pending_, {});
    if (whole.empty()) {
      got = stream_.read(reactor_.scratch());
      input = std::string_view(reactor_.scratch().data(), got.bytes);
    } else {
      const std::size_t before = whole.size();
      whole.resize(before + Reactor::scratch_bytes);
      got = stream_.read(std::span<char>(whole).subspan(before));
      whole.resize(before + got.bytes);
      input = whole;
    }
    const std::string_view all = input;
    if (!walk(input)) return;
    const std::string_view walked = all.substr(0, all.size() - input.size());
    torn_ = !walker_.between_messages();
    if (!walked.empty() && !owner_.arrived(walked)) return;
    if (!*alive || step_ != Step::open) return;
    pending_.assign(input);
    // A command has been answered: the client's next one may go.
    if (!answering_) owner_.goes_on();
    if (!*alive || step_ != Step::open) return;
    if (got.closed) return fail({}, no_server("The server closed the connection."));
    if (!got.more) return;
    if (turn == 7) reactor_.again(watch_);
  }
}

/// False if it is over.
bool Passage::walk(std::string_view& input) {
  for (;;) {
    const Frame frame = walker_.next(input);
    if (frame.kind == FrameKind::more) return true;
    if (frame.kind == FrameKind::violation) {
      fail("08P01", no_server("The server broke the protocol: " + std::string(frame.why) + "."));
      return false;
    }
    if (frame.first && !look(frame)) return false;
  }
}

bool Passage::look(const Frame& frame) {
  if (frame.type == 'Z') answering_ = false;
  if (frame.type != 'S') return true;
  const auto parameter = read_parameter(frame.payload());
  if (!parameter || parameter->name != "application_name" || !is_voter_name(parameter->value)) {
    return true;
  }
  fail("42501", Error(ErrorCode::refused, "this application_name belongs to the cluster",
                      "Names that begin with evg_ are those of standbys that acknowledge commits.",
                      "Choose another name."));
  return false;
}

}  // namespace evergres::proxy
