# One check of how other projects take the library:
#   cmake -D CHECK=installed|subdirectory|wrong_version|polite -D SOURCE=… -D BINARY=… -D WORK=… -D CXX=… -D GENERATOR=…
#         -D PREFIX_PATH=… -P check.cmake
# WORK is emptied first; nothing outside it is written.

file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}")
set(prefix "${WORK}/prefix")

function(run)
    execute_process(COMMAND ${ARGV} RESULT_VARIABLE status)
    if(NOT status EQUAL 0)
        list(JOIN ARGV " " command)
        message(FATAL_ERROR "failed (${status}): ${command}")
    endif()
endfunction()

set(configure "${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}/${CHECK}" -B "${WORK}/build" -G "${GENERATOR}"
              "-DCMAKE_CXX_COMPILER=${CXX}" "-DRWKV_SOURCE=${SOURCE}")
string(REPLACE ";" "\\;" paths "${prefix};${PREFIX_PATH}")
list(APPEND configure "-DCMAKE_PREFIX_PATH=${paths}")

if(CHECK STREQUAL "installed" OR CHECK STREQUAL "wrong_version")
    run("${CMAKE_COMMAND}" --install "${BINARY}" --prefix "${prefix}")
endif()

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

run(${configure} "-DCMAKE_CXX_FLAGS=-O1" -DCMAKE_BUILD_TYPE=)
run("${CMAKE_COMMAND}" --build "${WORK}/build")
run("${WORK}/build/consumer")

if(CHECK STREQUAL "polite")
    run("${CMAKE_COMMAND}" --install "${WORK}/build" --prefix "${prefix}")
    file(GLOB_RECURSE installed "${prefix}/*")
    if(installed)
        message(FATAL_ERROR "the host project installs files of the library: ${installed}")
    endif()
endif()
