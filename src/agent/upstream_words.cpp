#include "agent/upstream_words.hpp"

#include <fstream>
#include <string>

namespace evergres::agent {
namespace {

constexpr std::uintmax_t most_bytes = 64 * 1024;

std::string text_between(const std::filesystem::path& path, std::uintmax_t from,
                         std::uintmax_t to) {
  std::ifstream file(path);
  file.seekg(static_cast<std::streamoff>(from));
  std::string text(static_cast<std::size_t>(to - from), '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  return text;
}

/// A server that was cloned has the history file of one timeline, and whoever needs an older one
/// from it ends before it asks for WAL (walreceiver.c WalRcvFetchTimeLineHistoryFiles). A
/// connection that breaks in that moment says something else behind the same words.
bool lacks_a_history(const std::string& text) {
  const auto begin = text.find(
      "could not receive timeline history file from the primary server: ERROR:  could not open "
      "file");
  if (begin == std::string::npos) return false;
  return text.substr(begin, text.find('\n', begin) - begin).ends_with("No such file or directory");
}

}  // namespace

std::optional<UpstreamRefusal> UpstreamWords::read(const std::filesystem::path& log, Instant now) {
  if (now - looked_at_ < Millis{1000}) return std::nullopt;
  std::error_code failure;
  const auto size = std::filesystem::file_size(log, failure);
  if (failure) return std::nullopt;
  UpstreamRefusal said;
  said.since = looked_at_;
  looked_at_ = now;
  if (read_to_ == 0 || read_to_ > size) read_to_ = size;
  if (size - read_to_ > most_bytes) read_to_ = size - most_bytes;
  const std::string text = text_between(log, read_to_, size);
  read_to_ = size;
  const auto says = [&](const char* words) { return text.find(words) != std::string::npos; };
  said.removed = says("has already been removed") ||
                 says("can no longer get changes from replication slot") || lacks_a_history(text);
  said.diverged = says("is not in this server's history") ||
                  says("forked off current database system timeline") ||
                  says("is ahead of the WAL flush position");
  // xlogrecovery.c rescanLatestTimeLine: it has adopted the history of a leader that it never
  // reached.
  said.off_branch = says("is not a child of database system timeline");
  if (!said.removed && !said.diverged && !said.off_branch) return std::nullopt;
  return said;
}

void learn_refusal(core::Server& server, const UpstreamRefusal& said) {
  if (server.receiving || !server.upstream) return;
  if (!server.not_receiving_since || said.since < *server.not_receiving_since) return;
  server.wal_removed = server.wal_removed || said.removed;
  server.diverged = server.diverged || said.diverged;
  if (said.off_branch) server.off_branch = true;
}

}  // namespace evergres::agent
