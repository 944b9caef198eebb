# What a source tree and an installed package have in common: RWKV_TARGETS, and the target rwkv::compiled.

# rwkv_limit_targets(TARGET): where RWKV_TARGETS names instruction sets, TARGET's users compile the kernels of these
# alone. The preprocessor has them as a sum of bits. `portable`, which is always there, may stand alone.
function(rwkv_limit_targets target)
    if(NOT DEFINED RWKV_TARGETS OR RWKV_TARGETS STREQUAL "")
        return()
    endif()
    set(known portable avx2 avx512 avx512_vnni amx neon avx_vnni neon_dotprod neon_i8mm)
    set(bits 0 1 2 4 8 16 32 64 128)
    set(sum 0)
    foreach(name IN LISTS RWKV_TARGETS)
        list(FIND known "${name}" place)
        if(place EQUAL -1)
            list(JOIN known ", " known)
            message(FATAL_ERROR "RWKV_TARGETS: expected names among ${known}, found '${name}'")
        endif()
        list(GET bits ${place} bit)
        math(EXPR sum "${sum} | ${bit}")
    endforeach()
    set_property(TARGET ${target} APPEND PROPERTY INTERFACE_COMPILE_DEFINITIONS RWKV_TARGETS=${sum})
endfunction()

# rwkv_add_compiled(INCLUDE_DIR): makes rwkv::compiled of the four source files there. It is a library of the host
# project's, with the host project's flags, built when something links it.
function(rwkv_add_compiled include_dir)
    add_library(
        rwkv_compiled STATIC EXCLUDE_FROM_ALL
        "${include_dir}/rwkv/compiled/model.cpp" "${include_dir}/rwkv/compiled/files.cpp"
        "${include_dir}/rwkv/compiled/text.cpp" "${include_dir}/rwkv/compiled/constraint.cpp")
    add_library(rwkv::compiled ALIAS rwkv_compiled)
    target_link_libraries(rwkv_compiled PUBLIC rwkv::rwkv)
    target_compile_definitions(rwkv_compiled PUBLIC RWKV_COMPILED)
    # For shared libraries, too.
    set_target_properties(rwkv_compiled PROPERTIES POSITION_INDEPENDENT_CODE ON)
endfunction()
