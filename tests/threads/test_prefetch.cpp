#include <random>

#include <rwkv/kernels/matmul.hpp>
#include <rwkv/kernels/thread_pool.hpp>

#include "../catch.hpp"
#include "../kernels/support.hpp"

using namespace rwkv;
using namespace rwkv::kernels;
using namespace rwkv::test;

TEST_CASE("threads prefetch within their matrices, each where the one before has ended or later") {
    std::mt19937 random(2);
    const auto check = [&]<class Format>(Layout layout, Format) {
        for (const Index rows : {1, 16, 100, 1000}) {
            const WeightMatrix a = random_matrix<Format>(rows, 401, random, layout),
                               b = random_matrix<Format>(3 * rows, 33, random, layout);
            for (const int threads : {2, 3, 64}) {
                const PrefetchPlan plan = plan_prefetch(threads, {&a, &b, &a});
                CAPTURE(rows, threads, static_cast<int>(Format::format));
                CHECK(plan.range(threads - 1).bytes > 0);
                std::size_t matrix = 0;
                const char* read = plan.matrices[0].data;
                for (int thread = 0; thread < threads; ++thread) {
                    const PrefetchPlan::Range range = plan.range(thread);
                    if (range.bytes == 0) continue;
                    const auto* of = &plan.matrices[matrix];
                    while (range.begin < read || range.begin >= of->data + of->bytes) {
                        REQUIRE(++matrix < 3);
                        read = (of = &plan.matrices[matrix])->data;
                    }
                    CHECK((range.begin - of->data) % of->task_bytes == 0);
                    CHECK(range.bytes <= of->data + of->bytes - range.begin);
                    read = range.begin + range.bytes;
                }
            }
        }
    };
    check(Layout::row_groups, F32{});
    check(Layout::row_major, F16{});
    check(Layout::row_groups, Q8{});
    check(Layout::row_groups, Q4{});
}

TEST_CASE("prefetching changes no product") {
    std::mt19937 random(4);
    const WeightMatrix a = random_matrix<F32>(200, 401, random), b = random_matrix<F32>(100, 401, random);
    const Columns<float> x = Columns<float>::Random(401, 1);
    Columns<float> one(200, 1), other(100, 1), a_x(200, 1), b_x(100, 1);
    MatmulContext alone(std::make_shared<ThreadPool>(1), 1, 802), context(std::make_shared<ThreadPool>(3), 1, 802);
    matmul(alone, {{a, view(x), view(a_x)}, {b, view(x), view(b_x)}});
    for (int round = 0; round < 200; ++round) {
        prefetch_next(context, {&a, &b});
        matmul(context, {{a, view(x), view(one)}, {b, view(x), view(other)}});
        CHECK(((one == a_x).all() && (other == b_x).all()));
        prefetch_next(context, {&b});  // and other products follow
        prefetch_next(context, {&a});
        matmul(context, {{a, view(x), view(one)}});
        CHECK((one == a_x).all());
    }
}
