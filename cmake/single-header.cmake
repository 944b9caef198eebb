# Makes one file of the library, for programs that would rather copy a file than install headers:
#   cmake -D INCLUDE=… -D LICENSE=… -D VERSION=… -D OUT=… -P single-header.cmake
# First the declarations, rwkv/rwkv.hpp, then, under RWKV_IMPLEMENTATION, the definitions, rwkv/compiled/*.cpp. Each
# `#include <rwkv/…>` is replaced by what it names: a header with `#pragma once` the first time, a fragment without one
# every time.
cmake_minimum_required(VERSION 3.21)

set(included "")

# flatten(TEXT_VARIABLE): TEXT_VARIABLE with its includes of our files replaced.
function(flatten variable)
    set(text "")
    set(rest "\n${${variable}}")
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
        # Here fragments are not read alone, and the definitions follow in a part of their own.
        string(REGEX REPLACE "#ifndef RWKV_TARGET\n((#include|#define)[^\n]*\n|\n)*#endif\n" "" content "${content}")
        string(REGEX REPLACE "#ifndef RWKV_COMPILED\n(#include <[^>]*>\n)+#endif\n" "" content "${content}")
        set(rest "\n// ${name}\n${content}${rest}")
    endwhile()
    string(APPEND text "${rest}")
    string(REGEX REPLACE "\n\n\n+" "\n\n" text "${text}")
    set(${variable} "${text}" PARENT_SCOPE)
    set(included "${included}" PARENT_SCOPE)
endfunction()

set(declarations "#include <rwkv/rwkv.hpp>\n")
flatten(declarations)

set(definitions "")
foreach(part IN ITEMS model files text)
    file(READ "${INCLUDE}/rwkv/compiled/${part}.cpp" content)
    string(REGEX REPLACE "#ifndef RWKV_COMPILED\n#error[^\n]*\n#endif\n" "" content "${content}")
    string(APPEND definitions "${content}")
endforeach()
flatten(definitions)

file(READ "${LICENSE}" license)
string(REGEX REPLACE "\n([^\n])" "\n// \\1" license "${license}")
file(WRITE "${OUT}" "// rwkv.hpp ${VERSION}, the whole library in one file, which is generated: change the headers it is made of.
//
// Include it wherever it is used. In exactly one source file of the program, define RWKV_IMPLEMENTATION before: that file
// compiles the library, the others its declarations alone.
//
//     #define RWKV_IMPLEMENTATION
//     #include \"rwkv.hpp\"
//
// ${license}
#ifndef RWKV_SINGLE_HEADER
#define RWKV_SINGLE_HEADER

#ifdef RWKV_VERSION_MAJOR
#error \"this file is all of the library: a source file includes it or <rwkv/…>, not both\"
#endif
#ifndef RWKV_COMPILED
#define RWKV_COMPILED
#endif
${declarations}
#endif  // RWKV_SINGLE_HEADER

#if defined(RWKV_IMPLEMENTATION) && !defined(RWKV_IMPLEMENTED)
#define RWKV_IMPLEMENTED
${definitions}
#endif  // RWKV_IMPLEMENTATION
")
