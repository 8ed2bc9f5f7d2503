#include "base/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace evergres {
namespace {
void (*registered_last_words)() = nullptr;
}

void set_last_words(void (*last_words)()) {
  registered_last_words = last_words;
}

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "evergres: a check failed, this is a bug: %s (%s:%d)\n", condition, file,
               line);
  if (registered_last_words != nullptr) registered_last_words();
  std::abort();
}

}  // namespace evergres
