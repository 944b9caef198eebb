# rwkv_flags: what our own programs, tests and benchmarks are compiled with, and nobody else's.
add_library(rwkv_flags INTERFACE)
target_compile_options(
    rwkv_flags
    INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow $<$<BOOL:${RWKV_WERROR}>:-Werror>
              $<$<BOOL:${RWKV_NATIVE}>:-march=native>)
# gcc 12 warns, wrongly, of its own headers: of "text" + std::string (its bug 105329), and of every AVX-512 intrinsic that
# Eigen uses (its bug 105593).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(rwkv_flags INTERFACE -Wno-restrict $<$<BOOL:${RWKV_NATIVE}>:-Wno-maybe-uninitialized>)
endif()
target_link_libraries(rwkv_compiled PRIVATE rwkv_flags)
