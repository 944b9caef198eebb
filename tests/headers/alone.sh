#!/usr/bin/env bash
# Every header and every fragment (.inl) compiles alone, as in an editor, and has included what says the version of its
# namespace:
#   bash tests/headers/alone.sh [HEADER]...        such as rwkv/model/state.hpp; all, where none is named
# Headers are compiled as a user of rwkv::compiled has them, since the definitions that they include without it are
# fragments, which are compiled by themselves.
# CXX is the compiler (clang++-14 where it is installed, else g++); RWKV_INCLUDES adds include directories (a:b).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../include"

if [[ -z ${CXX:-} ]]; then
    CXX=g++
    if command -v clang++-14 >/dev/null; then CXX=clang++-14; fi
fi
limit=-fmax-errors=3
if "$CXX" --version | grep -q clang; then limit=-ferror-limit=3; fi
command=("$CXX" -std=c++20 -fsyntax-only "$limit" -Wall -Wextra -Werror -I .)
IFS=: read -r -a more <<<"${RWKV_INCLUDES:-/usr/include/eigen3}"
for directory in "${more[@]}"; do
    [[ -z $directory || $directory == /usr/include ]] || command+=(-isystem "$directory")
done

if command -v mpicxx >/dev/null; then
    read -r -a more <<<"$(mpicxx --showme:incdirs 2>/dev/null || true)"
    for directory in "${more[@]}"; do command+=(-isystem "$directory"); done
fi

check() { # HEADER COMMAND...
    local header=$1
    shift
    [[ $header == *.inl ]] || set -- "$@" -DRWKV_COMPILED
    {
        echo "#include <$header>"
        # Without it, `namespace rwkv::inline RWKV_ABI` would be a namespace of that name.
        if grep -q RWKV_ABI "$header"; then printf '%s\n' '#ifndef RWKV_ABI' '#error "lacks rwkv/version.hpp"' '#endif'; fi
    } | "$@" -x c++ - || { echo "$header does not compile alone" >&2; return 1; }
}
export -f check

if (($# == 0)); then set -- $(find rwkv -name '*.[hi][pn][pl]' ! -path '*/io/system/*' | sort); fi
if ! printf '#include <mpi.h>\n' | "${command[@]}" -x c++ - 2>/dev/null; then
    echo "rwkv/mpi.hpp is not checked: there is no MPI (Debian: libopenmpi-dev)"
    set -- $(printf '%s\n' "$@" | grep -vx rwkv/mpi.hpp)
fi
printf '%s\n' "$@" | xargs -P "$(nproc)" -I '{}' bash -c 'check "$@"' check '{}' "${command[@]}"
echo "$# headers and fragments compile alone"
