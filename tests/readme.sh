#!/usr/bin/env bash
# Compiles and runs the code of the pages:
#   bash tests/readme.sh [PAGE]...         all, where none is named; such as README.md
#
# A fenced block runs if the line before its fence is one of
#   <!-- run: NAME -->            in the root of the repository
#   <!-- run: NAME in DIR -->     in that directory of it
#   <!-- not run: REASON -->      the explicit exception
#
# ```cpp  compiled with -std=c++20 and run with a model directory as its one argument. A block without main() is
#         the body of one: rwkv.hpp, <iostream>, <string> and <vector> are included beside what the block includes, and
#         `model_dir` is the directory.
# ```c    a C99 program over examples/c/rwkv.h, run in the same way
# ```sh   run as written; the model directory is in $MODEL_DIR.
# ```text after <!-- output of: NAME --> what that block must print, white space aside
#
# Every ```cpp and ```c block needs a marker; so does nothing else. All of it happens in a copy of the repository in build/readme,
# so that what a block leaves behind lands there. CXX and CC are the compilers; RWKV_INCLUDES adds include directories (a:b).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
(($#)) || set -- "$root"/README.md "$root"/{bench,cmake,examples,tests,include/rwkv,include/rwkv/constraint}/README.md "$root"/examples/SERVING.md
pages=("$@")
work=$root/build/readme
export MODEL_DIR=${MODEL_DIR:-$root/examples/fairy-tales}
compiler=${CXX:-g++}

rm -rf "$work"
mkdir -p "$work/blocks" "$work/repository"
tar -C "$root" --exclude=./build --exclude=./.git -cf - . | tar -C "$work/repository" -xf -

includes=(-I "$root/include")
IFS=: read -r -a more <<<"${RWKV_INCLUDES:-/usr/include/eigen3}"
for directory in "${more[@]}"; do
    # A system directory given again would come before the compiler's own order of them.
    [[ -z $directory || $directory == /usr/include ]] || includes+=(-isystem "$directory")
done

# One file a block: blocks/NUMBER.LANGUAGE, its marker in blocks/NUMBER.marker and its page in blocks/NUMBER.page.
awk -v out="$work/blocks" '
    FNR == 1 && inside { exit 1 }
    !inside && /^```[a-z+]+[ \t]*$/ {
        language = $0; gsub(/[` \t]/, "", language)
        inside = 1; number += 1
        file = sprintf("%s/%03d.%s", out, number, language)
        printf "" > file
        print marker > sprintf("%s/%03d.marker", out, number)
        print FILENAME > sprintf("%s/%03d.page", out, number)
        next
    }
    inside && /^```[ \t]*$/ { inside = 0; marker = ""; close(file); next }
    inside { print > file; next }
    /^<!-- (run|not run|output of): .* -->[ \t]*$/ { marker = $0; next }
    NF { marker = "" }
    END { if (inside) { print "a fence is not closed" > "/dev/stderr"; exit 1 } }
' "${pages[@]}"

# What each runs, one a line: LANGUAGE NAME DIRECTORY FILE. A block of C++ by itself becomes a program first.
todo=$work/todo
: >"$todo"
for file in "$work"/blocks/*; do
    language=${file##*.}
    [[ $language != marker && $language != page ]] || continue
    marker=$(<"${file%.*}.marker")
    if [[ $marker =~ ^'<!-- run: '([A-Za-z0-9_-]+)(' in '([^ ]+))?' -->' ]]; then
        name=${BASH_REMATCH[1]} where=$work/repository/${BASH_REMATCH[3]:-.}
    elif [[ $marker =~ ^'<!-- output of: '([A-Za-z0-9_-]+)' -->' ]]; then
        mv "$file" "$work/blocks/${BASH_REMATCH[1]}.expected"
        continue
    elif [[ ($language == cpp || $language == c) && -z $marker ]]; then
        echo "$(<"${file%.*}.page"): this block has no marker <!-- run: NAME -->:" >&2
        cat "$file" >&2
        exit 1
    else
        continue
    fi
    case $language in
        cpp)
            source=$work/blocks/$name.source.cpp
            if grep -Eq '\bmain *\(' "$file"; then
                cp "$file" "$source"
            else
                {
                    printf '#include <%s>\n' iostream string vector rwkv/rwkv.hpp
                    grep '^#include' "$file" || true
                    echo 'int main(int, char** argv) {'
                    echo '[[maybe_unused]] const std::string model_dir = argv[1];'
                    grep -v '^#include' "$file"
                    echo '}'
                } >"$source"
            fi
            ;;
        c) cp "$file" "$work/blocks/$name.source.c" ;;
        sh) ;;
        *) echo "a block of '$language' cannot be run" >&2 && exit 1 ;;
    esac
    if cut -f 2 "$todo" | grep -qx "$name"; then echo "two blocks are called $name" >&2; exit 1; fi
    printf '%s\t%s\t%s\t%s\n' "$language" "$name" "$where" "$file" >>"$todo"
done
[[ -s $todo ]] || { echo "there is no block to run" >&2; exit 1; }

# Unoptimised, as many at once as there are processors, and the library once for all: compiling is what takes the time.
programs=$(sed -n 's/^cpp\t\([^\t]*\)\t.*/\1/p' "$todo")
c_programs=$(sed -n 's/^c\t\([^\t]*\)\t.*/\1/p' "$todo")
objects=() library=()
compile=("$compiler" -std=c++20 -O0 -DRWKV_COMPILED "${includes[@]}")
if [[ -n ${RWKV_LIBRARY:-} ]]; then
    library=("$RWKV_LIBRARY")
else
    for part in model files text constraint; do
        echo "#include <rwkv/compiled/$part.cpp>" >"$work/blocks/compiled-$part.source.cpp"
        objects+=("compiled-$part")
    done
    library=("${objects[@]/#/$work/blocks/}")
    library=("${library[@]/%/.o}")
fi
printf '%s\n' "${objects[@]}" $programs |
    xargs -P "$(nproc)" -I '{}' "${compile[@]}" -c "$work/blocks/{}.source.cpp" -o "$work/blocks/{}.o"
if [[ -n $c_programs ]]; then
    "${compile[@]}" -c "$root/examples/c/rwkv_c.cpp" -o "$work/blocks/rwkv_c.o"
    library=("$work/blocks/rwkv_c.o" "${library[@]}")
fi
for name in $c_programs; do
    "${CC:-cc}" -std=c99 -pedantic -Wall -Wextra -Werror -I "$root/examples/c" -c "$work/blocks/$name.source.c" -o "$work/blocks/$name.o"
done
printf '%s\n' $programs $c_programs |
    xargs -P "$(nproc)" -I '{}' "$compiler" "$work/blocks/{}.o" "${library[@]}" -pthread -o "$work/blocks/{}.program"

while IFS=$'\t' read -r language name where file; do
    echo "== $name ($language)"
    output=$work/blocks/$name.output
    case $language in
        cpp | c) (cd "$where" && "$work/blocks/$name.program" "$MODEL_DIR" </dev/null) | tee "$output" ;;
        sh) (cd "$where" && bash -euo pipefail "$file" </dev/null) | tee "$output" ;;
    esac
    echo
    if [[ -e $work/blocks/$name.expected ]] && ! diff -wB "$work/blocks/$name.expected" <(cat "$output"; echo); then
        echo "$name prints something else than its page says" >&2
        exit 1
    fi
done <"$todo"
echo "$(wc -l <"$todo") blocks ran"
