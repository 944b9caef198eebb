# Sourced by run and full: steps whose times and conclusions are kept and printed at the end.
set -euo pipefail
jobs=$(nproc)
summary=$(mktemp)
log=$(mktemp)
trap 'rm -f "$summary" "$log"' EXIT

gcc=g++
if command -v g++-12 >/dev/null; then gcc=g++-12; fi
# What was compiled before is not compiled again, where ccache is installed.
if command -v ccache >/dev/null; then export CMAKE_CXX_COMPILER_LAUNCHER=ccache; fi

# step NAME COMMAND...: runs it, and keeps its time and the closing lines of its ctest, if it ran one.
step() {
    local name=$1 begin=$SECONDS status=0
    shift
    printf '\n=== %s\n' "$name"
    # A subshell with its own -e: a step is a function of several commands, and the first to fail fails it.
    set +e
    (set -e; "$@") 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    set -e
    {
        printf '\n%s: %s, %d s\n' "$name" "$([[ $status == 0 ]] && echo passed || echo FAILED)" $((SECONDS - begin))
        sed -n '/^[0-9]*% tests passed/,$p' "$log"
    } >>"$summary"
    if ((status)); then
        cat "$summary"
        exit "$status"
    fi
}

all_passed() {
    printf '\n=== All passed in %d s\n' "$SECONDS"
    cat "$summary"
}

build_sanitized() { # PRESET TEST...
    local preset=$1
    shift
    cmake --preset "$preset"
    cmake --build --preset "$preset" --parallel "$jobs" --target "${@/#/rwkv_test_}"
}

test_sanitized() { # PRESET TEST...
    # Without address randomisation where that can be had: newer kernels place memory where gcc 12's tsan cannot follow.
    local fixed_addresses=() preset=$1
    if setarch "$(uname -m)" -R true 2>/dev/null; then fixed_addresses=(setarch "$(uname -m)" -R); fi
    shift
    "${fixed_addresses[@]}" ctest --preset "$preset" --parallel "$jobs" -L unit -R "^($(IFS='|'; echo "$*"))$"
}

sanitized() { # PRESET TEST...
    build_sanitized "$@"
    test_sanitized "$@"
}
