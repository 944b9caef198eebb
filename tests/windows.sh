#!/usr/bin/env bash
# Cross-compiles for Windows by MinGW-w64's gcc, and runs under Wine the tests that are not for POSIX systems alone, and
# the programs:
#   bash tests/windows.sh [BUILD_DIR]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=$(realpath -m "${1:-build/windows}")

. cmake/install-packages.sh
install_packages cmake make g++-mingw-w64-x86-64-posix wine64 libeigen3-dev nlohmann-json3-dev libcli11-dev catch2

# What is used of other libraries, their headers, without those of this system that lie beside them. (Catch2's package
# insists on its archive.)
libraries=$build/libraries
mkdir -p "$libraries"
(cd / && cp -a --parents usr/include/{eigen3,nlohmann,CLI,catch2} usr/share/{eigen3,cmake/{nlohmann_json,CLI11}} \
    usr/lib/cmake/Catch2 usr/lib/libCatch2WithMain.a "$libraries")

cmake -S . -B "$build" -DCMAKE_SYSTEM_NAME=Windows -DCMAKE_CXX_COMPILER=x86_64-w64-mingw32-g++-posix \
    -DCMAKE_FIND_ROOT_PATH="$libraries/usr" -DCMAKE_FIND_ROOT_PATH_MODE_PACKAGE=ONLY -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_EXE_LINKER_FLAGS=-static -DRWKV_WERROR=ON -DRWKV_CHECK_HEADERS=OFF
areas=(ground threads kernels io text generation golden)
cmake --build "$build" --parallel "$(nproc)" --target generate score inspect tokenize convert chat "${areas[@]/#/rwkv_test_}"

export WINEPREFIX=$build/wine WINEDEBUG=-all
wine=$(command -v wine64 || echo /usr/lib/wine/wine64) # Debian's wine64 is not on the path
for area in "${areas[@]}"; do "$wine" "$build/tests/rwkv_test_$area.exe"; done

run() { # PROGRAM ARGUMENT…
    local program=$1
    shift
    "$wine" "$build/examples/$program.exe" "$@"
}
says() { # WORDS: what comes from standard input has them
    tee "$build/said"
    grep -q -- "$1" "$build/said"
}
model=examples/fairy-tales
run generate --model $model --prompt "Once upon a time" --max-new-tokens 20 -t 2 | says "there was a "
rm -rf "$build/converted"
converted=$(realpath --relative-to=. "$build/converted")
run convert $model "$converted" --format q8
run generate --model "$converted" --prompt "Once upon a time" -n 5 | says "there was a "
run inspect $model | grep "sound"
echo '"Once upon a time"' | run tokenize --model $model | says "^\[[0-9, ]*\]"
echo "Once upon a time there was a king" | run score --model $model --text-file - | says "perplexity"
printf 'There was once a king\n/quit\n' | run chat --model $model --max-new-tokens 12 --temperature 0 | says "a king, who was a king"
