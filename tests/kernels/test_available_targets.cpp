#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include <rwkv/kernels/target.hpp>

#include "../catch.hpp"

using namespace rwkv;

// The tests hold every instruction set that the processor has against the portable kernels; those it lacks are not
// tested, and nothing fails. So the names are printed, and RWKV_EXPECT_TARGETS, names between spaces, commas or
// semicolons, says which must be there.
TEST_CASE("the instruction sets that this run tests are those expected", "[available]") {
    std::vector<std::string> available;
    for (const kernels::Target* target : kernels::available_targets()) available.emplace_back(target->name);
    std::cout << "available targets:";
    for (const std::string& name : available) std::cout << ' ' << name;
    std::cout << std::endl;

    const char* const variable = std::getenv("RWKV_EXPECT_TARGETS");
    std::string expected = variable ? variable : "";
    std::ranges::replace_if(
        expected, [](char c) { return c == ',' || c == ';'; }, ' ');
    std::istringstream names(expected);
    for (std::string name; names >> name;) {
        INFO("RWKV_EXPECT_TARGETS names " << name);
        CHECK(std::ranges::find(available, name) != available.end());
    }
}
