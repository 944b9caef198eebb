#!/usr/bin/env bash
# Instructions that a token costs on AArch64, counted under qemu-user, for each instruction set:
#   bash bench/instructions.sh [MODEL]        examples/fairy-tales, where none is named
# A prompt of 257 tokens less one of a token, and 9 tokens one by one less one: what loading costs is left out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
model=${1:-examples/fairy-tales}
work=build/instructions

. cmake/install-packages.sh
install_packages gcc g++-aarch64-linux-gnu qemu-user libeigen3-dev nlohmann-json3-dev

mkdir -p "$work"
gcc -O2 -Wall -Wextra -shared -fPIC bench/instructions/plugin.c -o "$work/plugin.so"
aarch64-linux-gnu-g++ -std=c++20 -O2 -I include -isystem /usr/include/eigen3 bench/instructions/prompt.cpp -pthread -o "$work/prompt"

count() { # TARGET FORMAT prompt|decode TOKENS
    RWKV_TARGET=$1 qemu-aarch64 -cpu max -L /usr/aarch64-linux-gnu -plugin "$work/plugin.so" "$work/prompt" "$model" "$2" "$3" "$4" 2>&1 |
        sed -n 's/^instructions //p'
}

printf '%-14s %-6s %22s %22s\n' target format 'a token of a prompt' 'a token by itself'
for format in ${FORMATS:-q8 q4 bf16}; do
    for target in neon neon_dotprod neon_i8mm; do
        [[ $format == q* || $target == neon ]] || continue
        prompt=$((($(count "$target" "$format" prompt 257) - $(count "$target" "$format" prompt 1)) / 256))
        decode=$((($(count "$target" "$format" decode 9) - $(count "$target" "$format" decode 1)) / 8))
        printf '%-14s %-6s %22d %22d\n' "$target" "$format" "$prompt" "$decode"
    done
done
