# Makes one file of the library, for programs that would rather copy a file than install headers:
#   cmake -D INCLUDE=… -D LICENSE=… -D VERSION=… -D OUT=… -P single-header.cmake
# It is rwkv/rwkv.hpp with each `#include <rwkv/…>` replaced by what that names: a header with `#pragma once` the first
# time, a fragment without one (model/equations.inl, kernels/arch/*.inl) every time.
cmake_minimum_required(VERSION 3.21)

file(READ "${LICENSE}" license)
string(REGEX REPLACE "\n([^\n])" "\n// \\1" license "${license}")
set(text "// rwkv.hpp ${VERSION}, the whole library in one file. It is generated: change the headers it is made of.
//
// ${license}
#pragma once

#ifdef RWKV_COMPILED
#error \"RWKV_COMPILED is for the library as several files, with rwkv/compiled.hpp\"
#endif
")

set(rest "\n#include <rwkv/rwkv.hpp>\n")
set(included "")
set(depth 0) # of the #if around the place
while(rest MATCHES "\n#include <(rwkv/[^>]*)>")
    set(line "${CMAKE_MATCH_0}")
    set(name "${CMAKE_MATCH_1}")
    string(FIND "${rest}" "${line}" begin)
    string(LENGTH "${line}" length)
    math(EXPR end "${begin} + ${length}")
    string(SUBSTRING "${rest}" 0 ${begin} before)
    string(SUBSTRING "${rest}" ${end} -1 rest)
    string(APPEND text "${before}")
    string(REGEX MATCHALL "\n#if" opened "${before}")
    string(REGEX MATCHALL "\n#endif" closed "${before}")
    list(LENGTH opened opened)
    list(LENGTH closed closed)
    math(EXPR depth "${depth} + ${opened} - ${closed}")

    file(READ "${INCLUDE}/${name}" content)
    if(content MATCHES "(^|\n)#pragma once\n")
        if(name IN_LIST included)
            continue()
        elseif(depth GREATER 0)
            # Where the condition does not hold, those who include it later would miss it.
            message(FATAL_ERROR "<${name}> is included first under an #if: include it above, or in one file it is lost")
        endif()
        list(APPEND included "${name}")
        string(REPLACE "#pragma once\n" "" content "${content}")
    endif()
    string(REGEX REPLACE "#ifndef RWKV_COMPILED\n(#include <[^>]*>\n)#endif\n" "\\1" content "${content}")
    set(rest "\n// ${name}\n${content}${rest}")
endwhile()
string(APPEND text "${rest}")
string(REGEX REPLACE "\n\n\n+" "\n\n" text "${text}")
file(WRITE "${OUT}" "${text}")
