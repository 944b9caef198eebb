# The program serve. (No directory of CMake's own: it would be where the program is to lie.) The page and the description
# of the interface are part of the program.
set(embedded "${CMAKE_CURRENT_BINARY_DIR}/serve_embedded.cpp")
set(page "${CMAKE_CURRENT_SOURCE_DIR}/serve/page.html")
set(openapi "${CMAKE_CURRENT_SOURCE_DIR}/serve/openapi.json")
set(embed "${CMAKE_CURRENT_SOURCE_DIR}/serve/embed.cmake")
add_custom_command(
    OUTPUT "${embedded}"
    COMMAND "${CMAKE_COMMAND}" -D "OUTPUT=${embedded}" -D "FILES=page_html=${page};openapi_json=${openapi}" -P "${embed}"
    DEPENDS "${page}" "${openapi}" "${embed}"
    VERBATIM)

add_executable(serve serve/serve.cpp "${embedded}")
target_link_libraries(serve PRIVATE rwkv::compiled rwkv_flags CLI11::CLI11 httplib::httplib Threads::Threads)
target_compile_definitions(serve PRIVATE "RWKV_DEMO_MODEL=\"${CMAKE_CURRENT_SOURCE_DIR}/fairy-tales\"")
