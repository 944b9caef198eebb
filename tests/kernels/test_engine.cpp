#include <algorithm>
#include <cstdlib>
#include <vector>

#include <rwkv/core/aligned_buffer.hpp>
#include <rwkv/kernels/matmul_context.hpp>

#include "../catch.hpp"

using namespace rwkv;
using namespace rwkv::kernels;

namespace {

/// Sets the environment variable RWKV_ISA.
void set_isa(const char* value) {
#if defined(_WIN32)
    ::_putenv_s("RWKV_ISA", value);
#else
    ::setenv("RWKV_ISA", value, 1);
#endif
}

}  // namespace

TEST_CASE("tokens are cut into parts of whole panels, none of them small or large") {
    for (const Index best : {64, 128})
        for (const Index most : {1, 2, 3, 16, 1 << 16})
            for (Index tokens = 1; tokens < 5000; ++tokens) {
                const Parts parts = parts_of(tokens, most, best);
                bool sound = parts.count >= 1 && parts.count <= most && parts.begin(0) == 0;
                sound = sound && parts.begin(parts.count) == tokens && (parts.count == 1 || tokens >= 3 * best / 2);
                sound = sound && parts.longest() <= tokens;  // few tokens are one turn, and wake nobody
                for (Index part = 0; part < parts.count; ++part) {
                    const Index size = parts.begin(part + 1) - parts.begin(part);
                    sound = sound && parts.begin(part) % panel == 0 && size <= parts.longest();
                    sound = sound && (parts.count == 1 || size >= best / 2);
                    sound = sound && (most < 1 << 16 || size < 3 * best / 2);
                }
                if (!sound) FAIL(tokens << " tokens in at most " << most << " parts of about " << best);
            }
}

TEST_CASE("an instruction set can be forced, and only one that is there") {
    set_isa("");
    CHECK(chosen_isa() == best_isa());
    set_isa("portable");
    CHECK(chosen_isa() == Isa::portable);
    set_isa("avx1024");
    try {
        Engine engine(1, 1, 1);
        FAIL("accepted");
    } catch (const ArgumentError& error) {
        CHECK(error.subject() == "RWKV_ISA");
        CHECK(error.found() == "avx1024");
    }
    set_isa("");
}

TEST_CASE("memory for weights is aligned, and refused where there is none") {
    for (const std::size_t bytes : {std::size_t(0), std::size_t(1), std::size_t(100), std::size_t(5) << 20}) {
        const auto memory = allocate_weights(bytes);
        CHECK(reinterpret_cast<std::uintptr_t>(memory.get()) % 64 == 0);
        std::fill_n(memory.get(), bytes, std::byte(1));
    }
    CHECK_THROWS_AS(allocate_weights(static_cast<std::size_t>(-1)), std::bad_alloc);
}
