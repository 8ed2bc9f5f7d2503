#include "proxy/login/secret_cache.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace evergres::proxy {
namespace {

const Instant start{1'000'000'000'000};

Instant after(int seconds) {
  return start + Millis{seconds * 1000};
}

ScramSecret secret(std::string_view password, std::string salt = "salt") {
  return make_secret(password, std::move(salt), 1);
}

ScramKeys keys(std::string_view password, std::string salt = "salt") {
  ScramKeys made;
  made.iterations = 1;
  const Key salted = salted_password(password, salt, 1);
  made.salt = std::move(salt);
  made.client_key = hmac(salted.view(), "Client Key");
  made.server_key = hmac(salted.view(), "Server Key");
  return made;
}

SecretCache::Limits limits() {
  return SecretCache::Limits{};
}

TEST(SecretCache, IsFreshThenOldThenGone) {
  SecretCache cache(limits());
  EXPECT_FALSE(cache.find("app", start));
  cache.put("app", secret("pencil"), start);
  EXPECT_TRUE(cache.find("app", after(29))->fresh);
  const auto old = cache.find("app", after(30));
  ASSERT_TRUE(old);
  EXPECT_FALSE(old->fresh);
  EXPECT_TRUE(old->secret) << "of use while no server can be asked";
  EXPECT_FALSE(cache.find("app", after(600)));
}

TEST(SecretCache, ThatThereIsNoneIsKnownForAWhile) {
  SecretCache cache(limits());
  cache.put("app", secret("pencil"), start);
  cache.learn("app", keys("pencil"));
  cache.put("app", std::nullopt, after(1));
  ASSERT_TRUE(cache.find("app", after(2)));
  EXPECT_FALSE(cache.find("app", after(2))->secret);
  EXPECT_FALSE(cache.keys("app")) << "the role was dropped";
  EXPECT_FALSE(cache.find("app", after(6)));
}

TEST(SecretCache, AFailedLoginAsksAnewButNotTooOften) {
  SecretCache cache(limits());
  cache.put("app", secret("pencil"), start);
  cache.login_failed("app", after(1));
  EXPECT_TRUE(cache.find("app", after(1))->fresh);
  cache.login_failed("app", after(5));
  EXPECT_FALSE(cache.find("app", after(5))->fresh);
  cache.put("app", secret("crayon"), after(5));
  cache.login_failed("app", after(6));
  EXPECT_TRUE(cache.find("app", after(6))->fresh);
  cache.login_failed("stranger", after(6));
  EXPECT_FALSE(cache.find("stranger", after(6)));
}

TEST(SecretCache, KeysBelongToASecret) {
  SecretCache cache(limits());
  cache.put("app", secret("pencil"), start);
  cache.learn("app", keys("crayon"));
  EXPECT_FALSE(cache.keys("app")) << "learned against a secret that was replaced meanwhile";
  cache.learn("app", keys("pencil"));
  ASSERT_TRUE(cache.keys("app"));
  cache.put("app", secret("pencil"), after(40));
  EXPECT_TRUE(cache.keys("app")) << "the same secret again";
  cache.put("app", secret("pencil", "other salt"), after(80));
  EXPECT_FALSE(cache.keys("app"));
  cache.learn("of a file", keys("x"));
  EXPECT_TRUE(cache.keys("of a file"));
  EXPECT_FALSE(cache.find("of a file", start)) << "keys are no secret";
}

TEST(SecretCache, StaleKeysAreForgottenAndNewerOnesStay) {
  SecretCache cache(limits());
  cache.put("app", secret("pencil"), start);
  cache.learn("app", keys("pencil"));
  cache.forget_keys("app", keys("crayon"));
  EXPECT_TRUE(cache.keys("app"));
  cache.forget_keys("app", keys("pencil"));
  EXPECT_FALSE(cache.keys("app"));
  EXPECT_FALSE(cache.find("app", start)->fresh) << "the server has another secret";
}

TEST(SecretCache, MadeUpNamesPushOutNobodyWhoHasASecret) {
  SecretCache::Limits small = limits();
  small.users = 10;
  small.strangers = 20;
  SecretCache cache(small);
  cache.put("app", secret("pencil"), start);
  for (int i = 0; i < 1000; ++i) cache.put("stranger" + std::to_string(i), std::nullopt, start);
  EXPECT_EQ(cache.counts().strangers, 20U);
  EXPECT_TRUE(cache.find("app", start));
  for (int i = 0; i < 10; ++i) cache.put("user" + std::to_string(i), secret("x"), start);
  EXPECT_EQ(cache.counts().users, 10U);
  EXPECT_FALSE(cache.find("app", start)) << "the one that was not touched for longest";
  cache.clear();
  EXPECT_EQ(cache.counts().users + cache.counts().strangers, 0U);
}

TEST(SecretCache, IsSharedByThreads) {
  SecretCache::Limits small = limits();
  small.users = small.strangers = 4;
  SecretCache cache(small);
  std::vector<std::thread> shards;
  for (int shard = 0; shard < 4; ++shard) {
    shards.emplace_back([&cache, shard] {
      for (int i = 0; i < 2'000; ++i) {
        const std::string user = "user" + std::to_string((i + shard) % 7);
        cache.put(user, i % 3 == 0 ? std::nullopt : std::optional(secret("x")), after(i));
        cache.learn(user, keys("x"));
        cache.find(user, after(i));
        cache.forget_keys(user, keys("x"));
        cache.login_failed(user, after(i));
      }
    });
  }
  for (std::thread& shard : shards) shard.join();
  EXPECT_LE(cache.counts().users, 4U);
}

}  // namespace
}  // namespace evergres::proxy
