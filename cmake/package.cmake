# `cpack` makes a package of headers for Debian and Ubuntu: librwkv-dev_VERSION_all.deb.

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "rwkv.hpp authors")
set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_NAME librwkv-dev)
set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libeigen3-dev (>= 3.4), nlohmann-json3-dev (>= 3.9)")
# Where Debian looks for the licence; an install of another kind has it in share/licenses.
configure_file("${PROJECT_SOURCE_DIR}/LICENSE" "${PROJECT_BINARY_DIR}/debian/copyright" COPYONLY)
set(CPACK_INSTALLED_DIRECTORIES "${PROJECT_BINARY_DIR}/debian" usr/share/doc/librwkv-dev)
include(CPack)
