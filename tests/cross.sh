#!/usr/bin/env bash
# Compiles the programs for macOS on arm64 and for Windows on x86-64, and links them, by zig's clang, which Python's
# package index has (ziglang); runs those for Windows under Wine, where that is installed:
#   bash tests/cross.sh [BUILD_DIR]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=$(realpath -m "${1:-build/cross}")

. cmake/install-packages.sh
install_packages python3-venv libeigen3-dev nlohmann-json3-dev libcli11-dev
mkdir -p "$build/include"
if [[ ! -x $build/venv/bin/python ]]; then
    python3 -m venv "$build/venv"
    "$build/venv/bin/pip" -q install ziglang
fi
# Headers of other libraries, without those of this system that lie beside them.
for headers in nlohmann CLI eigen3/Eigen; do ln -sfn "/usr/include/$headers" "$build/include/${headers#*/}"; done

compile() { # TARGET PROGRAM SUFFIX
    echo "$2 for $1"
    "$build/venv/bin/python" -m ziglang c++ -target "$1" -std=c++20 -O1 -DNDEBUG -DRWKV_COMPILED -Wall -Wextra -Werror \
        -DRWKV_DEMO_MODEL='"examples/fairy-tales"' -I include -isystem "$build/include" "examples/$2.cpp" \
        "$build/$1"/*.o -o "$build/$1/$2$3"
}

for target in aarch64-macos x86_64-windows-gnu; do
    mkdir -p "$build/$target"
    for part in include/rwkv/compiled/*.cpp; do
        "$build/venv/bin/python" -m ziglang c++ -target "$target" -std=c++20 -O1 -DNDEBUG -DRWKV_COMPILED -Wall -Wextra -Werror \
            -I include -isystem "$build/include" -c "$part" -o "$build/$target/$(basename "$part" .cpp).o"
    done
    suffix=
    if [[ $target == *windows* ]]; then suffix=.exe; fi
    for program in generate convert score tokenize inspect chat; do compile "$target" "$program" "$suffix"; done
done

wine=$(command -v wine64 || { test -x /usr/lib/wine/wine64 && echo /usr/lib/wine/wine64; } || true)
if [[ -z $wine ]]; then
    echo "skipped: programs for Windows are not run, since Wine is not installed"
    exit 0
fi
export WINEPREFIX=$build/wine WINEDEBUG=-all
at=$build/x86_64-windows-gnu
"$wine" "$at/generate.exe" --model examples/fairy-tales --prompt "Once upon a time" -n 20 -t 2 | tee "$at/said"
grep -q "there was a " "$at/said"
rm -rf "$at/converted"
"$wine" "$at/convert.exe" examples/fairy-tales "$(realpath --relative-to=. "$at")/converted" --format q8
"$wine" "$at/generate.exe" --model "$(realpath --relative-to=. "$at")/converted" --prompt "Once upon a time" -n 5
printf 'Once upon a time\n/quit\n' | "$wine" "$at/chat.exe" --model examples/fairy-tales --max-new-tokens 5
