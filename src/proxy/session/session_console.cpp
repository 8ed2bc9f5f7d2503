#include <utility>
#include <variant>

#include "proxy/login/shown.hpp"
#include "proxy/session/session.hpp"
#include "proxy/wire/writer.hpp"

/// A client of the console: it has a ConsoleSession and neither pool nor server.
namespace evergres::proxy {

/// It has said who it is. Whoever is not named in the configuration is not let in.
void Session::enter_console() {
  const Role role = role_of(user_, *host_.around().configuration);
  if (role == Role::none) {
    const Refusal why = console_refused(shown(user_, 63));
    return say_refusal({std::string(why.sqlstate), why.error, false});
  }
  if (entrance_->startup->replication != Replication::none) {
    return say_refusal(
        {"0A000", Error(ErrorCode::refused, "the console has nothing to replicate"), false});
  }
  console_ = std::make_unique<ConsoleSession>(role);
  host_.logged_in(*this, {});
  const auto [pid, key] = host_.cancel_key(*this, entrance_->startup->spoken);
  std::string welcome;
  write_auth_ok(welcome);
  write_console_parameters(welcome);
  write_backend_key(welcome, pid, key);
  write_ready(welcome, TransactionStatus::idle);
  stage_ = Stage::ready;
  entrance_.reset();
  if (!tell(welcome)) return gone();
  resume();
}

void Session::console_frame(const Frame& frame) {
  if (frame.first) asked_ = host_.around().reactor.now();
  std::string told;
  const ConsoleStep step = console_->take(frame, told);
  if (step == ConsoleStep::asks) host_.console_asks(*this, console_->asked());
  const bool sound = told.empty() || tell(told);
  if (!sound) return gone();
  if (step != ConsoleStep::closes) return;
  closing_ = true;
  closing_since_ = host_.around().reactor.now();
  if (stream_.unsent() == 0) finish();
}

void Session::console_answered(const ConsoleAnswer& answer) {
  if (stage_ != Stage::ready || closing_ || !console_->busy()) return;
  std::string told;
  if (const auto* snapshot = std::get_if<std::shared_ptr<const Snapshot>>(&answer)) {
    console_->shown(**snapshot, told);
  } else if (const auto* why = std::get_if<Refusal>(&answer)) {
    console_->refused(*why, told);
  } else {
    console_->done(told);
  }
  if (!tell(told)) return gone();
  resume();
}

void Session::kill(const std::string& why) {
  if (stage_ == Stage::over || closing_) return;
  bool doubtful = fate_.sent_in != Term{};
  if (!segments_.empty() && server_ != nullptr) {
    const Verdict verdict = decide_outcome(standing(), Event::lost, Replay::refused);
    doubtful = verdict.action == Action::resolve || verdict.sqlstate == "08007" ||
               may_have_committed_behind();
    server_->end({false, false, {}, why});
  }
  std::string detail = why;
  if (doubtful) detail += " Whether the transaction committed is unknown.";
  end(doubtful ? "08007" : "57P01",
      Error(ErrorCode::cancelled, "the connection was ended by an admin", detail,
            doubtful ? "Look whether it is there before you send it again." : "Connect again."));
}

}  // namespace evergres::proxy
