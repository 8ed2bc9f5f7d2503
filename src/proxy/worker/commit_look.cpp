#include "proxy/worker/commit_look.hpp"

#include "proxy/wire/reader.hpp"
#include "proxy/wire/writer.hpp"

namespace evergres::proxy {

void CommitLook::lent(Server& server) {
  // Rarely wanted: it is not kept.
  server.retire_when_free = true;
  Errand::lent(server);
}

void CommitLook::ask(std::string& to) {
  write_query(to,
              "SELECT coalesce(wait_event = 'SyncRep', false) "
              "FROM pg_catalog.pg_stat_activity WHERE pid = " +
                  std::to_string(pid_));
}

void CommitLook::heard(Server& server, const Frame& frame, const Answer& answer) {
  if (!frame.first || frame.type != 'D' || answer.to != Answer::To::nobody) return;
  if (server.birth().node != node_) return;
  Reader reader(frame.payload());
  if (reader.u16() != 1 || reader.i32() != 1) return;
  const std::string_view value = reader.take(1);
  if (reader.done()) commits_ = value == "t";
}

}  // namespace evergres::proxy
