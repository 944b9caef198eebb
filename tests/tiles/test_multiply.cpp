// The tests of products once more, with AMX among the targets: its tiles are emulated (../kernels/emulated_tiles.hpp),
// so that its kernels are tested on any processor that has AVX-512 with VNNI. A program of its own, compiled
// header-only.

#include "../kernels/emulated_tiles.hpp"

#include "../kernels/test_multiply.cpp"

#include "../kernels/test_column_major.cpp"

TEST_CASE("AMX is among the tested targets where AVX-512 has VNNI") {
    std::string names;
    for (const Target* target : tested_targets()) names.append(" ").append(target->name);
    CAPTURE(names);
    const bool has_vnni = names.find("avx512_vnni") != std::string::npos;
    CHECK((names.find("amx") != std::string::npos) == has_vnni);
}
