#!/usr/bin/env bash
# Talks to the server with real clients, unmodified, from PyPI:
#   bash tests/clients/run.sh [CLIENT]...      openai langchain litellm instructor llm lm_eval page readme recorded schemathesis; all, unless named
# The programs are those of build/release, or of $BUILD; packages go to virtual environments in build/clients. Where the registry
# cannot be reached, and nothing is installed there yet, that is said, and the client skipped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=${BUILD:-build/release}
export RWKV_SERVE=$PWD/$build/examples/serve RWKV_SCORE=$PWD/$build/examples/score PYTHONDONTWRITEBYTECODE=1
work=$PWD/build/clients tests=$PWD/tests/clients
mkdir -p "$work"
(($#)) || set -- openai langchain litellm instructor llm lm_eval page readme recorded schemathesis
[[ -x $RWKV_SERVE ]] || { echo "clients: SKIPPED, there is no $RWKV_SERVE (Debian: libcpp-httplib-dev)"; exit 0; }

packages_of() { # CLIENT
    case $1 in
        openai | readme) echo openai==2.54.0 ;;
        langchain) echo langchain-openai==1.7.4 ;;
        litellm) echo litellm==1.106.12 ;;
        instructor) echo instructor==1.17.0 ;;
        llm) echo llm==0.32.1 ;;
        lm_eval) echo 'lm-eval[api]==0.4.13' ;;
        page) echo selenium==4.51.0 ;;
        recorded) ;;
        schemathesis) echo schemathesis==4.32.5 openapi-spec-validator ;;
        *) echo "there is no client $1" >&2 && return 1 ;;
    esac
}

# Sets `python` to the one that has the packages of a client. Returns 1 where the registry has to be asked and is not there.
install_packages_of() { # CLIENT
    local packages environment
    packages=$(packages_of "$1") || exit 1
    [[ $packages ]] || { python=python3; return; }
    environment=$work/venv-${packages//[^a-z0-9.]/-}
    python=$environment/bin/python
    if [[ -e $environment/installed && $(<"$environment/installed") == "$packages" ]]; then return; fi
    python3 -m venv "$environment" || { echo "$1: SKIPPED, Python has no venv (Debian: python3-venv)"; return 1; }
    if ! "$python" -m pip install -q --disable-pip-version-check --retries 1 --timeout 20 $packages >"$work/pip-$1.log" 2>&1; then
        if grep -Eq 'NewConnectionError|Connect(ion|Timeout)|ReadTimeout|ProxyError|name resolution|SSLError|HTTP error|Could not find' "$work/pip-$1.log"; then
            echo "$1: SKIPPED, the registry of Python packages cannot be reached, or does not have $packages"
            return 1
        fi
        cat "$work/pip-$1.log"
        exit 1
    fi
    echo "$packages" >"$environment/installed"
}

server=
stop() {
    [[ -z $server ]] || { kill "$server" && wait "$server" || true; }
    server=
}
trap stop EXIT

# Starts a server, whose key is that of support.py, and sets `url`.
start() { # OPTION...
    stop
    "$RWKV_SERVE" --port 0 --quiet --api-key a-key-of-the-tests ${MODEL_DIR:+--model "$MODEL_DIR"} "$@" >"$work/address" &
    server=$!
    url=
    while [[ -z $url ]]; do
        kill -0 "$server"
        sleep 0.1
        url=$(sed -n 's/^Listening on //p' "$work/address")
    done
}

for client in "$@"; do
    install_packages_of "$client" || continue
    case $client in
        schemathesis)
            start --max-new-tokens 20
            "$python" -m openapi_spec_validator examples/serve/openapi.json
            # All checks, of requests that the document describes in full (schemathesis_hooks.py); then those with states and schemas, too,
            # which are not all taken. It leaves files where it is run.
            for checks in "--checks all" "--exclude-checks positive_data_acceptance"; do
                [[ $checks == *all ]] && hooks=schemathesis_hooks || hooks=
                (cd "$work" && SCHEMATHESIS_HOOKS=$hooks PYTHONPATH=$tests "${python%python}schemathesis" run "$url/openapi.json" \
                    --header "Authorization: Bearer a-key-of-the-tests" $checks \
                    --phases coverage,fuzzing --max-examples 30 --request-timeout 60 --continue-on-failure --no-shrink)
            done
            ;;
        *)
            start --max-new-tokens 20000
            "$python" "tests/clients/${client}_client.py" "$url"
            ;;
    esac
done
