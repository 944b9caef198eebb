# Target docs: pages of what an application sees, by Doxygen. What the library is made of (io/, checkpoint/, the kernels)
# is to be read in its own files.
find_program(RWKV_DOXYGEN doxygen)
mark_as_advanced(RWKV_DOXYGEN)
if(NOT RWKV_DOXYGEN)
    return()
endif()

set(include "${PROJECT_SOURCE_DIR}/include/rwkv")
file(GLOB docs_input CONFIGURE_DEPENDS "${include}/*.hpp" "${include}/generation/*.hpp" "${include}/model/*.hpp")
foreach(header IN ITEMS checkpoint/load_options core/config core/error core/progress core/tensor kernels/executor
                        kernels/format text/prompt_format text/stop_strings text/streaming_decoder text/tokenizer
                        text/utf8)
    list(APPEND docs_input "${include}/${header}.hpp")
endforeach()
list(JOIN docs_input "\" \"" docs_input)
set(docs_input "\"${docs_input}\"")
configure_file("${CMAKE_CURRENT_LIST_DIR}/Doxyfile.in" "${PROJECT_BINARY_DIR}/Doxyfile" @ONLY)
add_custom_target(
    docs
    COMMAND "${RWKV_DOXYGEN}" "${PROJECT_BINARY_DIR}/Doxyfile"
    COMMENT "Pages in ${PROJECT_BINARY_DIR}/docs/html"
    VERBATIM)
