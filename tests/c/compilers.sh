#!/usr/bin/env bash
# The header rwkv.h and a program that uses all of it, by every C compiler at hand as strict C99, by C++ compilers as C++;
# and what the shared library shows: compilers.sh [LIBRARY]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
include=../../examples/c
found=0
for compiler in gcc clang clang-14 clang-19; do
    if ! command -v "$compiler" >/dev/null; then
        echo "skipped: $compiler is not there"
        continue
    fi
    found=1
    "$compiler" -std=c99 -pedantic -Wall -Wextra -Werror -fsyntax-only -I "$include" program.c
    echo "$compiler: C99"
done
for compiler in g++ clang++ clang++-14; do
    if command -v "$compiler" >/dev/null; then
        echo '#include <rwkv.h>' | "$compiler" -std=c++11 -pedantic -Wall -Wextra -Werror -fsyntax-only -I "$include" -x c++ -
        echo "$compiler: C++11"
    fi
done
((found)) || { echo "no C compiler" >&2; exit 1; }

declared=$(grep -o 'rwkv_[a-z0-9_]*(' "$include/rwkv.h" | tr -d '(' | sort -u)
count=$(wc -l <<<"$declared")
((count <= 50)) || { echo "rwkv.h has $count functions, more than 50" >&2; exit 1; }
unused=$(for name in $declared; do grep -qw "$name" program.c || echo "$name"; done)
[[ -z $unused ]] || { echo "program.c does not call:" $unused >&2; exit 1; }
if (($#)) && [[ $1 == *.so* ]] && command -v nm >/dev/null; then
    shown=$(nm -D --defined-only "$1" | awk '{ print $3 }' | sort -u)
    diff <(echo "$declared") <(echo "$shown") || { echo "$1 shows other functions than rwkv.h declares" >&2; exit 1; }
    echo "the shared library shows $count functions and nothing else"
fi
