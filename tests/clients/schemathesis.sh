#!/usr/bin/env bash
# Lets schemathesis try what /openapi.json says: bash tests/clients/schemathesis.sh PYTHON http://HOST:PORT [OPTION OF schemathesis run]...
set -euo pipefail
python=$1 url=$2
shift 2
"$python" -m schemathesis.cli run "$url/openapi.json" --header "Authorization: Bearer a-key-of-the-tests" "$@"
