#include <algorithm>
#include <vector>

#include <rwkv/core/aligned_buffer.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/kernels/matmul_context.hpp>
#include <rwkv/kernels/thread_pool.hpp>

#include "../catch.hpp"

using namespace rwkv;
using namespace rwkv::kernels;

TEST_CASE("tokens are split into blocks of whole panels, none of them small or large") {
    for (const Index best : {64, 128})
        for (const Index most : {1, 2, 3, 16, 1 << 16})
            for (Index tokens = 1; tokens < 5000; ++tokens) {
                const TokenBlocks blocks = split_tokens(tokens, most, best);
                bool sound = blocks.count >= 1 && blocks.count <= most && blocks.begin(0) == 0;
                sound = sound && blocks.begin(blocks.count) == tokens && (blocks.count == 1 || tokens >= 3 * best / 2);
                sound = sound && blocks.max_size() <= tokens;  // few tokens are one task, and wake nobody
                for (Index block = 0; block < blocks.count; ++block) {
                    const Index size = blocks.begin(block + 1) - blocks.begin(block);
                    sound = sound && blocks.begin(block) % Blocking::panel_tokens == 0 && size <= blocks.max_size();
                    sound = sound && (blocks.count == 1 || size >= best / 2);
                    sound = sound && (most < 1 << 16 || size < 3 * best / 2);
                }
                if (!sound) FAIL(tokens << " tokens in at most " << most << " blocks of about " << best);
            }
}

TEST_CASE("a target can be chosen by its name, if it is available") {
    choose_target(&target_named("portable"));
    CHECK(chosen_target().name == "portable");
    choose_target(nullptr);
    CHECK(&chosen_target() == &best_target());
    try {
        static_cast<void>(target_named("avx1024"));
        FAIL("accepted");
    } catch (const ArgumentError& error) {
        CHECK(error.subject() == "RWKV_TARGET");
        CHECK(error.found() == "avx1024");
    }
}

TEST_CASE("buffers are aligned, and refused where there is no memory") {
    for (const std::size_t bytes : {std::size_t(0), std::size_t(1), std::size_t(100), std::size_t(5) << 20}) {
        core::AlignedBuffer buffer(bytes);
        CHECK(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64 == 0);
        CHECK(buffer.size() == bytes);
        std::fill_n(buffer.data(), bytes, std::byte(1));
    }
    CHECK_THROWS_AS(core::AlignedBuffer(static_cast<std::size_t>(-1)), std::bad_alloc);
}
