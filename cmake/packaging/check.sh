#!/usr/bin/env bash
# Checks the recipes, without the network but for installing Conan where it is missing:
#   bash cmake/packaging/check.sh
# Conan makes the package and its test_package, with Eigen and nlohmann/json as they are installed here in place of Conan
# Center's. Of vcpkg, whose own tool is not needed, the files are parsed and the port is run with functions that do what
# vcpkg's do. CONAN is the command to use; EIGEN_INCLUDE and JSON_INCLUDE are the directories of the headers.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
eigen=${EIGEN_INCLUDE:-/usr/include/eigen3} json=${JSON_INCLUDE:-/usr/include}

echo "vcpkg: vcpkg.json"
python3 -m json.tool "$here/vcpkg/rwkv-hpp/vcpkg.json" >/dev/null
python3 - "$here" <<'PYTHON'
import json, re, sys
here = sys.argv[1]
version = open(here + "/../../include/rwkv/version.hpp").read()
numbers = [re.search(rf"#define RWKV_VERSION_{part} (\d+)", version)[1] for part in ("MAJOR", "MINOR", "PATCH")]
port = json.load(open(here + "/vcpkg/rwkv-hpp/vcpkg.json"))
assert port["version"] == ".".join(numbers), f"vcpkg.json: version {port['version']}, expected {'.'.join(numbers)}"
PYTHON

echo "vcpkg: portfile.cmake"
cat >"$work/vcpkg.cmake" <<'CMAKE'
function(vcpkg_cmake_configure)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" "SOURCE_PATH" "OPTIONS")
    execute_process(COMMAND "${CMAKE_COMMAND}" -S "${arg_SOURCE_PATH}" -B "${WORK}/build" -D CMAKE_BUILD_TYPE=Release
                            "-DCMAKE_INSTALL_PREFIX=${CURRENT_PACKAGES_DIR}" ${arg_OPTIONS}
                    OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endfunction()
function(vcpkg_cmake_install)
    execute_process(COMMAND "${CMAKE_COMMAND}" --install "${WORK}/build" OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endfunction()
function(vcpkg_cmake_config_fixup)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" "PACKAGE_NAME;CONFIG_PATH" "")
    file(GLOB files "${CURRENT_PACKAGES_DIR}/${arg_CONFIG_PATH}/*")
    file(COPY ${files} DESTINATION "${CURRENT_PACKAGES_DIR}/share/${arg_PACKAGE_NAME}")
    file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/${arg_CONFIG_PATH}")
    # vcpkg's own tool rewrites the prefix; a directory two levels below it is as deep here.
    file(GLOB configs "${CURRENT_PACKAGES_DIR}/share/${arg_PACKAGE_NAME}/*.cmake")
    foreach(config IN LISTS configs)
        file(READ "${config}" text)
        string(REPLACE "\${CMAKE_CURRENT_LIST_DIR}/../../../" "\${CMAKE_CURRENT_LIST_DIR}/../../" text "${text}")
        string(REPLACE "get_filename_component(_IMPORT_PREFIX \"\${_IMPORT_PREFIX}\" PATH)\nget_filename_component(_IMPORT_PREFIX \"\${_IMPORT_PREFIX}\" PATH)\n"
                       "get_filename_component(_IMPORT_PREFIX \"\${_IMPORT_PREFIX}\" PATH)\n" text "${text}")
        file(WRITE "${config}" "${text}")
    endforeach()
endfunction()
function(vcpkg_fixup_pkgconfig)
    if(NOT EXISTS "${CURRENT_PACKAGES_DIR}/share/pkgconfig/rwkv.pc")
        message(FATAL_ERROR "no share/pkgconfig/rwkv.pc")
    endif()
endfunction()
function(vcpkg_install_copyright)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" "" "FILE_LIST")
    file(COPY_FILE ${arg_FILE_LIST} "${CURRENT_PACKAGES_DIR}/share/${PORT}/copyright")
endfunction()
include("${CURRENT_PORT_DIR}/portfile.cmake")
CMAKE
cmake -D "WORK=$work" -D "CURRENT_PORT_DIR=$here/vcpkg/rwkv-hpp" -D "CURRENT_PACKAGES_DIR=$work/vcpkg" -D PORT=rwkv-hpp \
    -P "$work/vcpkg.cmake"
for file in share/rwkv/rwkv-config.cmake share/rwkv-hpp/copyright share/rwkv-hpp/usage include/rwkv/rwkv.hpp; do
    [[ -f $work/vcpkg/$file ]] || { echo "vcpkg: the package has no $file" >&2; exit 1; }
done
cmake -S "$here/conan/test_package" -B "$work/vcpkg-test" -D "rwkv_DIR=$work/vcpkg/share/rwkv" >/dev/null

echo "Conan: conan create"
conan=${CONAN:-conan}
if ! command -v "$conan" >/dev/null; then
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install -q "conan>=2,<3"
    conan=$work/venv/bin/conan
fi
export CONAN_HOME=$work/conan
# installed NAME VERSION DIRECTORY_OF_HEADERS FOLDER CMAKE_FILE CMAKE_TARGET: a package of headers that are installed here.
installed() {
    mkdir -p "$work/$1"
    cat >"$work/$1/conanfile.py" <<PYTHON
from conan import ConanFile
from conan.tools.files import copy
class Installed(ConanFile):
    name, version, package_type = "$1", "$2", "header-library"
    def package(self):
        copy(self, "$4/*", src="$3", dst=self.package_folder + "/include")
    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "$5")
        self.cpp_info.set_property("cmake_target_name", "$6")
        self.cpp_info.bindirs = self.cpp_info.libdirs = []
PYTHON
    "$conan" create "$work/$1" --no-remote >/dev/null 2>&1
}
"$conan" profile detect >/dev/null 2>&1
installed eigen 3.4.0 "$eigen" Eigen Eigen3 Eigen3::Eigen
installed nlohmann_json 3.11.2 "$json" nlohmann nlohmann_json nlohmann_json::nlohmann_json
cp -r "$here/conan/test_package" "$work/test_package" # which it builds where it lies
"$conan" create "$here/conan" --no-remote -s compiler.cppstd=20 --test-folder "$work/test_package" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
grep "no such directory" "$work/log"
