// The tests of products once more, with AMX and AVX-VNNI among the targets: their instructions are emulated
// (../kernels/emulated_tiles.hpp, emulated_avx_vnni.hpp), so that the kernels are tested on any processor that has
// AVX-512 with VNNI, or AVX2. A program of its own, compiled header-only.

#include <algorithm>
#include <iostream>

#include "../kernels/emulated_avx_vnni.hpp"
#include "../kernels/emulated_tiles.hpp"

#include "../kernels/test_multiply.cpp"

#include "../kernels/test_column_major.cpp"

TEST_CASE("instruction sets that are emulated are among the tested targets") {
    std::string names = " ";
    for (const Target* target : tested_targets()) names.append(target->name).append(" ");
    std::cout << "targets, amx and avx_vnni emulated:" << names << std::endl;
    CAPTURE(names);
    const auto has = [&](const char* name) { return names.find(name) != std::string::npos; };
    CHECK(has(" amx ") == has(" avx512_vnni "));
    CHECK(has(" avx_vnni ") == has(" avx2 "));
}
