# Target docs: pages of what an application sees, by Doxygen. What the library is made of (io/, loading/, the kernels)
# is to be read in its own files.
find_program(RWKV_DOXYGEN doxygen)
mark_as_advanced(RWKV_DOXYGEN)
if(NOT RWKV_DOXYGEN)
    return()
endif()

set(include "${PROJECT_SOURCE_DIR}/include/rwkv")
file(GLOB docs_input CONFIGURE_DEPENDS "${include}/*.hpp" "${include}/generation/*.hpp" "${include}/model/*.hpp")
list(REMOVE_ITEM docs_input "${include}/compiled.hpp" "${include}/inline.hpp")
list(APPEND docs_input "${include}/kernels/activations.hpp" "${include}/kernels/format.hpp"
     "${include}/kernels/weight_matrix.hpp" "${include}/loading/options.hpp" "${include}/text/stop_strings.hpp"
     "${include}/text/streaming_decoder.hpp" "${include}/text/tokenizer.hpp" "${include}/text/utf8.hpp")
list(JOIN docs_input "\" \"" docs_input)
set(docs_input "\"${docs_input}\"")
configure_file("${CMAKE_CURRENT_LIST_DIR}/Doxyfile.in" "${PROJECT_BINARY_DIR}/Doxyfile" @ONLY)
add_custom_target(
    docs
    COMMAND "${RWKV_DOXYGEN}" "${PROJECT_BINARY_DIR}/Doxyfile"
    COMMENT "Pages in ${PROJECT_BINARY_DIR}/docs/html"
    VERBATIM)
