# Writes files as a C++ source file: cmake -D OUTPUT=FILE -D "FILES=NAME=PATH;…" -P embed.cmake. The contents of each are
# a std::string_view of that name in the namespace serve.

set(text "#include <string_view>\n\nnamespace serve {\n")
foreach(pair IN LISTS FILES)
    string(REGEX MATCH "^([^=]+)=(.+)$" matched "${pair}")
    set(name "${CMAKE_MATCH_1}")
    file(READ "${CMAKE_MATCH_2}" digits HEX)
    string(LENGTH "${digits}" length)
    math(EXPR size "${length} / 2")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," numbers "${digits}")
    string(REGEX REPLACE "(0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],)" "\\1\n" numbers "${numbers}")
    string(APPEND text "\nstatic const unsigned char ${name}_bytes[] = {\n${numbers}0};\n"
                       "extern const std::string_view ${name};\n"
                       "const std::string_view ${name}(reinterpret_cast<const char*>(${name}_bytes), ${size});\n")
endforeach()
file(WRITE "${OUTPUT}" "${text}\n}  // namespace serve\n")
