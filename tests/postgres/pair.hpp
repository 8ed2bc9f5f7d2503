#pragma once

#include "postgres/probe.hpp"
#include "postgres/promotion.hpp"
#include "postgres/world.hpp"

namespace evergres::postgres::test {

/// A primary and its standby, on real PostgreSQL.
class Story : public ::testing::Test {
 protected:
  void make_pair() {
    ASSERT_NO_FATAL_FAILURE(a.create());
    ASSERT_NO_FATAL_FAILURE(a.start());
    ASSERT_NO_FATAL_FAILURE(a.promote());
    a.ask("CREATE TABLE public.t(n int)");
    auto control = a.session();
    ASSERT_TRUE(create_member_slots(control, {"evg_b"}, soon()).ok());
    b.configuration.safety.primary_slot_name = "evg_b";
    ASSERT_NO_FATAL_FAILURE(b.clone_from(a, "b1"));
    ASSERT_NO_FATAL_FAILURE(b.follow(a, "evg_b_1"));
    ASSERT_NO_FATAL_FAILURE(b.start());
    ASSERT_TRUE(catches_up(a, "evg_b_1"));
  }

  ProofRequest voters_of(const std::string& names) {
    ProofRequest request;
    request.safety = {names, ""};
    request.voters = {"evg_b_1"};
    return request;
  }

  TemporaryDirectory root;
  Node a{root.path(), "a"};
  Node b{root.path(), "b"};
};

}  // namespace evergres::postgres::test
