# Each dependency: the one the host project already has, else the installed one, else a fetched one, pinned by commit.
# Header-only ones are fetched without running their build, as imported targets, so that nothing of theirs is built,
# tested or installed with ours.

include(CheckCXXSourceCompiles)
include(FetchContent)

# rwkv_fetch_headers(NAME TARGET REPOSITORY COMMIT INCLUDE_DIR)
function(rwkv_fetch_headers name target repository commit include_dir)
    message(STATUS "${target} is not installed: fetching ${repository} at ${commit}")
    FetchContent_Declare(${name} GIT_REPOSITORY ${repository} GIT_TAG ${commit} SOURCE_SUBDIR no-build-wanted)
    FetchContent_MakeAvailable(${name})
    FetchContent_GetProperties(${name})
    add_library(${target} INTERFACE IMPORTED GLOBAL)
    set_target_properties(
        ${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${${name}_SOURCE_DIR}/${include_dir}")
endfunction()

macro(rwkv_need_eigen)
    if(NOT TARGET Eigen3::Eigen)
        find_package(Eigen3 3.4 QUIET CONFIG)
    endif()
    if(NOT TARGET Eigen3::Eigen)
        find_package(Eigen3 5 QUIET CONFIG)
    endif()
    if(NOT TARGET Eigen3::Eigen) # 3.4.0
        rwkv_fetch_headers(rwkv_eigen Eigen3::Eigen https://gitlab.com/libeigen/eigen.git
                           3147391d946bb4b6c68edd901f2add6ac1f31f8c .)
    endif()
endmacro()

macro(rwkv_need_json)
    if(NOT TARGET nlohmann_json::nlohmann_json)
        find_package(nlohmann_json 3.9 QUIET CONFIG)
    endif()
    if(NOT TARGET nlohmann_json::nlohmann_json) # v3.11.3
        rwkv_fetch_headers(rwkv_json nlohmann_json::nlohmann_json https://github.com/nlohmann/json.git
                           9cca280a4d0ccf0c08f47a99aa71d1b0e52f8d03 include)
    endif()
endmacro()

macro(rwkv_need_cli11)
    if(NOT TARGET CLI11::CLI11)
        find_package(CLI11 2.1 QUIET CONFIG)
    endif()
    if(NOT TARGET CLI11::CLI11) # v2.4.2
        rwkv_fetch_headers(rwkv_cli11 CLI11::CLI11 https://github.com/CLIUtils/CLI11.git
                           6c7b07a878ad834957b98d0f9ce1dbe0cb204fc9 include)
    endif()
endmacro()

# Version 2 or 3: tests/catch.hpp takes either.
macro(rwkv_need_catch2)
    if(NOT TARGET Catch2::Catch2)
        find_package(Catch2 QUIET CONFIG)
    endif()
    if(NOT TARGET Catch2::Catch2)
        message(STATUS "Catch2 is not installed: fetching v3.7.1")
        FetchContent_Declare(
            rwkv_catch2 GIT_REPOSITORY https://github.com/catchorg/Catch2.git
            GIT_TAG fa43b77429ba76c462b1898d6cd2f2d7a9416b14) # v3.7.1
        FetchContent_MakeAvailable(rwkv_catch2)
    endif()
endmacro()

macro(rwkv_need_benchmark)
    if(NOT TARGET benchmark::benchmark)
        find_package(benchmark QUIET CONFIG)
    endif()
    if(NOT TARGET benchmark::benchmark)
        message(STATUS "Google Benchmark is not installed: fetching v1.8.3")
        set(BENCHMARK_ENABLE_TESTING OFF CACHE BOOL "" FORCE)
        set(BENCHMARK_ENABLE_INSTALL OFF CACHE BOOL "" FORCE)
        FetchContent_Declare(
            rwkv_benchmark GIT_REPOSITORY https://github.com/google/benchmark.git
            GIT_TAG 344117638c8ff7e239044fd0fa7085839fc03021) # v1.8.3
        FetchContent_MakeAvailable(rwkv_benchmark)
    endif()
endmacro()

# What generate_mpi is linked to, where it is installed: RWKV_HAS_MPI, and the target MPI::MPI_CXX.
macro(rwkv_find_mpi)
    set(RWKV_HAS_MPI OFF)
    if(NOT WIN32 AND NOT CMAKE_CROSSCOMPILING)
        set(MPI_CXX_SKIP_MPICXX ON) # its interface for C is what we use
        find_package(MPI QUIET COMPONENTS CXX)
        if(TARGET MPI::MPI_CXX)
            set(RWKV_HAS_MPI ON)
        endif()
    endif()
endmacro()

# What the program chat edits lines with, where it is installed: RWKV_HAS_LIBEDIT, RWKV_LIBEDIT_INCLUDE_DIR and
# RWKV_LIBEDIT_LIBRARY. (The console of Windows edits lines by itself.)
macro(rwkv_find_libedit)
    find_path(RWKV_LIBEDIT_INCLUDE_DIR histedit.h)
    find_library(RWKV_LIBEDIT_LIBRARY edit)
    mark_as_advanced(RWKV_LIBEDIT_INCLUDE_DIR RWKV_LIBEDIT_LIBRARY)
    set(RWKV_HAS_LIBEDIT OFF)
    if(NOT WIN32 AND RWKV_LIBEDIT_INCLUDE_DIR AND RWKV_LIBEDIT_LIBRARY)
        # Cross-compiling, the one that is found may be of the machine that compiles.
        set(CMAKE_REQUIRED_INCLUDES "${RWKV_LIBEDIT_INCLUDE_DIR}")
        set(CMAKE_REQUIRED_LIBRARIES "${RWKV_LIBEDIT_LIBRARY}")
        check_cxx_source_compiles("#include <histedit.h>\nint main() { return el_wset(nullptr, 0); }" RWKV_LIBEDIT_LINKS)
        unset(CMAKE_REQUIRED_INCLUDES)
        unset(CMAKE_REQUIRED_LIBRARIES)
        set(RWKV_HAS_LIBEDIT ${RWKV_LIBEDIT_LINKS})
    endif()
endmacro()

# What the program serve is made with, where it is installed: RWKV_HAS_HTTPLIB, and the target httplib::httplib, which
# CMake's file of cpp-httplib defines and Debian's pkg-config file describes. (Not on Windows: its sockets are others.)
macro(rwkv_find_httplib)
    set(RWKV_HAS_HTTPLIB OFF)
    if(NOT WIN32 AND NOT CMAKE_CROSSCOMPILING)
        find_package(Threads QUIET)
        find_package(httplib 0.11 QUIET CONFIG)
        if(NOT TARGET httplib::httplib)
            find_path(RWKV_HTTPLIB_INCLUDE_DIR httplib.h)
            find_library(RWKV_HTTPLIB_LIBRARY cpp-httplib)
            mark_as_advanced(RWKV_HTTPLIB_INCLUDE_DIR RWKV_HTTPLIB_LIBRARY)
            if(RWKV_HTTPLIB_INCLUDE_DIR AND RWKV_HTTPLIB_LIBRARY)
                add_library(httplib::httplib UNKNOWN IMPORTED)
                set_target_properties(httplib::httplib PROPERTIES IMPORTED_LOCATION "${RWKV_HTTPLIB_LIBRARY}"
                                                                  INTERFACE_INCLUDE_DIRECTORIES "${RWKV_HTTPLIB_INCLUDE_DIR}")
            endif()
        endif()
        if(TARGET httplib::httplib)
            set(RWKV_HAS_HTTPLIB ON)
        endif()
    endif()
endmacro()
