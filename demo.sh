#!/usr/bin/env bash
# From a clone to a running cluster: installs what is missing, builds the one binary, starts the
# demo and shows it. It can be run again at any time.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

say() { printf '\n== %s\n' "$*"; }

say "1 of 3: what is needed from the distribution"
tools/setup build run

say "2 of 3: building evergres (a few minutes the first time)"
mkdir -p build/demo
# The release preset, with flags that compile faster than its own, without debug information and the
# files in groups.
cmake --preset release -B build/demo -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_CXX_FLAGS_RELEASE="-O1" -DEVERGRES_WERROR=OFF -DEVERGRES_GROUPS=ON >build/demo/configure.log 2>&1 || {
  tail -n 25 build/demo/configure.log >&2
  exit 1
}
NINJA_STATUS='[%f/%t %es] ' cmake --build build/demo --target evergres

say "3 of 3: starting the demo cluster"
evergres=$PWD/build/demo/evergres
"$evergres" demo up "$@"
