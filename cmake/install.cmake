include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_DATADIR}/cmake/rwkv")

install(TARGETS rwkv EXPORT rwkv-targets INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(
    DIRECTORY "${PROJECT_SOURCE_DIR}/include/rwkv"
    DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
    FILES_MATCHING PATTERN "*.hpp" PATTERN "*.inl" PATTERN "*.cpp")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DATADIR}/licenses/rwkv")
install(EXPORT rwkv-targets NAMESPACE rwkv:: DESTINATION "${package_dir}")

configure_package_config_file(
    "${CMAKE_CURRENT_LIST_DIR}/rwkv-config.cmake.in" "${PROJECT_BINARY_DIR}/rwkv-config.cmake"
    INSTALL_DESTINATION "${package_dir}" PATH_VARS CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(
    "${PROJECT_BINARY_DIR}/rwkv-config-version.cmake"
    COMPATIBILITY SameMinorVersion
    ARCH_INDEPENDENT)
install(FILES "${PROJECT_BINARY_DIR}/rwkv-config.cmake" "${PROJECT_BINARY_DIR}/rwkv-config-version.cmake"
        DESTINATION "${package_dir}")
install(FILES "${CMAKE_CURRENT_LIST_DIR}/compiled.cmake" DESTINATION "${package_dir}" RENAME rwkv-compiled.cmake)

# For pkg-config. It finds the headers from where it lies itself, so the whole may be moved.
set(from "${CMAKE_INSTALL_FULL_DATADIR}/pkgconfig")
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY "${from}" OUTPUT_VARIABLE to_prefix)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_INCLUDEDIR BASE_DIRECTORY "${from}" OUTPUT_VARIABLE to_include)
configure_file("${CMAKE_CURRENT_LIST_DIR}/rwkv.pc.in" "${PROJECT_BINARY_DIR}/rwkv.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/rwkv.pc" DESTINATION "${CMAKE_INSTALL_DATADIR}/pkgconfig")

# The library in one file, made by each install so that it is never older than the headers.
set(single_header "${PROJECT_BINARY_DIR}/single_include/rwkv.hpp")
install(
    CODE "execute_process(
              COMMAND \"${CMAKE_COMMAND}\" -D \"INCLUDE=${PROJECT_SOURCE_DIR}/include\"
                      -D \"LICENSE=${PROJECT_SOURCE_DIR}/LICENSE\" -D \"VERSION=${PROJECT_VERSION}\"
                      -D \"OUT=${single_header}\" -P \"${CMAKE_CURRENT_LIST_DIR}/single-header.cmake\"
              COMMAND_ERROR_IS_FATAL ANY)")
install(FILES "${single_header}" DESTINATION "${CMAKE_INSTALL_DATADIR}/rwkv/single_include")

if(PROJECT_IS_TOP_LEVEL)
    # Nothing of this is built, so installing and packing need not build the rest.
    set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)
    set(CMAKE_SKIP_PACKAGE_ALL_DEPENDENCY ON)
    include("${CMAKE_CURRENT_LIST_DIR}/package.cmake")
endif()
