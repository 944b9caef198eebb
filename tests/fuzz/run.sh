#!/usr/bin/env bash
# Builds the fuzzers with clang 14, in build/fuzz, and runs each of them for so many seconds, two at a time:
#   bash tests/fuzz/run.sh [SECONDS [TARGET]...]
# Inputs that were worth keeping stay in build/fuzz/corpus/TARGET. One that crashes is kept as build/fuzz/found/TARGET-….
set -euo pipefail
export ASAN_OPTIONS=malloc_context_size=2:quarantine_size_mb=4 # most of the time went into stacks of allocations
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
seconds=${1:-60}
shift || true

. cmake/install-packages.sh
install_packages clang-14 libclang-rt-14-dev cmake make libeigen3-dev nlohmann-json3-dev catch2

build=build/fuzz
cmake -S . -B "$build" -DCMAKE_CXX_COMPILER=clang++-14 -DCMAKE_BUILD_TYPE=Release -DRWKV_BUILD_FUZZERS=ON -DRWKV_WERROR=ON \
    -DRWKV_BUILD_EXAMPLES=OFF -DRWKV_BUILD_BENCHMARKS=OFF -DRWKV_CHECK_HEADERS=OFF
cmake --build "$build" --parallel "$(nproc)" --target rwkv_fuzzers

fuzz() { # SECONDS TARGET
    local corpus=build/fuzz/corpus/$2 log=build/fuzz/$2.log longest=4096 seeds=$2
    case $2 in # where the work grows with the length, and says nothing new
        encode | decode) longest=100 ;;
        world) longest=600 ;;
        regex | grammar) longest=80 ;;
        matcher) longest=40 ;;
        json_schema) longest=200 ;;
        zip | pickle) seeds=pytorch ;;
    esac
    mkdir -p "$corpus" build/fuzz/found
    build/fuzz/tests/fuzz/rwkv_write_seeds "tests/corpora/$seeds.json" "$corpus"
    if build/fuzz/tests/fuzz/"rwkv_fuzz_$2" -max_total_time="$1" -max_len="$longest" -timeout=25 -rss_limit_mb=1024 \
        -malloc_limit_mb=512 -artifact_prefix="build/fuzz/found/$2-" -print_final_stats=1 "$corpus" >"$log" 2>&1; then
        echo "$2: $(sed -n 's/^Done //p' "$log")"
    else
        tail -40 "$log"
        echo "$2: FAILED; the input is in build/fuzz/found"
        return 1
    fi
}
export -f fuzz

if (($# == 0)); then
    set -- $(cd tests/fuzz && printf '%s\n' fuzz_*.cpp | sed 's/^fuzz_//; s/\.cpp$//')
fi
printf '%s\n' "$@" | xargs -P 2 -I '{}' bash -c "fuzz $seconds {}"
