#!/usr/bin/env bash
# Applications of many kinds take the library: other headers and macros before it, other flags, other compilers. What
# is refused is refused in words.
#   bash tests/hosts/hosts.sh            a minute: one compiler, $CXX
#   bash tests/hosts/hosts.sh full       every compiler there is, and programs that run
#   bash tests/hosts/hosts.sh full CXX…  these compilers
# Where the dependencies lie: RWKV_INCLUDES, directories separated by colons; else where Debian has them.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root=$(realpath ../..)
IFS=: read -ra places <<<"${RWKV_INCLUDES:-/usr/include/eigen3}"
includes=(-I "$root/include")
for place in "${places[@]}"; do
    # The compiler looks there anyway, and named it would come too early for the standard library's #include_next.
    if [[ $place != /usr/include ]]; then includes+=(-isystem "$place"); fi
done
if command -v mpicxx >/dev/null; then
    read -ra places <<<"$(mpicxx --showme:incdirs 2>/dev/null || true)"
    for place in "${places[@]}"; do includes+=(-isystem "$place"); done
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

conclude() { # NAME RIGHT
    if [[ $2 == 1 ]]; then
        printf 'right   %s\n' "$1"
    else
        printf 'WRONG   %s\n' "$1"
        head -c 3000 "$work/output"
        failures=$((failures + 1))
    fi
}

compiles() { # NAME SOURCE FLAG...: without a warning
    local name=$1 source=$2 right=0
    shift 2
    "$compiler" -std=c++20 "${includes[@]}" -Wall -Wextra -Werror -fsyntax-only "$@" "$source" >"$work/output" 2>&1 && right=1
    conclude "$compiler: $name" $right
}

refuses() { # NAME WORDS FLAG...
    local name=$1 words=$2 right=0
    shift 2
    if ! "$compiler" "${includes[@]}" -fsyntax-only "$@" version.cpp >"$work/output" 2>&1; then
        grep 'error' "$work/output" | head -1 | grep -q "$words" && right=1
    fi
    conclude "$compiler: $name is refused in words" $right
}

says() { # NAME OUTPUT SOURCE FLAG...: compiled, linked and run
    local name=$1 output=$2 source=$3 right=0
    shift 3
    if "$compiler" -std=c++20 "${includes[@]}" "$@" "$source" -o "$work/host" -pthread >"$work/output" 2>&1; then
        timeout 120 "$work/host" "$root/examples/fairy-tales" >"$work/output" 2>&1
        grep -q "$output" "$work/output" && right=1
    fi
    conclude "$compiler: $name" $right
}

# Whether the compiler does no harm where it takes numbers for finite (clang: up to version 16).
takes_finite_math() { "$compiler" -dM -E -x c++ - </dev/null | awk '/__clang_major__/ {clang = $3} END {exit clang >= 17}'; }

json_in_two_layouts() {
    local right=0
    if "$compiler" -std=c++20 "${includes[@]}" -c -DNAME=second_parses -DJSON_DIAGNOSTICS=1 json.cpp -o "$work/second.o" &&
        "$compiler" -std=c++20 "${includes[@]}" -c -DNAME=first_parses -DWITH_MAIN json.cpp -o "$work/first.o" &&
        "$compiler" "$work/first.o" "$work/second.o" -o "$work/one" -pthread && "$work/one" &&
        "$compiler" "$work/second.o" "$work/first.o" -o "$work/other" -pthread && "$work/other"; then right=1; fi \
        >"$work/output" 2>&1
    conclude "$compiler: JSON_DIAGNOSTICS in one of two source files" $right
}

quick() {
    refuses "C++17" "C++20" -std=c++17
    refuses "-fno-exceptions" "exceptions" -std=c++20 -fno-exceptions
    refuses "a big-endian processor" "little-endian" -std=c++20 -U__BYTE_ORDER__ -D__BYTE_ORDER__=__ORDER_BIG_ENDIAN__
    refuses "a 32-bit system" "64-bit" -std=c++20 -U__SIZEOF_POINTER__ -D__SIZEOF_POINTER__=4
    compiles "macros of other headers, Eigen in row-major order with another index" hostile.cpp \
        -DEIGEN_DEFAULT_TO_ROW_MAJOR -DEIGEN_DEFAULT_DENSE_INDEX_TYPE=int
    compiles "the debug mode of the standard library" headers.cpp -D_GLIBCXX_DEBUG -D_GLIBCXX_DEBUG_PEDANTIC
    if takes_finite_math; then
        says "-ffast-math: infinities and NaN are found" right not_numbers.cpp -O1 -ffast-math
    else
        refuses "-ffast-math" "with this compiler add -fno-finite-math-only" -std=c++20 -ffast-math
        says "-ffast-math with infinities: they and NaN are found" right not_numbers.cpp -O1 -ffast-math -fno-finite-math-only
    fi
    json_in_two_layouts
}

# A shared library that hides what it does not export, with the library in it, and a program that has the headers alone.
shared_library() {
    local right=0 part objects=() api='-DRWKV_API=__attribute__((visibility("default")))'
    (
        for part in "$root"/include/rwkv/compiled/*.cpp; do
            "$compiler" -std=c++20 "${includes[@]}" -O1 -fPIC -fvisibility=hidden -fvisibility-inlines-hidden -DRWKV_COMPILED "$api" \
                -c "$part" -o "$work/$(basename "$part").o" || exit 1
            objects+=("$work/$(basename "$part").o")
        done
        "$compiler" -shared "${objects[@]}" -o "$work/libhost.so" -pthread || exit 1
        for part in host.cpp derived.cpp; do
            "$compiler" -std=c++20 "${includes[@]}" -fvisibility=hidden -DRWKV_COMPILED "$api" "$part" "$work/libhost.so" \
                -o "$work/host" -Wl,-rpath,"$work" -pthread || exit 1
            "$work/host" "$root/examples/fairy-tales" || exit 1
        done
    ) >"$work/output" 2>&1 && right=1
    conclude "$compiler: RWKV_API, in a shared library that hides the rest" $right
}

# Everything that the plain program says, said again.
full() {
    local says_so="there was a " flags
    quick
    for flags in -std=c++2b -std=gnu++20 "-Os -fno-rtti -fno-threadsafe-statics" "-O1 -funsigned-char -fshort-enums" \
        "-O2 -Wsign-conversion -Wdouble-promotion -Wold-style-cast -Wconversion -Wshadow -Wpedantic"; do
        # shellcheck disable=SC2086
        compiles "$flags" headers.cpp $flags
    done
    if [[ $compiler == g++* ]]; then
        compiles "-Wuseless-cast" headers.cpp -Wuseless-cast
        says "Eigen in row-major order" "$says_so" host.cpp -O1 -DEIGEN_DEFAULT_TO_ROW_MAJOR
        says "the debug mode of the standard library, run" "$says_so" host.cpp -O1 -D_GLIBCXX_DEBUG
    else
        compiles "-Weverything" headers.cpp -O1 -Weverything -Wno-padded -Wno-unknown-warning-option \
            -Wno-unsafe-buffer-usage -Wno-switch-enum -Wno-switch-default -Wno-c++98-compat -Wno-c++98-compat-pedantic \
            -Wno-c++20-compat -Wno-pre-c++20-compat-pedantic -Wno-pre-c++17-compat -Wno-global-constructors \
            -Wno-exit-time-destructors -Wno-weak-vtables -Wno-covered-switch-default -Wno-ctad-maybe-unsupported \
            -Wno-deprecated-declarations -Wno-documentation-unknown-command -Wno-documentation -Wno-float-equal
    fi
    says "-Ofast" "$says_so" host.cpp -Ofast -fno-finite-math-only
    if takes_finite_math; then says "-Ofast, finite numbers only" "$says_so" host.cpp -Ofast; fi
    shared_library
}

if [[ ${1:-} == full ]]; then
    compilers=("${@:2}")
    if ((${#compilers[@]} == 0)); then compilers=(g++-{11..13} clang++-{14..19}); fi
    for compiler in "${compilers[@]}"; do
        if command -v "$compiler" >/dev/null; then full; else echo "skipped $compiler: it is not installed"; fi
    done
else
    compiler=${CXX:-g++}
    quick
fi
((failures == 0))
