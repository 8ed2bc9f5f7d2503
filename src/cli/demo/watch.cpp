#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <mutex>
#include <ostream>
#include <thread>

#include "cli/demo/row_writer.hpp"
#include "cli/demo/verbs.hpp"

namespace evergres::cli::demo {
namespace {

using namespace std::chrono_literals;

std::atomic<bool> interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free);

/// The rows of one run, written by one thread and looked at by two.
class Book {
 public:
  void add(Fate fate) {
    const std::lock_guard lock(mutex_);
    fates_.push_back(fate);
    if (fate != Fate::acknowledged) return;
    longest_ = std::max(longest_, boot_now() - last_acknowledged_);
    last_acknowledged_ = boot_now();
  }
  [[nodiscard]] std::vector<Fate> fates() const {
    const std::lock_guard lock(mutex_);
    return fates_;
  }
  void set_lost(std::uint64_t lost) {
    const std::lock_guard lock(mutex_);
    lost_ = lost;
    most_lost_ = std::max(most_lost_, lost);
  }
  [[nodiscard]] std::uint64_t most_lost() const {
    const std::lock_guard lock(mutex_);
    return most_lost_;
  }
  /// The gap that still lasts counts as well, unless the writer has stopped.
  [[nodiscard]] std::string line(bool writing) const {
    const std::lock_guard lock(mutex_);
    const auto count = [&](Fate fate) { return std::ranges::count(fates_, fate); };
    const Nanos gap = writing ? std::max(longest_, boot_now() - last_acknowledged_) : longest_;
    return fmt::format(
        "writes ok {}  failed {}  unknown {}  longest gap {:.2f} s  acknowledged rows lost {}",
        count(Fate::acknowledged), count(Fate::failed), count(Fate::unknown),
        std::chrono::duration<double>(gap).count(), lost_);
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Fate> fates_;
  Instant last_acknowledged_ = boot_now();
  Nanos longest_{0};
  std::uint64_t lost_ = 0;
  std::uint64_t most_lost_ = 0;
};

void write_rows(const std::stop_token& stop, const Plan& plan, const std::string& run, Book& book) {
  WriteConnection connection(plan, run);
  for (std::uint64_t number = 0; !stop.stop_requested(); ++number) {
    const Instant next = boot_now() + 20ms;
    book.add(connection.insert(number, 1s));
    std::this_thread::sleep_for(std::max(Nanos{0}, next - boot_now()));
  }
}

/// One look at all rows. The fates are copied first: what is acknowledged then must be there now.
Outcome verify(WriteConnection& connection, Book& book, Instant deadline) {
  const std::vector<Fate> fates = book.fates();
  Result<std::vector<std::uint64_t>> present = connection.present(deadline);
  if (!present) return present.error();
  book.set_lost(count_lost(fates, *present));
  return {};
}

void verify_rows(const std::stop_token& stop, const Plan& plan, const std::string& run,
                 Book& book) {
  WriteConnection connection(plan, run);
  Instant next = boot_now() + 2s;
  while (!stop.stop_requested()) {
    if (boot_now() >= next) {
      // A failed look is no news; the last one at the end must succeed.
      static_cast<void>(verify(connection, book, boot_now() + 2s).ok());
      next = boot_now() + 2s;
    }
    std::this_thread::sleep_for(50ms);
  }
}

void show_until(Session& session, const Book& book, Instant end) {
  const auto every = session.out_is_terminal ? Nanos{200ms} : Nanos{1s};
  Instant next = boot_now();
  while (!interrupted && boot_now() < end && session.out) {
    if (boot_now() >= next) {
      const std::string line = book.line(true);
      session.out << (session.out_is_terminal ? "\r\033[K" + line : line + "\n") << std::flush;
      next = next + every;
    }
    std::this_thread::sleep_for(20ms);
  }
  if (session.out_is_terminal) session.out << "\r\033[K";
}

Result<int> conclude(Session& session, WriteConnection& connection, Book& book) {
  const Instant deadline = boot_now() + 30s;
  Outcome seen = verify(connection, book, deadline);
  while (!seen && boot_now() < deadline) {
    std::this_thread::sleep_for(200ms);
    seen = verify(connection, book, deadline);
  }
  session.out << book.line(false) << "\n" << std::flush;
  if (!seen) {
    return Error(ErrorCode::timed_out, "the rows could not be verified",
                 "No node that takes writes answered for 30 seconds. " + seen.error().detail());
  }
  if (book.most_lost() > 0) {
    return Error(ErrorCode::internal,
                 fmt::format("{} acknowledged rows were missing", book.most_lost()),
                 "This must never happen.", "Keep the demo's directory and report it.");
  }
  session.out << "Verified: every acknowledged row is there.\n";
  if (Outcome cleaned = connection.clean_up(boot_now() + 10s); !cleaned) {
    session.err << "warning: the rows stay in the table evergres_watch ("
                << cleaned.error().one_line() << ")\n";
  }
  return 0;
}

}  // namespace

Result<int> watch(Session& session, const std::filesystem::path& directory, int seconds) {
  Result<Plan> plan = existing_plan(directory);
  if (!plan) return plan.error();
  const std::string run = random_hex(6);
  WriteConnection connection(*plan, run);
  if (Outcome made = connection.make_table(boot_now() + 15s); !made) return made.error();
  struct sigaction on_interrupt {};
  on_interrupt.sa_handler = [](int) { interrupted = true; };
  sigaction(SIGINT, &on_interrupt, nullptr);
  sigaction(SIGTERM, &on_interrupt, nullptr);
  signal(SIGPIPE, SIG_IGN);
  Book book;
  const Instant end = boot_now() + (seconds > 0 ? std::chrono::seconds(seconds) : 24h * 365);
  {
    const std::jthread writer(
        [&](const std::stop_token& stop) { write_rows(stop, *plan, run, book); });
    const std::jthread verifier(
        [&](const std::stop_token& stop) { verify_rows(stop, *plan, run, book); });
    show_until(session, book, end);
  }
  return conclude(session, connection, book);
}

}  // namespace evergres::cli::demo
