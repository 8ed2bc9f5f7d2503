#include <dlfcn.h>
#include <pthread.h>

#include <cstdlib>
#include <new>

#include "plane/world.hpp"

/// A transaction on the hot path neither allocates nor locks. Counted here: what the threads of the
/// endpoint allocate, and how often they take a mutex.
namespace {

std::atomic<bool> counting{false};
std::atomic<std::size_t> allocations{0};
std::atomic<std::size_t> locks{0};
thread_local bool is_a_test = false;

bool counts() {
  return counting.load(std::memory_order_relaxed) && !is_a_test;
}

void* counted(std::size_t bytes) {
  if (counts()) ++allocations;
  if (void* const memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}

}  // namespace

// The sanitizers have their own.
#ifndef __SANITIZE_ADDRESS__
void* operator new(std::size_t bytes) {
  return counted(bytes);
}
void* operator new[](std::size_t bytes) {
  return counted(bytes);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}

extern "C" int pthread_mutex_lock(pthread_mutex_t* mutex) {
  using Lock = int (*)(pthread_mutex_t*);
  static const Lock lock = reinterpret_cast<Lock>(::dlsym(RTLD_NEXT, "pthread_mutex_lock"));
  if (counts()) ++locks;
  return lock(mutex);
}
#endif

namespace evergres::proxy::test {
namespace {

class PlaneAllocation : public ::testing::TestWithParam<PoolMode> {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_ADDRESS__
    GTEST_SKIP() << "the sanitizer has an operator new of its own";
#endif
    is_a_test = true;
    endpoint_.emplace(usual(GetParam()));
    endpoint_->lead(primary());
  }

  /// How often the endpoint allocates or locks in `count` times `transaction`.
  void count(const std::function<void()>& transaction, int count) {
    allocations = locks = 0;
    counting = true;
    for (int i = 0; i < count; ++i) transaction();
    counting = false;
  }
  void expect_few(const std::function<void()>& transaction, int times) {
    for (int i = 0; i < 300; ++i) transaction();  // until everything has its size
    count(transaction, times);
    EXPECT_LT(allocations, few);
    EXPECT_LT(locks, few);
  }

  // Not zero: once a second there is a tick, and timers are set anew.
  static constexpr int transactions = 2000;
  static constexpr std::size_t few = 100;

  std::optional<Endpoint> endpoint_;
};

TEST_P(PlaneAllocation, APreparedQueryNeedsNone) {
  Client client(endpoint_->dsn());
  ASSERT_TRUE(client.connected()) << client.problem();
  ASSERT_TRUE(client.prepare("one", "SELECT $1::int + 1").fine);
  expect_few([&] { ASSERT_EQ("42", client.execute("one", {"41"}).first()); }, transactions);
}

TEST_P(PlaneAllocation, ASimpleQueryNeedsNone) {
  Client client(endpoint_->dsn());
  ASSERT_TRUE(client.connected()) << client.problem();
  expect_few([&] { ASSERT_EQ("1", client.value("SELECT 1")); }, transactions);
}

TEST_P(PlaneAllocation, ATransactionOfSeveralNeedsNone) {
  Client client(endpoint_->dsn());
  ASSERT_TRUE(client.connected()) << client.problem();
  const auto transaction = [&] {
    ASSERT_TRUE(client.ask("BEGIN").fine);
    ASSERT_EQ("1", client.value("SELECT 1"));
    ASSERT_TRUE(client.ask("COMMIT").fine);
  };
  expect_few(transaction, transactions / 4);
}

TEST_P(PlaneAllocation, AnUnnamedStatementNeedsNone) {
  Client client(endpoint_->dsn());
  ASSERT_TRUE(client.connected()) << client.problem();
  expect_few([&] { ASSERT_EQ("42", client.ask_with("SELECT $1::int + 1", {"41"}).first()); },
             transactions);
}

TEST_P(PlaneAllocation, ALoginIsCounted) {
  count(
      [&] {
        Client client(endpoint_->dsn());
        ASSERT_EQ("1", client.value("SELECT 1"));
      },
      20);
  EXPECT_GT(allocations, 20U);
  endpoint_->vacant();
  EXPECT_TRUE(eventually([&] {
    counting = true;
    endpoint_->drain(false);  // tells all shards something
    counting = false;
    return locks > 0;
  }));
}

INSTANTIATE_TEST_SUITE_P(Modes, PlaneAllocation,
                         ::testing::Values(PoolMode::session, PoolMode::transaction),
                         [](const auto& mode) {
                           return mode.param == PoolMode::session ? "Session" : "Transaction";
                         });

}  // namespace
}  // namespace evergres::proxy::test
