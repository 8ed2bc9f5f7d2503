#pragma once

#include <string>
#include <string_view>

#include "base/check.hpp"
#include "proxy/sql/look.hpp"
#include "proxy/sql/words.hpp"

namespace evergres::proxy::fuzz {

/// The words go forward through the text and end; what stands around a statement does not change
/// what it is; and two statements are never taken for one.
inline void sql(std::string_view bytes) {
  SqlWords words(bytes);
  std::size_t at = 0;
  bool doubtful = false;
  while (true) {
    const SqlWord word = words.next();
    if (word.kind == SqlWord::Kind::end) break;
    doubtful =
        doubtful || word.kind == SqlWord::Kind::open || word.kind == SqlWord::Kind::ambiguous;
    if (word.text.empty()) continue;
    const auto begins = static_cast<std::size_t>(word.text.data() - bytes.data());
    CHECK(begins >= at && begins + word.text.size() <= bytes.size());
    at = begins + word.text.size();
  }
  const SqlLook look = look_at(bytes);
  if (doubtful) {
    CHECK(look.kind == SqlKind::several && look.traces.opaque);
    return;
  }
  const SqlLook framed = look_at("/* ; */ ;" + std::string(bytes) + "\n; -- ;");
  CHECK(framed.kind == look.kind && framed.traces == look.traces);
  if (look.kind == SqlKind::empty) return;
  const SqlLook twice = look_at(std::string(bytes) + "\n;" + std::string(bytes));
  CHECK(twice.kind == SqlKind::several && twice.traces.opaque);
}

}  // namespace evergres::proxy::fuzz
