#!/usr/bin/env bash
# Instructions that a product of 768 x 768 weights costs a token on AArch64, counted under qemu-user, for each instruction
# set: bash bench/instructions.sh
# With two products less with one: what starting costs is left out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=build/instructions

. cmake/install-packages.sh
install_packages gcc g++-aarch64-linux-gnu qemu-user libeigen3-dev

mkdir -p "$work"
gcc -O2 -Wall -Wextra -shared -fPIC bench/instructions/plugin.c -o "$work/plugin.so"
aarch64-linux-gnu-g++ -std=c++20 -O2 -I include -isystem /usr/include/eigen3 bench/instructions/product.cpp -pthread -o "$work/product"

count() { # TARGET FORMAT TOKENS TIMES
    RWKV_TARGET=$1 qemu-aarch64 -cpu max -L /usr/aarch64-linux-gnu -plugin "$work/plugin.so" "$work/product" "$2" "$3" "$4" 2>&1 |
        sed -n 's/^instructions //p'
}
of_a_token() { # TARGET FORMAT TOKENS
    echo $((($(count "$@" 2) - $(count "$@" 1)) / $3))
}

printf '%-14s %-6s %15s %15s %15s\n' target format 'of 64 tokens' 'of 8 tokens' 'a single token'
for format in q8 q4 bf16 f32; do
    for target in neon neon_dotprod neon_i8mm; do
        [[ $format == q* || $target == neon ]] || continue
        printf '%-14s %-6s %15d %15d %15d\n' "$target" "$format" "$(of_a_token "$target" "$format" 64)" \
            "$(of_a_token "$target" "$format" 8)" "$(of_a_token "$target" "$format" 1)"
    done
done
