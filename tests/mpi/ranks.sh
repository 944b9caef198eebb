#!/usr/bin/env bash
# generate_mpi with 1 to 4 ranks on this machine: the text of generate; and a message instead of a hang where a rank dies,
# or has other files than the others.
#   ranks.sh GENERATE GENERATE_MPI TEST_RANKS SOURCE_DIR
set -euo pipefail
generate=$1 generate_mpi=$2 test_ranks=$3 source=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# On one machine ranks need no network, and there may be fewer processors than ranks: then they must not spin.
launch() { timeout 120 mpirun --oversubscribe --mca btl self,vader --mca mpi_yield_when_idle 1 "$@"; }
fail() {
    echo "FAILED: $*" >&2
    exit 1
}

options=(--prompt "Once upon a time there was a king" --max-new-tokens 12 --temperature 0.9 --seed 3)
for format in stored q8 q4; do
    expected=$("$generate" "${options[@]}" --format "$format" --threads 1 2>"$work/log")
    for ranks in 1 2 3 4; do
        found=$(launch -n "$ranks" "$generate_mpi" "${options[@]}" --format "$format" 2>"$work/log") ||
            fail "$format, $ranks ranks: $(cat "$work/log")"
        [[ $found == "$expected" ]] || fail "$format, $ranks ranks: expected '$expected', found '$found'"
        grep -q "exchanging" "$work/log" || fail "no costs in: $(cat "$work/log")"
    done
done
echo "1 to 4 ranks: the text of one machine, as stored, in q8 and in q4"

for ranks in 1 2 3 4; do
    launch -n "$ranks" "$test_ranks" bits "$source/tests/fixtures/text" "$source/examples/fairy-tales" >"$work/log" 2>&1 ||
        fail "$ranks ranks: $(cat "$work/log")"
done
echo "prompts, batches and ragged batches: the logits of one machine, bit by bit"
# Memory that sanitizers take is none of the loader's.
if [[ $(nm -D "$test_ranks" 2>/dev/null) != *@(__asan|__tsan)_* ]]; then
    for ranks in 2 4; do
        mkdir -p "$work/synthetic"
        launch -n "$ranks" "$test_ranks" memory "$work/synthetic" >"$work/log" 2>&1 || fail "$ranks ranks: $(cat "$work/log")"
        cat "$work/log"
    done
    rm -r "$work/synthetic"
fi

expect_failure() { # WORDS COMMAND...
    local words=$1 code=0
    shift
    "$@" >"$work/out" 2>"$work/log" </dev/null || code=$?
    [[ $code != 0 && $code != 124 ]] || fail "expected a failure, found exit code $code from: $*"
    grep -q "$words" "$work/log" || fail "expected '$words', found: $(cat "$work/log")"
}

other=$source/tests/fixtures/text
expect_failure "on every rank" launch -n 1 "$generate_mpi" "${options[@]}" --format q8 : \
    -n 1 "$generate_mpi" "${options[@]}" --format q4
expect_failure "no-such-model" launch -n 1 "$generate_mpi" "${options[@]}" : \
    -n 1 "$generate_mpi" "${options[@]}" --model "$work/no-such-model"
cp -r "$other" "$work/other"
chmod -R u+w "$work/other"
weights=$work/other/model.safetensors
printf '\xc0\x7f' | dd of="$weights" bs=1 seek=$(($(stat -c %s "$weights") - 2)) conv=notrunc status=none
expect_failure "rank" launch -n 1 "$generate_mpi" "${options[@]}" --model "$other" : \
    -n 1 "$generate_mpi" "${options[@]}" --model "$work/other"
echo "files that differ, and files that are missing on one rank, end all ranks with a message"

long=(--prompt "Once upon a time" --max-new-tokens 1000000)
code=0
launch -n 3 "$generate_mpi" "${long[@]}" >"$work/out" 2>"$work/log" &
job=$!
for ((i = 0; i < 200; ++i)); do
    [[ -s $work/out ]] && break
    sleep 0.1
done
[[ -s $work/out ]] || fail "no text within 20 s: $(cat "$work/log")"
victim=$(pgrep -f -- "$generate_mpi.*--max-new-tokens 1000000" | xargs -I{} sh -c 'grep -lz "^OMPI_COMM_WORLD_RANK=1" /proc/{}/environ 2>/dev/null || true' | head -1)
[[ -n $victim ]] || fail "rank 1 was not found"
kill -9 "$(cut -d/ -f3 <<<"$victim")"
start=$SECONDS
wait "$job" || code=$?
((code != 0 && code != 124 && SECONDS - start < 30)) || fail "a dead rank: exit code $code after $((SECONDS - start)) s"
grep -qi "rank 1" "$work/log" || fail "expected 'rank 1', found: $(cat "$work/log")"
echo "a rank that dies ends the others"

# Each rank on a machine of its own, as far as the network goes.
machine=rwkv-mpi-probe-$$
if ((EUID == 0)) && [[ -c /dev/net/tun ]] && command -v python3 ping >/dev/null && ip netns add "$machine" 2>/dev/null; then
    ip netns delete "$machine"
    expected=$("$generate" "${options[@]}" --format q8 --threads 1 2>"$work/log")
    for delay in 0.1 1; do
        for ranks in 2 4; do
            found=$(timeout 300 python3 "$source/tests/mpi/network.py" "$ranks" "$delay" "$generate_mpi" "${options[@]}" \
                --format q8 2>"$work/log") || fail "$ranks machines, $delay ms: $(cat "$work/log")"
            [[ $found == "$expected" ]] || fail "$ranks machines, $delay ms: expected '$expected', found '$found'"
        done
    done
    echo "2 and 4 machines, 0.1 and 1 ms between them: the same text"
else
    echo "machines of their own: SKIPPED, network namespaces need root, ip, ping, python3 and /dev/net/tun"
fi
