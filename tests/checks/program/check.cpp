// evergres-check [FILE]: judges a history in JSON (docs/reference/histories.md), from a file or
// from the standard input. Prints one anomaly a line, "kind: sentence", and at the end on the
// standard error how much there was. Exit status 0: none; 1: some; 2: this is no history.

#include <fstream>
#include <iostream>
#include <iterator>

#include "checks/history.hpp"

int main(int count, char** words) {
  std::string text;
  if (count == 2) {
    std::ifstream file(words[1], std::ios::binary);
    text.assign(std::istreambuf_iterator<char>(file), {});
    if (!file) {
      std::cerr << "evergres-check: " << words[1] << " cannot be read\n";
      return 2;
    }
  } else if (count == 1) {
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    std::cerr << "usage: evergres-check [FILE]\n";
    return 2;
  }
  const auto judgement = evergres::checks::judge(text);
  if (!judgement) {
    std::cerr << judgement.error().for_people();
    return 2;
  }
  for (const evergres::checks::Anomaly& anomaly : judgement->anomalies) {
    std::cout << anomaly.kind << ": " << anomaly.sentence << "\n";
  }
  std::cerr << judgement->operations << " operations, " << judgement->anomalies.size()
            << " anomalies, " << 100 * judgement->unknown_share << " % unknown\n";
  return judgement->anomalies.empty() ? 0 : 1;
}
