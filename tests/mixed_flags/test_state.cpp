// States made in one source file and used and destroyed in another that is compiled with other -m flags: CMakeLists.txt
// gives the two files theirs. A type whose layout or allocation depended on them would crash here.

#include <rwkv/model/state.hpp>

#include "../catch.hpp"

rwkv::State make_state_elsewhere(rwkv::Index size);
void destroy_state_elsewhere(rwkv::State state);

TEST_CASE("states cross source files of different flags") {
    for (const rwkv::Index size : {1, 7, 64, 768, 100'000}) {
        rwkv::State made = make_state_elsewhere(size);
        const rwkv::State copy = made.copy();
        CHECK(copy == made);
        CHECK(made.numerator()(size - 1, 1) == 3);
        made = make_state_elsewhere(size);
        destroy_state_elsewhere(std::move(made));
    }
}
