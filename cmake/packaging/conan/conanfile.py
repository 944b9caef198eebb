"""A Conan 2 recipe that packs the checkout it lies in: conan create cmake/packaging/conan"""

import os
import re

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load


class RwkvHppConan(ConanFile):
    name = "rwkv-hpp"
    license = "MIT"
    description = "A header-only C++20 library that runs RWKV-4 language models on CPUs"
    topics = ("language-model", "rwkv", "inference", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"

    @property
    def _root(self):
        return os.path.join(self.recipe_folder, "..", "..", "..")

    def set_version(self):
        text = load(self, os.path.join(self._root, "include", "rwkv", "version.hpp"))
        numbers = [re.search(rf"#define RWKV_VERSION_{part} (\d+)", text)[1] for part in ("MAJOR", "MINOR", "PATCH")]
        self.version = ".".join(numbers)

    def export_sources(self):
        for pattern in ("CMakeLists.txt", "LICENSE", "README.md", "include/*", "cmake/*"):
            copy(self, pattern, src=self._root, dst=self.export_sources_folder, excludes="cmake/packaging/*")

    def layout(self):
        cmake_layout(self)

    def requirements(self):
        self.requires("eigen/[>=3.4.0 <6]", transitive_headers=True)
        self.requires("nlohmann_json/[>=3.9.1 <4]", transitive_headers=True)

    def validate(self):
        check_min_cppstd(self, 20)
        if self.settings.get_safe("compiler") == "msvc":
            raise ConanInvalidConfiguration("rwkv.hpp is not compiled by Microsoft's compiler: use gcc or clang")

    def package_id(self):
        self.info.clear()

    def generate(self):
        CMakeDeps(self).generate()
        toolchain = CMakeToolchain(self)
        for part in ("TESTS", "EXAMPLES", "BENCHMARKS"):
            toolchain.cache_variables[f"RWKV_BUILD_{part}"] = False
        toolchain.cache_variables["RWKV_INSTALL"] = True
        toolchain.generate()

    def package(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.install()

    def package_info(self):
        # Its own rwkv-config.cmake is the one to be found: it also has the target rwkv::compiled.
        self.cpp_info.set_property("cmake_find_mode", "none")
        self.cpp_info.builddirs = [os.path.join("share", "cmake", "rwkv")]
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
