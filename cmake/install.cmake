include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_DATADIR}/cmake/rwkv")

install(TARGETS rwkv EXPORT rwkv-targets)
install(
    DIRECTORY "${PROJECT_SOURCE_DIR}/include/rwkv"
    DESTINATION include
    FILES_MATCHING PATTERN "*.hpp" PATTERN "*.inl")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DATADIR}/licenses/rwkv")
install(EXPORT rwkv-targets NAMESPACE rwkv:: DESTINATION "${package_dir}")

configure_package_config_file(
    "${CMAKE_CURRENT_LIST_DIR}/rwkv-config.cmake.in" "${PROJECT_BINARY_DIR}/rwkv-config.cmake"
    INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file(
    "${PROJECT_BINARY_DIR}/rwkv-config-version.cmake"
    COMPATIBILITY SameMinorVersion
    ARCH_INDEPENDENT)
install(FILES "${PROJECT_BINARY_DIR}/rwkv-config.cmake" "${PROJECT_BINARY_DIR}/rwkv-config-version.cmake"
        DESTINATION "${package_dir}")
