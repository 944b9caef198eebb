#!/usr/bin/env bash
# What including us costs a compiler: processor seconds and peak memory of a source file that includes one header, for
# each header, and of the README's first program; alone, and with the library compiled once elsewhere (RWKV_COMPILED).
#   bash bench/compile.sh [HEADER]...
# CXX is the compiler, CXXFLAGS its options.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. cmake/install-packages.sh
install_packages g++ libeigen3-dev nlohmann-json3-dev time

compiler=${CXX:-g++}
read -r -a flags <<<"${CXXFLAGS:--O2}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cost() { # FILE FLAGS...: "SECONDS MB"
    command time -f '%U %M' "$compiler" -std=c++20 "${flags[@]}" -I include -isystem /usr/include/eigen3 -c "$@" -o "$work/x.o" 2>&1 |
        awk '{printf "%7.1f s %5d MB", $1, $2 / 1024}'
}

both() { # NAME FILE
    printf '%-40s %s   compiled once: %s\n' "$1" "$(cost "$2")" "$(cost "$2" -DRWKV_COMPILED)"
}

if (($# == 0)); then set -- $(cd include && printf '%s\n' rwkv/*.hpp rwkv/*/*.hpp rwkv/*/*/*.hpp); fi
for header in "$@"; do
    [[ $header != rwkv/compiled.hpp ]] || continue
    echo "#include <$header>" >"$work/header.cpp"
    both "$header" "$work/header.cpp"
done

awk '/^```cpp$/ {inside = 1; next} /^```$/ {if (inside) exit} inside' README.md >"$work/readme.cpp"
both "the README's first program" "$work/readme.cpp"
echo '#include <rwkv/compiled.hpp>' >"$work/compiled.cpp"
printf '%-40s %58s\n' rwkv/compiled.hpp "$(cost "$work/compiled.cpp" -DRWKV_COMPILED)"
