#pragma once

namespace evergres {

/// Prints the failed condition and its place, runs the registered last words (the journal is
/// flushed there) and aborts. For bugs only: bad input and failed effects are an `Error`.
[[noreturn]] void check_failed(const char* condition, const char* file, int line);

/// Called once, before abort, by `check_failed`. Must be async-signal tolerant: no locks.
void set_last_words(void (*last_words)());

}  // namespace evergres

#define CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::evergres::check_failed(#condition, __FILE__, __LINE__))
