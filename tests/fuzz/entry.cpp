/// libFuzzer's door to one parser (CMakeLists.txt, house_fuzz). Without libFuzzer the program runs
/// the files that it is given once each: what a fuzzer elsewhere has found.
#include <cstddef>
#include <cstdint>

#include EVERGRES_FUZZ_PARSERS

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(data, data + size);
  EVERGRES_FUZZ_PARSER(bytes);
  return 0;
}

#ifndef EVERGRES_LIBFUZZER
#include <fstream>
#include <iterator>
#include <vector>

int main(int count, char** names) {
  const std::vector<std::string> files(names + 1, names + count);
  for (const std::string& name : files) {
    std::ifstream in(name, std::ios::binary);
    if (!in) return 2;
    const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
    std::vector<std::uint8_t> data(bytes.begin(), bytes.end());
    LLVMFuzzerTestOneInput(data.data(), data.size());
  }
  return files.empty() ? 2 : 0;
}
#endif
