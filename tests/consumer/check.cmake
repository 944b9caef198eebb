# One check of how other projects take the library:
#   cmake -D CHECK=… -D SOURCE=… -D BINARY=… -D WORK=… -D CXX=… -D GENERATOR=… -D PREFIX_PATH=… -D PKG_CONFIG=…
#         -P check.cmake
# A check has its own directory in WORK, which is emptied first. `install` comes before those that need the library
# installed: they share its directory, and two installs at once would write the same files of BINARY.

set(work "${WORK}/${CHECK}")
file(REMOVE_RECURSE "${work}")
file(MAKE_DIRECTORY "${work}")
set(prefix "${WORK}/install/opt/rwkv")

function(run)
    execute_process(COMMAND ${ARGV} RESULT_VARIABLE status)
    if(NOT status EQUAL 0)
        list(JOIN ARGV " " command)
        message(FATAL_ERROR "failed (${status}): ${command}")
    endif()
endfunction()

# That everything is there, under that prefix, with what else is named, and nothing more.
function(expect_installed root prefix)
    file(GLOB_RECURSE expected RELATIVE "${SOURCE}" "${SOURCE}/include/*.hpp" "${SOURCE}/include/*.inl"
         "${SOURCE}/include/*.cpp")
    list(APPEND expected share/cmake/rwkv/rwkv-config-version.cmake share/cmake/rwkv/rwkv-config.cmake
         share/cmake/rwkv/rwkv-compiled.cmake share/cmake/rwkv/rwkv-targets.cmake share/licenses/rwkv/LICENSE share/pkgconfig/rwkv.pc
         share/rwkv/single_include/rwkv.hpp ${ARGN})
    list(TRANSFORM expected PREPEND "${prefix}/")
    file(GLOB_RECURSE found RELATIVE "${root}" "${root}/*")
    set(missing ${expected})
    set(surplus ${found})
    list(REMOVE_ITEM missing ${found})
    list(REMOVE_ITEM surplus ${expected})
    if(missing OR surplus)
        message(FATAL_ERROR "missing: [${missing}]; not wanted: [${surplus}]")
    endif()
endfunction()

# Into another root than the one it is meant for, and used where it then lies: it may be moved.
if(CHECK STREQUAL "install")
    run("${CMAKE_COMMAND}" -E env "DESTDIR=${work}" "${CMAKE_COMMAND}" --install "${BINARY}" --prefix /opt/rwkv)
    expect_installed("${work}" opt/rwkv)
    return()
endif()

if(CHECK STREQUAL "deb")
    run("${CMAKE_CPACK_COMMAND}" --config "${BINARY}/CPackConfig.cmake" -G DEB -B "${work}")
    file(GLOB package "${work}/librwkv-dev_*_all.deb")
    execute_process(COMMAND dpkg-deb --field "${package}" OUTPUT_VARIABLE fields)
    foreach(field IN ITEMS "Package: librwkv-dev" "Architecture: all" "Section: libdevel" "Maintainer: rwkv.hpp authors"
                           "Depends: libeigen3-dev (>= 3.4), nlohmann-json3-dev (>= 3.9)")
        string(FIND "\n${fields}" "\n${field}\n" place)
        if(place EQUAL -1)
            message(FATAL_ERROR "the package has no field '${field}':\n${fields}")
        endif()
    endforeach()
    run(dpkg-deb --extract "${package}" "${work}/root")
    expect_installed("${work}/root" usr share/doc/librwkv-dev/copyright)
    set(prefix "${work}/root/usr")
endif()

if(CHECK STREQUAL "pkg_config")
    set(ENV{PKG_CONFIG_PATH} "${prefix}/share/pkgconfig:$ENV{PKG_CONFIG_PATH}")
    foreach(question IN ITEMS "--cflags --libs" --variable=sources)
        separate_arguments(question UNIX_COMMAND "${question}")
        execute_process(
            COMMAND "${PKG_CONFIG}" ${question} rwkv
            OUTPUT_VARIABLE answer COMMAND_ERROR_IS_FATAL ANY
            OUTPUT_STRIP_TRAILING_WHITESPACE)
        separate_arguments(answer UNIX_COMMAND "${answer}")
        list(APPEND answers ${answer})
    endforeach()
    set(compile "${CXX}" -std=c++20 -O0 -DRWKV_COMPILED "${CMAKE_CURRENT_LIST_DIR}/main.cpp" ${answers})
    run(${compile} -o "${work}/consumer")
    run("${work}/consumer")
    return()
endif()

if(CHECK STREQUAL "single_header") # and no other header of ours to be found
    file(COPY "${prefix}/share/rwkv/single_include/rwkv.hpp" DESTINATION "${work}/include/rwkv")
    set(SOURCE "${work}")
endif()

set(configure "${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}/${CHECK}" -B "${work}/build" -G "${GENERATOR}"
              "-DCMAKE_CXX_COMPILER=${CXX}" "-DRWKV_SOURCE=${SOURCE}")
string(REPLACE ";" "\\;" paths "${prefix};${PREFIX_PATH}")
list(APPEND configure "-DCMAKE_PREFIX_PATH=${paths}")

if(CHECK STREQUAL "wrong_version")
    foreach(wanted IN ITEMS 9.9 1.0 0.2 0.0)
        execute_process(
            COMMAND ${configure} -DWANTED=${wanted}
            RESULT_VARIABLE status
            ERROR_VARIABLE errors
            OUTPUT_QUIET)
        if(status EQUAL 0)
            message(FATAL_ERROR "find_package(rwkv ${wanted}) took the installed version")
        elseif(NOT errors MATCHES "considered but not accepted")
            message(FATAL_ERROR "find_package(rwkv ${wanted}) failed, but not over the version: ${errors}")
        endif()
    endforeach()
    run(${configure} -DWANTED=0.1) # and it was there all the time
    return()
endif()

if(CHECK STREQUAL "exported")
    run(${configure} -DCMAKE_CXX_FLAGS=-O0 -DCMAKE_BUILD_TYPE=)
    run("${CMAKE_COMMAND}" --build "${work}/build")
    run("${CMAKE_COMMAND}" --install "${work}/build" --prefix "${work}/prefix")
    string(REPLACE ";" "\\;" paths "${work}/prefix;${PREFIX_PATH}")
    run("${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}/exported" -B "${work}/found" -G "${GENERATOR}" -DFIND=ON
        "-DCMAKE_CXX_COMPILER=${CXX}" "-DCMAKE_PREFIX_PATH=${paths}")
    run("${CMAKE_COMMAND}" --build "${work}/found")
    run("${work}/found/consumer")
    return()
endif()

set(optimise -O0)
if(CHECK STREQUAL "polite") # some warnings come with optimisation only
    set(optimise -O1)
endif()
run(${configure} "-DCMAKE_CXX_FLAGS=${optimise}" -DCMAKE_BUILD_TYPE=)
run("${CMAKE_COMMAND}" --build "${work}/build")
run("${work}/build/consumer")
if(EXISTS "${work}/build/found")
    run("${work}/build/found")
endif()

if(CHECK STREQUAL "polite")
    run("${CMAKE_COMMAND}" --install "${work}/build" --prefix "${work}/prefix")
    file(GLOB_RECURSE installed "${work}/prefix/*")
    if(installed)
        message(FATAL_ERROR "the host project installs files of the library: ${installed}")
    endif()
endif()
