#!/usr/bin/env bash
# Cross-compiles tests for AArch64 and runs them under qemu-user:
#   bash tests/aarch64.sh [BUILD_DIR [AREA]...]      threads, kernels, model and golden, where none is named; then kernels
#                                                    on a processor without products of bytes, on one with dot products
#                                                    of them and on one with matrix products, else on the last, shortened
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=${1:-build/aarch64}
shift || true
kernel_tests=('"~products of floats that skip columns*" max neon_i8mm')
if (($# == 0)); then
    set -- model kernels threads golden
    kernel_tests=('* cortex-a72 neon' '* cortex-a76 neon_dotprod' '* max neon_i8mm')
fi

. cmake/install-packages.sh
install_packages cmake make g++-aarch64-linux-gnu qemu-user libeigen3-dev nlohmann-json3-dev catch2

cmake -S . -B "$build" -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
    -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE=-O1 \
    -DCMAKE_CROSSCOMPILING_EMULATOR="qemu-aarch64;-L;/usr/aarch64-linux-gnu" \
    -DRWKV_WERROR=ON -DRWKV_BUILD_EXAMPLES=OFF -DRWKV_BUILD_BENCHMARKS=OFF -DRWKV_CHECK_HEADERS=OFF
cmake --build "$build" --parallel "$(nproc)" --target "${@/#/rwkv_test_}"
case " $* " in *" threads "*) echo "left out: the tests of fork(), which qemu-user cannot run in a process of several threads" ;; esac
# Lines of: area, tests, processor, the instruction set that must be there. One process a processor. Many threads that
# wait for each other take minutes where they are emulated; logits, which the tests of the model compare, would take one more.
for area in "$@"; do
    case $area in
        model) printf '%s\n' 'model [network]~[threads]' 'model ~[network]~[threads]' ;;
        golden) echo 'golden ~[logits]' ;;
        threads) echo 'threads ~[fork]' ;;  # qemu-user ends in assertions of its own where a process of several threads forks
        kernels) printf 'kernels %s\n' "${kernel_tests[@]}" ;;
        *) echo "$area" ;;
    esac
done | xargs -P "$(nproc)" -L 1 "$BASH" -c 'RWKV_EXPECT_TARGETS=${4-} qemu-aarch64 -cpu "${3:-max}" -L /usr/aarch64-linux-gnu \
    "$0/tests/rwkv_test_$1" "${2:-*}"' "$build"
