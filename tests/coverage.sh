#!/usr/bin/env bash
# How many lines of loaders and tokenizers the tests run: builds these with gcc, in build/coverage, runs them, and says
# so of each header. Fails below 97 %, and where a line that does not run is not explained in uncovered.txt:
#   bash tests/coverage.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. cmake/install-packages.sh
install_packages g++ cmake make libeigen3-dev nlohmann-json3-dev catch2 python3

build=build/coverage version=
if command -v g++-12 >/dev/null; then version=-12; fi

echo "Building in $build"
# Inline functions that nobody calls are kept, so that they count as lines that do not run; the linker drops them, since
# some of the standard library refer to what is nowhere.
cmake -S . -B "$build" -DCMAKE_CXX_COMPILER="g++$version" -DCMAKE_BUILD_TYPE=Debug \
    -DCMAKE_CXX_FLAGS_DEBUG="-O0 --coverage -fprofile-update=atomic -fprofile-filter-files=/include/rwkv/ -fkeep-inline-functions" \
    -DCMAKE_EXE_LINKER_FLAGS="-Wl,--gc-sections" \
    -DRWKV_BUILD_EXAMPLES=OFF -DRWKV_BUILD_BENCHMARKS=OFF -DRWKV_CHECK_HEADERS=OFF >/dev/null
areas=$(ctest --test-dir "$build" --show-only | sed -nE 's/.*: (ground|io|model|text|faults)$/\1/p')
seeds=$(ctest --test-dir "$build" --show-only | sed -nE 's/.*: fuzz_(seeds_.*)$/\1/p')
cmake --build "$build" --parallel "$(nproc)" --target $(printf 'rwkv_test_%s ' $areas) $(printf 'rwkv_%s ' $seeds)

echo "Running the tests"
find "$build" -name '*.gcda' -delete
for area in $areas; do "$build/tests/rwkv_test_$area" '~[network]'; done
ctest --test-dir "$build" --output-on-failure -R '^fuzz_seeds_'

cd include/rwkv
headers=$(printf '%s\n' io/*.{hpp,inl} io/system/posix.inl checkpoint/*.{hpp,inl} text/*.{hpp,inl} load_*.hpp convert_model.hpp \
    state_file.hpp core/{error,message,tensor,checked,dtype}.hpp)
# Tested by areas that are not built here: scheduler and generation.
headers=$(grep -v -e prefix_cache_file.inl -e prompt_format.hpp <<<"$headers")
cd ../..
python3 tests/coverage.py "$build" "gcov$version" 97 $headers
