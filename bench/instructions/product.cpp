// Multiplies a matrix with a number of tokens, several times: what is counted by ../instructions.sh.
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <vector>

#include <rwkv/core/aligned_buffer.hpp>
#include <rwkv/kernels/matmul.hpp>
#include <rwkv/kernels/thread_pool.hpp>

int main(int argc, char** argv) try {
    using namespace rwkv;
    using namespace rwkv::kernels;
    if (argc != 4) return std::fprintf(stderr, "product FORMAT TOKENS TIMES\n"), 2;
    constexpr Index rows = 768, cols = 768;
    const WeightFormat format = weight_format_of(argv[1]).value();
    const Index tokens = std::atoi(argv[2]);
    // The number of instructions does not depend on the elements: they stay zeros.
    core::AlignedBuffer memory(weight_bytes(format, Layout::row_groups, rows, cols));
    const WeightMatrix weights(format, Layout::row_groups, rows, cols, std::move(memory).share());
    const std::vector<float> x(static_cast<std::size_t>(cols * tokens), 1.0f);
    std::vector<float> y(static_cast<std::size_t>(rows * tokens));
    MatmulContext context(std::make_shared<ThreadPool>(1), tokens, cols);
    for (int i = 0; i < std::atoi(argv[3]); ++i)
        matmul(context, {{weights, {x.data(), cols, tokens, cols}, {y.data(), rows, tokens, rows}}});
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
