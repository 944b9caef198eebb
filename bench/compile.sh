#!/usr/bin/env bash
# What including us costs a compiler, in processor seconds and peak memory:
#   bash bench/compile.sh                  the README's first program, beside that of an earlier commit, with the ratios;
#                                          also where it includes rwkv/constraint.hpp, and where it uses a JSON Schema
#   bash bench/compile.sh HEADER...        a source file that includes one header, such as rwkv/model/model.hpp
# CXX is the compiler, CXXFLAGS its options, BASE the earlier commit, RUNS how often each is compiled (by turns; the
# median counts).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. cmake/install-packages.sh
install_packages g++ git libeigen3-dev nlohmann-json3-dev time

compiler=${CXX:-g++} base=${BASE:-895c698} runs=${RUNS:-3}
read -r -a flags <<<"${CXXFLAGS:--O2}"
work=$(mktemp -d)
trap 'git worktree remove --force "$work/base" 2>/dev/null || true; rm -rf "$work"' EXIT

cost() { # TREE FILE FLAGS...: "SECONDS MEGABYTES"
    local tree=$1
    shift
    command time -f '%U %M' "$compiler" -std=c++20 "${flags[@]}" -I "$tree/include" -isystem /usr/include/eigen3 -c "$@" \
        -o "$work/x.o" 2>&1 | awk '{printf "%.1f %.0f\n", $1, $2 / 1024}'
}

if (($#)); then
    for header in "$@"; do
        echo "#include <$header>" >"$work/header.cpp"
        printf '%-40s %6s s %5s MB   declarations alone: %6s s %5s MB\n' "$header" $(cost . "$work/header.cpp") \
            $(cost . "$work/header.cpp" -DRWKV_COMPILED)
    done
    exit
fi

git worktree add --quiet --detach "$work/base" "$base"
program() { awk '/^```cpp$/ {inside = 1; next} /^```$/ {if (inside) exit} inside' "$1/README.md"; }
program "$work/base" >"$work/base.cpp"
program . >"$work/now.cpp"
sed '1i #include <rwkv/constraint.hpp>' "$work/now.cpp" >"$work/constraint.cpp"
sed 's/\.seed = /.constraint = rwkv::token_constraint(rwkv::json_schema(argv[2]), rwkv::TokenVocabulary(tokenizer)), &/' \
    "$work/constraint.cpp" >"$work/constrained.cpp"
grep -q json_schema "$work/constrained.cpp"

# What is compiled: NAME, the tree, the file and options.
rows=(
    "base: header-only|$work/base|$work/base.cpp"
    "header-only|.|$work/now.cpp"
    "header-only, one target|.|$work/now.cpp -DRWKV_TARGETS=1"
    "includes constraint.hpp|.|$work/constraint.cpp"
    "uses a JSON Schema|.|$work/constrained.cpp"
    "with rwkv::compiled|.|$work/now.cpp -DRWKV_COMPILED"
    "same, uses a JSON Schema|.|$work/constrained.cpp -DRWKV_COMPILED"
    "rwkv::compiled: model.cpp|.|include/rwkv/compiled/model.cpp -DRWKV_COMPILED"
    "rwkv::compiled: files.cpp|.|include/rwkv/compiled/files.cpp -DRWKV_COMPILED"
    "rwkv::compiled: text.cpp|.|include/rwkv/compiled/text.cpp -DRWKV_COMPILED"
    "rwkv::compiled: constraint.cpp|.|include/rwkv/compiled/constraint.cpp -DRWKV_COMPILED"
)
for ((run = 0; run < runs; ++run)); do
    for i in "${!rows[@]}"; do
        IFS='|' read -r _ tree arguments <<<"${rows[i]}"
        cost "$tree" $arguments >>"$work/$i.costs"
    done
done

median() { sort -n | sed -n "$(((runs + 1) / 2))p"; }
"$compiler" --version | head -1
echo "options -std=c++20 ${flags[*]}; base: $base; medians of $runs runs by turns"
of_base=$(cut -d ' ' -f 1 "$work/0.costs" | median) of_now=$(cut -d ' ' -f 1 "$work/1.costs" | median)
for i in "${!rows[@]}"; do
    seconds=$(cut -d ' ' -f 1 "$work/$i.costs" | median)
    awk -v name="${rows[i]%%|*}" -v s="$seconds" -v base="$of_base" -v now="$of_now" \
        -v mb="$(cut -d ' ' -f 2 "$work/$i.costs" | median)" \
        'BEGIN {printf "%-28s %6.1f s %5d MB %6.3f x base, %6.3f x header-only\n", name, s, mb, s / base, s / now}'
done
