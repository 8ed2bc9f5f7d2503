#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace evergres::core {

/// Compares with a file of tests/core. EVERGRES_GOLDEN=rewrite writes it anew; read the difference
/// before you keep it.
inline void expect_golden(const std::string& file, const std::string& text) {
  const std::string path = std::string(EVERGRES_SOURCE_DIR) + "/tests/core/" + file;
  const char* wish = std::getenv("EVERGRES_GOLDEN");
  if (wish != nullptr && std::string(wish) == "rewrite") std::ofstream(path) << text;
  std::ostringstream golden;
  golden << std::ifstream(path).rdbuf();
  EXPECT_EQ(text, golden.str());
}

}  // namespace evergres::core
