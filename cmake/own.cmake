# For our own programs, tests and benchmarks: rwkv_own, which they link.

# The library and the flags that are nobody else's business.
add_library(rwkv_flags INTERFACE)
target_link_libraries(rwkv_flags INTERFACE rwkv)
target_compile_options(
    rwkv_flags
    INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow $<$<BOOL:${RWKV_WERROR}>:-Werror>
              $<$<BOOL:${RWKV_NATIVE}>:-march=native>)
# gcc 12 warns, wrongly, of its own headers: of "text" + std::string (its bug 105329), and of every AVX-512 intrinsic that
# Eigen uses (its bug 105593).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(rwkv_flags INTERFACE -Wno-restrict $<$<BOOL:${RWKV_NATIVE}>:-Wno-maybe-uninitialized>)
endif()

# What our own programs, tests and benchmarks link: the library, compiled once for all of them (rwkv/compiled.hpp).
file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/rwkv_compiled.cpp" CONTENT "#include <rwkv/compiled.hpp>\n")
add_library(rwkv_compiled STATIC EXCLUDE_FROM_ALL "${PROJECT_BINARY_DIR}/rwkv_compiled.cpp")
target_link_libraries(rwkv_compiled PRIVATE rwkv_flags)
target_compile_definitions(rwkv_compiled PUBLIC RWKV_COMPILED)
add_library(rwkv_own INTERFACE)
target_link_libraries(rwkv_own INTERFACE rwkv_flags rwkv_compiled)
