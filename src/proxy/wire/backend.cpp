#include "proxy/wire/backend.hpp"

#include <array>
#include <utility>

namespace evergres::proxy {
namespace {

constexpr std::size_t mechanisms_most = 8;

struct Tag {
  std::string_view words;
  CommandKind kind;
};

/// tcop/cmdtaglist.h. The longer of two with the same beginning stands first.
constexpr std::array tags{
    Tag{"SELECT", CommandKind::read},
    Tag{"INSERT", CommandKind::write},
    Tag{"BEGIN", CommandKind::begin},
    Tag{"COMMIT PREPARED", CommandKind::prepared},
    Tag{"COMMIT", CommandKind::commit},
    Tag{"ROLLBACK PREPARED", CommandKind::prepared},
    Tag{"ROLLBACK", CommandKind::rollback},
    Tag{"START TRANSACTION", CommandKind::begin},
    Tag{"SET", CommandKind::set},
    Tag{"RESET", CommandKind::set},
    Tag{"FETCH", CommandKind::read},
    Tag{"MOVE", CommandKind::read},
    Tag{"SHOW", CommandKind::read},
    Tag{"EXPLAIN", CommandKind::read},
    Tag{"CLOSE CURSOR", CommandKind::read},
    Tag{"LOCK TABLE", CommandKind::read},
    Tag{"PREPARE TRANSACTION", CommandKind::prepared},
    Tag{"PREPARE", CommandKind::prepare},
    Tag{"DEALLOCATE ALL", CommandKind::deallocate_all},
    Tag{"DEALLOCATE", CommandKind::deallocate},
    Tag{"DISCARD ALL", CommandKind::discard_all},
    Tag{"SAVEPOINT", CommandKind::savepoint},
    Tag{"RELEASE", CommandKind::savepoint},
    Tag{"LISTEN", CommandKind::listen},
    Tag{"UNLISTEN", CommandKind::unlisten},
    Tag{"DECLARE CURSOR", CommandKind::declare_cursor},
    Tag{"CALL", CommandKind::call},
    Tag{"DO", CommandKind::call},
};

bool begins_with_words(std::string_view text, std::string_view words) {
  return text.starts_with(words) && (text.size() == words.size() || text[words.size()] == ' ');
}

}  // namespace

std::optional<TransactionStatus> read_ready(std::string_view body) {
  if (body == "I") return TransactionStatus::idle;
  if (body == "T") return TransactionStatus::open;
  if (body == "E") return TransactionStatus::failed;
  return std::nullopt;
}

std::optional<ParameterView> read_parameter(std::string_view body) {
  Reader reader(body);
  ParameterView view;
  view.name = reader.text();
  view.value = reader.text();
  if (!reader.done() || view.name.empty()) return std::nullopt;
  return view;
}

std::optional<BackendKeyView> read_backend_key(std::string_view body) {
  Reader reader(body);
  BackendKeyView view;
  view.pid = reader.i32();
  view.key = reader.rest();
  if (!reader.ok() || view.key.size() < 4 || view.key.size() > 256) return std::nullopt;
  return view;
}

std::optional<std::string_view> read_command_complete(std::string_view body) {
  Reader reader(body);
  const std::string_view tag = reader.text();
  if (!reader.done()) return std::nullopt;
  return tag;
}

CommandKind command_kind(std::string_view tag) {
  for (const Tag& known : tags) {
    if (begins_with_words(tag, known.words)) return known.kind;
  }
  return CommandKind::write;
}

FieldsView read_fields(std::string_view body) {
  Reader reader(body);
  FieldsView view;
  std::string_view translated;
  while (true) {
    const char field = static_cast<char>(reader.byte());
    if (!reader.ok()) break;
    if (field == '\0') {
      view.whole = reader.done();
      break;
    }
    const std::string_view value = reader.text();
    if (!reader.ok()) break;
    switch (field) {
      case 'S': translated = value; break;
      case 'V': view.severity = value; break;
      case 'C': view.code = value.size() == 5 ? value : std::string_view{}; break;
      case 'M': view.message = value; break;
      case 'D': view.detail = value; break;
      case 'H': view.hint = value; break;
      case 'R': view.routine = value; break;
      default: break;
    }
  }
  if (view.severity.empty()) view.severity = translated;
  return view;
}

bool is_cancelled_sync_wait(const FieldsView& notice) {
  // A function can RAISE a warning with these words, but not under that name.
  if (!notice.routine.empty()) return notice.routine == "SyncRepWaitForLSN";
  return notice.message.starts_with("canceling wait for synchronous replication") ||
         notice.message.starts_with("canceling the wait for synchronous replication");
}

bool is_refusal_of_a_standby(const FieldsView& error) {
  if (error.code == "25006") return true;
  // check_transaction_read_only (commands/variable.c) has this code for two other refusals.
  return error.code == "0A000" && error.message.ends_with("read-write mode during recovery");
}

std::optional<AuthView> read_auth(std::string_view body) {
  Reader reader(body);
  AuthView view;
  view.kind = reader.u32();
  view.data = reader.rest();
  if (!reader.ok()) return std::nullopt;
  return view;
}

std::optional<std::vector<std::string_view>> read_mechanisms(std::string_view data) {
  Reader reader(data);
  std::vector<std::string_view> names;
  while (true) {
    const std::string_view name = reader.text();
    if (!reader.ok()) return std::nullopt;
    if (name.empty()) break;
    if (names.size() == mechanisms_most) return std::nullopt;
    names.push_back(name);
  }
  if (!reader.done() || names.empty()) return std::nullopt;
  return names;
}

std::optional<NegotiateView> read_negotiate(std::string_view body, std::size_t asked) {
  Reader reader(body);
  NegotiateView view;
  // Servers send the minor number; the documentation once said the whole version.
  const std::uint32_t version = reader.u32();
  view.minor = version >> 16U == 3 ? version & 0xffffU : version;
  const std::uint32_t count = reader.u32();
  if (!reader.ok() || count > asked) return std::nullopt;
  for (std::uint32_t i = 0; i < count; ++i) view.unknown_options.push_back(reader.text());
  if (!reader.done()) return std::nullopt;
  return view;
}

std::optional<NotificationView> read_notification(std::string_view body) {
  Reader reader(body);
  NotificationView view;
  view.pid = reader.i32();
  view.channel = reader.text();
  view.payload = reader.text();
  if (!reader.done()) return std::nullopt;
  return view;
}

std::optional<CopyView> read_copy(std::string_view head) {
  Reader reader(head);
  CopyView view;
  const std::uint8_t format = reader.byte();
  view.columns = reader.u16();
  if (!reader.ok() || format > 1) return std::nullopt;
  view.binary = format == 1;
  return view;
}

}  // namespace evergres::proxy
