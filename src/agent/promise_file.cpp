#include "agent/promise_file.hpp"

#include <charconv>

#include "base/file.hpp"
#include "base/names.hpp"

namespace evergres::agent {
namespace {

constexpr std::size_t small_file = 4096;

std::string first_line(std::string text) {
  const auto end = text.find('\n');
  if (end != std::string::npos) text.resize(end);
  return text;
}

/// How a promise is written whose term nobody claims any more (the leadership was given back).
constexpr const char* no_claim = "-";

bool is_claim(const std::string& text) {
  return !text.empty() && text.size() <= 64 &&
         text.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyz-_") == std::string::npos;
}

Error damaged(const std::filesystem::path& path) {
  return Error(ErrorCode::data_invalid, "the file \"" + path.string() + "\" is damaged",
               "It must hold one line with a term and a claim, separated by a blank.",
               "Do not remove it lightly: it is what this node promised. Restore it, or clone the "
               "node anew.");
}

}  // namespace

Result<core::Promise> read_promise(const std::filesystem::path& state_directory) {
  const auto path = state_directory / "promise";
  auto text = read_file_if_present(path, small_file);
  if (!text) return text.error();
  if (!*text) return core::Promise{};
  // One whole line: a file that was cut short must not pass for a promise of less.
  if (!(*text)->ends_with('\n') || (*text)->find('\n') != (*text)->size() - 1) return damaged(path);
  const std::string line = first_line(**text);
  const auto blank = line.find(' ');
  if (blank == std::string::npos || !is_claim(line.substr(blank + 1))) return damaged(path);
  core::Promise promise;
  const auto [end, failure] = std::from_chars(line.data(), line.data() + blank, promise.term.value);
  if (failure != std::errc() || end != line.data() + blank) return damaged(path);
  if (line.substr(blank + 1) != no_claim) promise.claim = Claim{line.substr(blank + 1)};
  return promise;
}

Outcome write_promise(const std::filesystem::path& state_directory, const core::Promise& promise) {
  auto before = read_promise(state_directory);
  if (!before) return before.error();
  if (promise.term < before->term) {
    return Error(ErrorCode::refused,
                 "this node has promised term " + std::to_string(before->term.value) + " already",
                 "It obeys nobody of term " + std::to_string(promise.term.value) + " any more.");
  }
  if (*before == promise) return sync_directory(state_directory);  // a rename may not be durable yet
  const std::string claim = promise.claim.empty() ? no_claim : promise.claim.value;
  if (!is_claim(claim)) {
    return Error(ErrorCode::data_invalid,
                 "the claim of term " + std::to_string(promise.term.value) + " is no claim",
                 "It could not be read back from the file of the promise.");
  }
  return write_file_durably(state_directory / "promise",
                            std::to_string(promise.term.value) + " " + claim + "\n", 0600);
}

Outcome try_promise(const std::filesystem::path& state_directory) {
  const auto path = state_directory / "promise.try";
  constexpr std::size_t longest_line = 100;
  Outcome tried = write_file_durably(path, std::string(longest_line, '-'), 0600);
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
  return tried;
}

Outcome note_asked_to_promote(const std::filesystem::path& state_directory,
                              const std::string& run) {
  return write_file_atomically(state_directory / "asked_to_promote", run + "\n", 0600);
}

Result<bool> was_asked_to_promote(const std::filesystem::path& state_directory,
                                  const std::string& run) {
  auto text = read_file_if_present(state_directory / "asked_to_promote", small_file);
  if (!text) return text.error();
  return text->has_value() && first_line(**text) == run;
}

Outcome bind_to_cluster(const std::filesystem::path& state_directory, const ClusterId& cluster) {
  const auto path = state_directory / "cluster_id";
  auto text = read_file_if_present(path, small_file);
  if (!text) return text.error();
  if (!*text) return write_file_durably(path, cluster.value + "\n", 0600);
  if (**text == cluster.value + "\n") return {};
  return Error(
      ErrorCode::wrong_data_directory,
      "the state directory \"" + state_directory.string() + "\" belongs to another cluster",
      "What this node promised to that cluster says nothing about this one, whose id is " +
          cluster.value + ".",
      "Move the state directory away, or correct \"state_directory\" or \"store\".");
}

Result<std::string> node_id(const std::filesystem::path& state_directory) {
  const auto path = state_directory / "node_id";
  auto text = read_file_if_present(path, small_file);
  if (!text) return text.error();
  if (*text) return first_line(**text);
  const std::string fresh = random_hex(8);
  if (auto written = write_file_durably(path, fresh + "\n", 0600); !written) return written.error();
  return fresh;
}

}  // namespace evergres::agent
