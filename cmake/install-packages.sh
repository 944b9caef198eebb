# Sourced by scripts: installs what a build needs on Debian and Ubuntu, and only what is missing.
#
#   install_packages PACKAGE...
#
# A package counts as present when it is installed, or when it is a tool that is on the PATH. If all are present,
# nothing is called. Elsewhere than on Debian it names what to install, and goes on when the tools are there: CMake then
# finds the libraries wherever they lie, or fetches them.

is_present() {
    case "$1" in
        g++ | cmake | git | pkg-config | ccache | doxygen) command -v "$1" >/dev/null && return ;;
        make) { command -v make || command -v ninja; } >/dev/null && return ;;
        clang-14) command -v clang++-14 >/dev/null && return ;;
    esac
    command -v dpkg-query >/dev/null && dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q '^install ok installed'
}

install_packages() {
    local package missing=() as_root=()
    for package in "$@"; do
        is_present "$package" || missing+=("$package")
    done
    ((${#missing[@]})) || return 0

    if ! command -v apt-get >/dev/null; then
        echo "This is not Debian or Ubuntu, so nothing is installed here. Needed, by their Debian names: $*" >&2
        for package in g++ cmake make; do
            is_present "$package" || { echo "Missing: $package. Install it and run this again." >&2; return 1; }
        done
        echo "Going on with what is there; CMake fetches the libraries it does not find." >&2
        return 0
    fi

    if (($(id -u) != 0)); then
        command -v sudo >/dev/null || {
            echo "Missing: ${missing[*]}. Run 'apt-get install ${missing[*]}' as root, then this again." >&2
            return 1
        }
        as_root=(sudo)
    fi
    echo "Installing with apt-get: ${missing[*]}"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
        >/dev/null
}
