#include <random>

#include <rwkv/kernels/matmul.hpp>

#include "../catch.hpp"
#include "../kernels/support.hpp"

using namespace rwkv;
using namespace rwkv::kernels;
using namespace rwkv::test;

TEST_CASE("threads begin to read within their matrices, each where the one before has ended or later") {
    std::mt19937 random(2);
    const auto check = [&]<class Format>(Layout layout, Format) {
        for (const Index rows : {1, 16, 100, 1000}) {
            const WeightMatrix<Mixed> a = random_matrix<Format>(rows, 401, random, layout),
                                      b = random_matrix<Format>(3 * rows, 33, random, layout);
            for (const int threads : {2, 3, 64}) {
                const Beginnings all = beginnings<Mixed>(threads, {&a, &b, &a});
                CAPTURE(rows, threads, static_cast<int>(Format::format));
                CHECK(all.of(threads - 1).bytes > 0);
                std::size_t matrix = 0;
                const char* read = all.matrices[0].data;
                for (int thread = 0; thread < threads; ++thread) {
                    const Beginnings::Run run = all.of(thread);
                    if (run.bytes == 0) continue;
                    const auto* of = &all.matrices[matrix];
                    while (run.begin < read || run.begin >= of->data + of->bytes) {
                        REQUIRE(++matrix < 3);
                        read = (of = &all.matrices[matrix])->data;
                    }
                    CHECK((run.begin - of->data) % of->turn_bytes == 0);
                    CHECK(run.bytes <= of->data + of->bytes - run.begin);
                    read = run.begin + run.bytes;
                }
            }
        }
    };
    check(Layout::by_group, F32{});
    check(Layout::by_row, F16{});
    check(Layout::by_group, Q8{});
    check(Layout::by_group, Q4{});
}

TEST_CASE("products that are expected are those that are not") {
    std::mt19937 random(4);
    const WeightMatrix<Mixed> a = random_matrix<F32>(200, 401, random), b = random_matrix<F32>(100, 401, random);
    const Activations<float> x = Activations<float>::Random(401, 1);
    Activations<float> one(200, 1), other(100, 1), a_x(200, 1), b_x(100, 1);
    Engine alone(1, 1, 802), engine(3, 1, 802);
    multiply<Mixed, float>(alone, {{a, x, a_x}, {b, x, b_x}});
    for (int round = 0; round < 200; ++round) {
        expect<Mixed>(engine, {&a, &b});
        multiply<Mixed, float>(engine, {{a, x, one}, {b, x, other}});
        CHECK(((one == a_x).all() && (other == b_x).all()));
        expect<Mixed>(engine, {&b});  // and something else comes
        expect<Mixed>(engine, {&a});
        multiply<Mixed, float>(engine, {{a, x, one}});
        CHECK((one == a_x).all());
    }
}
