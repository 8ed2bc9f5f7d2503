#include "proxy/feed/prober.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/file.hpp"
#include "proxy/feed/external_view.hpp"
#include "proxy/feed/probe_connection.hpp"
#include "proxy/feed/world_maker.hpp"

namespace evergres::proxy {
namespace {

constexpr Millis between_lags{500};
constexpr int faster_without_a_leader = 5;

/// "<system identifier> <timeline>\n".
Result<ExternalView::Known> read_known(const std::filesystem::path& file) {
  const auto text = read_file_if_present(file, 128);
  if (!text) return text.error();
  ExternalView::Known known;
  if (!*text) return known;
  const char* const end = (*text)->data() + (*text)->size();
  std::uint64_t system = 0;
  const auto first = std::from_chars((*text)->data(), end, system);
  const bool has_both = first.ec == std::errc() && first.ptr != end && *first.ptr == ' ';
  const auto second = has_both ? std::from_chars(first.ptr + 1, end, known.timeline.value)
                               : std::from_chars_result{end, std::errc::invalid_argument};
  if (second.ec != std::errc() || second.ptr == end || *second.ptr != '\n') {
    return Error(ErrorCode::data_invalid, "the file " + file.string() + " is damaged",
                 "It says which database system and timeline the endpoint served last.",
                 "Make sure that no old primary runs, then remove the file.");
  }
  known.system = system;
  return known;
}

std::vector<std::string> names_of(const std::vector<Address>& hosts) {
  std::vector<std::string> names;
  for (const Address& host : hosts) names.push_back(external_name(host));
  return names;
}

}  // namespace

struct Prober::Impl {
  Impl(Options wanted, OnWorld tell, ExternalView::Known known)
      : options(std::move(wanted)),
        on_world(std::move(tell)),
        wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        password(options.password),
        written(known),
        view(names_of(options.servers.hosts), known, options.servers.must_write),
        resolved(options.servers.hosts.size()) {}

  ~Impl() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto told = ::write(wake.number(), &one, sizeof one);
    for (std::thread& thread : threads) thread.join();
  }

  void watch(std::size_t host);
  Result<ProbeConnection> connect(std::size_t host);
  void is_at(std::size_t host, const Resolved& address);
  [[nodiscard]] bool ending(Millis after) const;
  Millis pause();
  [[nodiscard]] Millis short_pause() const;
  void answered(std::size_t host, const ProbeAnswer& answer);
  void failed(std::size_t host, const Error& why);
  void publish();
  [[nodiscard]] World world() const;

  const Options options;
  const OnWorld on_world;
  const Descriptor wake;
  std::mutex mutex;  ///< of what follows
  std::string password;
  ExternalView::Known written;
  std::optional<ErrorCode> not_written;  ///< why; said once, whatever name a file had for a moment
  ExternalView view;
  std::vector<std::vector<Resolved>> resolved;
  std::shared_ptr<const World> published;
  Instant published_at;

  std::vector<std::thread> threads;
};

/// One thread: the life of the connection to one server.
void Prober::Impl::watch(std::size_t host) {
  while (!ending(Millis{0})) {
    auto connection = connect(host);
    if (!connection) {
      failed(host, connection.error());
      if (ending(pause())) return;
      continue;
    }
    for (;;) {
      const auto answer = connection->ask(boot_now() + options.timeout, wake.number());
      if (!answer) {
        failed(host, answer.error());
        // It took the login and not the question: no loop of logins.
        if (ending(short_pause())) return;
        break;
      }
      answered(host, *answer);
      connection->rest(boot_now() + pause(), wake.number());
      if (ending(Millis{0})) return;
    }
  }
}

/// Each time the name is looked up anew: it may have been moved to another server.
Result<ProbeConnection> Prober::Impl::connect(std::size_t host) {
  const Address& address = options.servers.hosts[host];
  const Instant deadline = boot_now() + options.timeout;
  std::string shown;
  std::vector<Resolved> before;
  {
    const std::lock_guard lock(mutex);
    shown = password;
    before = resolved[host];
  }
  auto found = options.look_up(address);
  if (!found) return found.error();
  // Of several addresses the one in use goes on to be used.
  const auto in_use = before.empty()
                          ? found->end()
                          : std::ranges::find(*found, before.front().bytes(), &Resolved::bytes);
  if (in_use != found->end()) std::rotate(found->begin(), in_use, in_use + 1);
  Result<ProbeConnection> connection = Error(ErrorCode::unreachable, "its name has no address");
  for (std::size_t i = 0; i < found->size(); ++i) {
    // An address that is silent leaves time for the others.
    const Resolved& one = (*found)[i];
    const Instant now = boot_now();
    const auto share = static_cast<std::int64_t>(found->size() - i);
    connection =
        ProbeConnection::open(options.servers, address, one, shown,
                              now + Nanos{(deadline - now).count() / share}, wake.number());
    if (!connection) continue;
    is_at(host, one);
    return connection;
  }
  return connection;
}

/// Before the first answer from there: what was said elsewhere is not said by this server.
void Prober::Impl::is_at(std::size_t host, const Resolved& address) {
  const std::lock_guard lock(mutex);
  const auto& before = resolved[host];
  const bool has_moved = !before.empty() && before.front().bytes() != address.bytes();
  resolved[host] = {address};
  if (!has_moved) return;
  view.moved(host);
  publish();
}

/// Whether the prober ends, now or until `after` has passed.
bool Prober::Impl::ending(Millis after) const {
  pollfd polled{wake.number(), POLLIN, 0};
  return ::poll(&polled, 1, static_cast<int>(after.count())) > 0;
}

Millis Prober::Impl::short_pause() const {
  return std::max(Millis{20}, options.interval / faster_without_a_leader);
}

Millis Prober::Impl::pause() {
  const std::lock_guard lock(mutex);
  return view.leader() ? options.interval : short_pause();
}

void Prober::Impl::answered(std::size_t host, const ProbeAnswer& answer) {
  const std::lock_guard lock(mutex);
  view.answered(host, answer);
  publish();
}

void Prober::Impl::failed(std::size_t host, const Error& why) {
  if (why.code() == ErrorCode::cancelled) return;
  const std::lock_guard lock(mutex);
  view.failed(host, why.one_line());
  publish();
}

void Prober::Impl::publish() {
  // On disk before anybody is sent there: a process that starts now must not go back.
  if (view.known() != written) {
    const std::string text = std::to_string(*view.known().system) + " " +
                             std::to_string(view.known().timeline.value) + "\n";
    const auto kept = write_file_durably(options.known_file, text, 0600);
    if (kept) {
      written = view.known();
      not_written.reset();
    } else if (std::exchange(not_written, kept.error().code()) != kept.error().code() &&
               options.note) {
      options.note(Loudness::warning,
                   kept.error().one_line() + ". Until it is written nobody leads");
    }
  }
  for (const ExternalView::Note& note : view.take_notes()) {
    if (options.note) options.note(note.loudness, note.text);
  }
  World next = world();
  const auto same_lag = [](const ServerNode& one, const ServerNode& other) {
    return one.lag == other.lag;
  };
  if (published && same_routes(*published, next)) {
    const bool same_lags =
        std::equal(next.nodes.begin(), next.nodes.end(), published->nodes.begin(), same_lag);
    if (same_lags || boot_now() - published_at < between_lags) return;
  }
  next.number = published ? published->number + 1 : 1;
  published = std::make_shared<const World>(std::move(next));
  published_at = boot_now();
  on_world(published);
}

World Prober::Impl::world() const {
  World is;
  is.highest = view.highest();
  for (std::size_t host = 0; host < options.servers.hosts.size(); ++host) {
    ServerNode node;
    node.address = options.servers.hosts[host];
    node.name = NodeName(external_name(node.address));
    node.resolved = resolved[host];
    node.answers = view.answer(host).has_value();
    node.replays = view.replays(host);
    node.lag = view.lag(host);
    is.nodes.push_back(std::move(node));
  }
  // One that a restart would not remember is none yet.
  if (const auto leader = view.leader(); leader && view.known() == written) {
    is.leader = OpenLeader{leader->term, is.nodes[leader->host].name, std::nullopt};
  }
  return is;
}

void Prober::set_password(std::string password) {
  const std::lock_guard lock(impl_->mutex);
  impl_->password = std::move(password);
}

Prober::Prober(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Prober::~Prober() = default;

Result<std::unique_ptr<Prober>> Prober::start(Options options, OnWorld on_world) {
  CHECK(!options.servers.hosts.empty() && on_world);
  const auto known = read_known(options.known_file);
  if (!known) return known.error();
  auto impl = std::make_unique<Impl>(std::move(options), std::move(on_world), *known);
  if (!impl->wake.open()) return error_from_errno("could not make a descriptor", errno);
  for (std::size_t host = 0; host < impl->options.servers.hosts.size(); ++host) {
    impl->threads.emplace_back([raw = impl.get(), host] { raw->watch(host); });
  }
  return std::unique_ptr<Prober>(new Prober(std::move(impl)));
}

}  // namespace evergres::proxy
