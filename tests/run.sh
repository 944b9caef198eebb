#!/usr/bin/env bash
# Installs what is missing, builds everything (preset release, in build/release) and runs all tests:
#   bash tests/run.sh [OPTION OF cmake]...
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. cmake/install-packages.sh
install_packages g++ cmake make pkg-config libeigen3-dev nlohmann-json3-dev libcli11-dev libedit-dev libopenmpi-dev openmpi-bin libcpp-httplib-dev catch2 libbenchmark-dev

echo "Configuring and building in build/release"
cmake --preset release "$@"
cmake --build --preset release --parallel "$(nproc)"

echo "Running the tests"
ctest --preset release --parallel "$(nproc)"
