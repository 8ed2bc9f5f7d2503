#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sqlite3.h>

#include <sstream>

#include "agent/place.hpp"
#include "core/loss.hpp"

namespace evergres::agent::test {
namespace {

/// `Hands::change_record` against a store in which somebody else writes between reading and
/// writing.
class RecordChange : public Place {
 protected:
  RecordChange() { EXPECT_TRUE(others_.write_record(fresh_record(), std::nullopt, generous)); }

  Hands hands() {
    Knowledge known;
    known.situation.me = NodeName{"n1"};
    known.situation.agent = Claim{"mine"};
    return Hands(
        setup_, known, [this](const Learn& change) { change(told_); }, std::stop_token());
  }
  cluster::Versioned<core::Record> stored() { return **others_.read_record(generous); }

  /// What another agent does: reads, changes, writes.
  void meanwhile(const std::function<void(core::Record&)>& change) {
    auto read = stored();
    change(read.value);
    const auto written = others_.write_record(read.value, read.revision, generous);
    ASSERT_TRUE(written && std::holds_alternative<cluster::RecordApplied>(*written));
  }

  cluster::ClusterStore others_ = store();
  Knowledge told_;
};

TEST_F(RecordChange, IsWrittenAndLearned) {
  auto own = hands();
  ASSERT_TRUE(carry_out(core::ClaimTerm{Term{0}, "a test"}, own));
  EXPECT_EQ(stored().value.term, Term{1});
  EXPECT_EQ(stored().value.claim, Claim{"mine"});
  EXPECT_EQ(told_.situation.record, stored().value);
  EXPECT_EQ(told_.situation.revision, stored().revision);
  EXPECT_TRUE(told_.situation.claimed_at);
}

TEST_F(RecordChange, OfTwoPartsIsLearnedOnlyWhenItIsTold) {
  auto own = hands();
  const auto written = own.write_record([](core::Record record) {
    return core::claim_term(std::move(record), NodeName{"n1"}, Claim{"mine"}, "a test");
  });
  ASSERT_TRUE(written);
  EXPECT_EQ(stored().value, written->value);
  EXPECT_FALSE(told_.situation.record);
  own.learn_written(*written);
  EXPECT_EQ(told_.situation.record, stored().value);
  EXPECT_EQ(told_.situation.revision, stored().revision);
}

TEST_F(RecordChange, IsRebasedAtOnceOnARenewalAndARequest) {
  auto own = hands();
  int tries = 0;
  const auto changed = own.change_record([&](core::Record record) -> Result<core::Record> {
    if (++tries == 1) meanwhile([](core::Record& theirs) { theirs.renewed += 1; });
    if (tries == 2) {
      meanwhile([](core::Record& theirs) {
        theirs.request = core::Request{"r1", {}, NodeName{"n2"}, false, 0};
      });
    }
    return core::claim_term(std::move(record), NodeName{"n1"}, Claim{"mine"}, "a test");
  });
  ASSERT_TRUE(changed) << changed.error().one_line();
  EXPECT_EQ(tries, 3);
  const auto record = stored().value;
  EXPECT_EQ(record.term, Term{1});
  EXPECT_EQ(record.claim, Claim{"mine"});
  EXPECT_EQ(record.renewed, fresh_record().renewed + 1) << "their change was overwritten";
  ASSERT_TRUE(record.request) << "their change was overwritten";
  EXPECT_EQ(record.request->id, "r1");
}

TEST_F(RecordChange, GivesWayToAnotherClaim) {
  auto own = hands();
  const auto take = [&](core::Record record) -> Result<core::Record> {
    if (record.claim != Claim{"other"}) {
      meanwhile([](core::Record& theirs) {
        theirs = *core::claim_term(theirs, NodeName{"n2"}, Claim{"other"}, "was faster");
      });
    }
    if (record.term != Term{0}) return Error(ErrorCode::conflict, "somebody else was faster");
    return core::claim_term(std::move(record), NodeName{"n1"}, Claim{"mine"}, "a test");
  };
  const auto changed = own.change_record(take);
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code(), ErrorCode::conflict);
  EXPECT_EQ(stored().value.claim, Claim{"other"});
  EXPECT_EQ(stored().value.term, Term{1});
  EXPECT_FALSE(told_.situation.record) << "what was not written was learned";
}

TEST_F(RecordChange, OfATermThatIsTakenIsRefusedByEveryOperation) {
  meanwhile([](core::Record& theirs) {
    theirs = *core::claim_term(theirs, NodeName{"n2"}, Claim{"other"}, "was faster");
  });
  auto own = hands();
  core::ChooseLeader choose;
  choose.term = Term{1};
  for (const Outcome& outcome :
       {carry_out(core::ClaimTerm{Term{0}, "a test"}, own),
        carry_out(core::Vacate{Term{1}, "a test"}, own),
        carry_out(core::Vacate{Term{0}, "a test"}, own), carry_out(choose, own),
        carry_out(core::RecordDurability{Term{0}, core::Durability::strict, 0, Millis{5000}}, own),
        carry_out(core::AddMember{NodeName{"n3"}}, own)}) {
    EXPECT_FALSE(outcome);
  }
  EXPECT_EQ(stored().value.claim, Claim{"other"});
  EXPECT_EQ(stored().value.members, fresh_record().members);
}

TEST_F(RecordChange, RecognisesItsOwnWhoseReplyWasLost) {
  for (const bool renewed_since : {false, true}) {
    auto own = hands();
    int tries = 0;
    const auto changed = own.change_record([&](core::Record record) -> Result<core::Record> {
      ++tries;
      const Term before = record.term;
      auto wanted = core::claim_term(std::move(record), NodeName{"n1"}, Claim{"mine"}, "a test");
      // The write arrives, but who wrote it never hears of it.
      if (tries == 1) meanwhile([&](core::Record& theirs) { theirs = *wanted; });
      if (renewed_since && tries == 1) meanwhile([](core::Record& theirs) { theirs.renewed += 1; });
      EXPECT_LT(before, wanted->term);
      return wanted;
    });
    ASSERT_TRUE(changed) << changed.error().one_line();
    EXPECT_EQ(tries, 1) << "it was done twice";
    EXPECT_EQ(*changed, stored().value);
    EXPECT_EQ(told_.situation.record, stored().value);
    EXPECT_EQ(stored().value.term, Term{renewed_since ? 2U : 1U});
  }
}

TEST_F(RecordChange, TakesARenewalForNoRequestOfItsOwn) {
  auto own = hands();
  const core::Request request{"mine", core::RequestKind::switchover, NodeName{"n2"}, false, 0};
  int tries = 0;
  const auto changed = own.change_record([&](core::Record record) -> Result<core::Record> {
    if (++tries == 1) meanwhile([](core::Record& theirs) { theirs.renewed += 1; });
    record.request = request;
    return record;
  });
  ASSERT_TRUE(changed);
  EXPECT_EQ(stored().value.request, request) << "a small change was believed to be there";
}

TEST_F(RecordChange, EndsUnderEndlessConflict) {
  auto own = hands();
  int tries = 0;
  const auto changed = own.change_record([&](core::Record record) -> Result<core::Record> {
    ++tries;
    meanwhile([](core::Record& theirs) { theirs.renewed += 1; });
    return core::claim_term(std::move(record), NodeName{"n1"}, Claim{"mine"}, "a test");
  });
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code(), ErrorCode::conflict);
  EXPECT_LT(tries, 100);
}

/// Others count the lease from the proposal: whoever hears too late that it was noted applies
/// nothing, and proposes it anew.
TEST_F(RecordChange, OfAPolicyToAsyncThatTheStoreNotesLateIsNotApplied) {
  const core::Seat n1{NodeName{"n1"}, Incarnation{"i1"}};
  meanwhile([&](core::Record& theirs) {
    theirs.claim = Claim{"mine"};
    theirs.phase = core::Phase::leading;
    theirs.leader = n1;
    theirs.lease_ms = 5000;
  });
  const core::Record before = stored().value;
  const core::Policy async{core::Durability::async, before.term, n1, {}, 0};
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open((root_ / "store.db").c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  std::thread holds([other] {  // so long nobody can write
    std::this_thread::sleep_for(core::lease_margin);
    EXPECT_EQ(sqlite3_exec(other, "COMMIT", nullptr, nullptr, nullptr), SQLITE_OK);
  });
  auto own = hands();
  const auto late = carry_out(core::ChangePolicy{before.term, async, "a test"}, own);
  holds.join();
  EXPECT_EQ(sqlite3_close(other), SQLITE_OK);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), ErrorCode::timed_out);
  EXPECT_EQ(late.error().message(), "the store took too long to note the async policy");
  EXPECT_EQ(stored().value.policy.unproven, std::vector{async});
  EXPECT_FALSE(told_.applied_names) << "applied all the same";
  const auto soon = carry_out(core::ChangePolicy{before.term, async, "a test"}, own);
  EXPECT_EQ(told_.applied_names, "");
  ASSERT_FALSE(soon);  // there is no PostgreSQL to prove it
  EXPECT_NE(soon.error().message(), late.error().message());
  EXPECT_EQ(stored().value.renewed, before.renewed + 2) << "each proposal begins the lease anew";
}

/// n1 leads in the term of the failover that gave up the end of n2's WAL.
class LossOfN2 : public RecordChange {
 protected:
  LossOfN2() {
    meanwhile([&](core::Record& theirs) {
      theirs.claim = Claim{"mine"};
      theirs.phase = core::Phase::leading;
      theirs.leader = core::Seat{NodeName{"n1"}, Incarnation{"i1"}};
      theirs.loss = loss_;
    });
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(
        "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log_)));
  }
  ~LossOfN2() override { spdlog::set_default_logger(logger_before_); }

  void write_history() {
    cluster::HistoryEntry entry;
    entry.term = loss_.term.value;
    entry.lost = cluster::lost_tail(loss_);
    ASSERT_TRUE(others_.append_history(entry, generous));
  }
  /// The store refuses a change of the history as long as `condition` holds, in the words of SQL.
  void refuse_history(const std::string& condition) {
    sqlite3* other = nullptr;
    ASSERT_EQ(sqlite3_open((root_ / "store.db").c_str(), &other), SQLITE_OK);
    const std::string body = " ON entry WHEN CAST(NEW.key AS TEXT) LIKE '%/events/%' AND " +
                             condition + " BEGIN SELECT RAISE(ABORT, 'no'); END; ";
    const std::string refuse = "CREATE TRIGGER refuse BEFORE UPDATE" + body +
                               "CREATE TRIGGER refuse_new BEFORE INSERT" + body;
    ASSERT_EQ(sqlite3_exec(other, refuse.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(other);
    EXPECT_EQ(sqlite3_close(other), SQLITE_OK);
  }
  /// n2 showed 30 bytes more than were known of it.
  Outcome measure(std::uint32_t failures_before) {
    core::Loss measured = loss_;
    measured.to = Lsn{150};
    measured.measured = true;
    Knowledge known;
    known.situation.me = NodeName{"n1"};
    known.situation.agent = Claim{"mine"};
    known.situation.attempts[core::RecordLoss::kind].failures = failures_before;
    Hands own(
        setup_, known, [](const Learn&) {}, std::stop_token());
    return carry_out(core::RecordLoss{Term{0}, measured}, own);
  }
  [[nodiscard]] bool logged(const std::string& text) const {
    return log_.str().find(text) != std::string::npos;
  }

  const core::Loss loss_{
      core::Seat{NodeName{"n2"}, Incarnation{"i2"}}, Term{0}, Lsn{100}, Lsn{120}, 700, false, true};

 private:
  std::ostringstream log_;
  std::shared_ptr<spdlog::logger> logger_before_ = spdlog::default_logger();
};

constexpr const char* the_number = "term 0 lost 50 bytes of n2 (0/64 to 0/96), read from its own";

/// The old leader waits with its rewind until the record says that its loss is measured.
TEST_F(LossOfN2, ThatTheHistoryRefusesIsMeasuredAllTheSame) {
  write_history();
  refuse_history("TRUE");
  for (std::uint32_t failures : {0U, 4U, 5U}) {
    EXPECT_EQ(measure(failures).ok(), failures == 5) << failures;
    EXPECT_EQ(stored().value.loss->measured, failures == 5) << failures;
    EXPECT_EQ(logged(std::string("the history does not say that ") + the_number), failures == 5);
  }
}

/// Of the tries before none may have been the history's refusal: what fails once more, by whatever
/// passes, is tried once more before it is given up.
TEST_F(LossOfN2, ThatTheHistoryRefusesOnceIsInItAllTheSame) {
  write_history();
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open((root_ / "store.db").c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  std::thread holds([other] {  // so long nobody can write: the first try ends meanwhile
    std::this_thread::sleep_for(store_deadline + store_deadline / 3);
    EXPECT_EQ(sqlite3_exec(other, "COMMIT", nullptr, nullptr, nullptr), SQLITE_OK);
  });
  const auto done = measure(5);
  holds.join();
  EXPECT_EQ(sqlite3_close(other), SQLITE_OK);
  ASSERT_TRUE(done) << done.error().one_line();
  const auto history = others_.list_history(generous);
  ASSERT_TRUE(history && history->size() == 1 && history->front().lost);
  EXPECT_TRUE(history->front().lost->measured);
  EXPECT_TRUE(stored().value.loss->measured);
  EXPECT_TRUE(logged(the_number));
  EXPECT_FALSE(logged("the history does not say"));
}

TEST_F(LossOfN2, StaysInTheLogIfItsTermHasNoHistory) {
  ASSERT_TRUE(measure(0));
  EXPECT_TRUE(stored().value.loss->measured);
  EXPECT_TRUE(logged(the_number));
}

TEST_F(RecordChange, NeedsARecord) {
  std::filesystem::remove(root_ / "store.db");
  auto own = hands();
  EXPECT_FALSE(own.change_record([](core::Record record) { return record; }));
  EXPECT_FALSE(std::filesystem::exists(root_ / "store.db")) << "an agent made a store";
}

}  // namespace
}  // namespace evergres::agent::test
