#!/usr/bin/env bash
# Installs what is missing, builds the program `generate` (in build/quickstart) and lets a model write:
#   bash examples/quickstart.sh [MODEL [OPTION OF generate]...]
# Without a model the small one in examples/fairy-tales tells a story.
set -euo pipefail
caller=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if (($#)); then
    model=$(cd "$caller" && realpath -m -- "$1")
    shift
else
    model=$PWD/examples/fairy-tales
fi
[[ -e $model ]] || { echo "there is no $model" >&2; exit 2; }
beginning=
if ((!$#)); then
    beginning="Once upon a time"  # generate prints what follows it
    settings="--max-new-tokens 200 --temperature 0.65 --top-p 0.9 --presence-penalty 0.2 --frequency-penalty 0.2"
    # shellcheck disable=SC2086
    set -- --prompt "$beginning" $settings --seed 1
fi

. cmake/install-packages.sh
install_packages g++ cmake make libeigen3-dev nlohmann-json3-dev libcli11-dev libedit-dev

echo "Building build/quickstart/examples/generate" >&2
cmake --preset quickstart >/dev/null
cmake --build --preset quickstart --parallel "$(nproc)" >/dev/null

root=$PWD
cd "$caller"  # file names among the options are the caller's
printf %s "$beginning"
exec "$root/build/quickstart/examples/generate" --model "$model" "$@"
