// The list of filters, and what a new one needs.

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include <rwkv/generation/filters.hpp>

#include "sampling_support.hpp"

using namespace rwkv;
using namespace rwkv::test;
using namespace rwkv::generation;

namespace {

std::vector<std::string_view> names(const SamplingOptions& options) {
    std::vector<std::string_view> result;
    const FilterChain chain(options);
    for (const auto& filter : chain.filters()) result.push_back(filter->name());
    return result;
}

/// Epsilon sampling (Hewitt et al. 2022): keeps the tokens whose probability is at least epsilon.
class Epsilon final : public Filter {
  public:
    explicit Epsilon(float epsilon) : epsilon_(epsilon) {}
    std::string_view name() const noexcept override { return "epsilon"; }
    void apply(Candidates& candidates) const override {
        const std::uint64_t min_weight = Candidates::share(epsilon_, candidates.total_weight());
        const std::span<const std::uint64_t> weights = candidates.weights();
        candidates.keep_if([&](std::size_t i) { return weights[i] >= min_weight; });
    }

  private:
    float epsilon_;
};

}  // namespace

TEST_CASE("the order of the list is the order of the filters", "[sampler]") {
    using List = std::vector<std::string_view>;
    SamplingOptions options{.temperature = 1.0f, .top_k = 3, .top_p = 0.5f, .min_p = 0.1f, .typical_p = 0.5f};
    CHECK(names(options) == List{"top_p", "top_k", "min_p", "typical_p"});
    options.order = SamplingOrder::hugging_face;
    CHECK(names(options) == List{"top_k", "top_p", "min_p", "typical_p"});
    CHECK(names({.temperature = 1.0f}).empty());
    CHECK(names({.temperature = 1.0f, .min_p = 0.5f}) == List{"min_p"});
}

TEST_CASE("a filter of one small class works on candidates", "[sampler]") {
    const std::vector<float> logits = some_logits(500, 2, 4.0f);
    Candidates candidates;
    candidates.reset(logits, 1.0f);
    candidates.collect();
    Epsilon(0.01f).apply(candidates);
    const auto p = probabilities({.temperature = 1.0f}, logits);
    std::size_t expected = 0;
    for (const double x : p) expected += x >= 0.01;
    CHECK(expected > 5);
    CHECK(candidates.size() == expected);
    for (const TokenId token : candidates.tokens()) CHECK(p[static_cast<std::size_t>(token)] >= 0.01);
}

TEST_CASE("narrowing leaves out only what the filters remove", "[sampler]") {
    for (const float spread : {1.0f, 8.0f, 32.0f})
        for (const SamplingOrder order : {SamplingOrder::rwkv, SamplingOrder::hugging_face})
            for (const int top_k : {0, 5, 200})
                for (const float top_p : {0.3f, 0.95f, 1.0f})
                    for (const float min_p : {0.0f, 0.02f})
                        for (const float typical_p : {0.8f, 1.0f}) {
                            const SamplingOptions options{.temperature = 1.0f,
                                                          .top_k = top_k,
                                                          .top_p = top_p,
                                                          .min_p = min_p,
                                                          .typical_p = typical_p,
                                                          .order = order};
                            const std::vector<float> logits = some_logits(400, 7, spread);
                            const FilterChain chain(options);
                            Candidates narrowed, all;
                            chain.apply(logits, narrowed);
                            all.reset(logits, 1.0f);
                            all.collect();
                            for (const auto& filter : chain.filters()) filter->apply(all);
                            std::vector<std::uint64_t> a(400), b(400);
                            for (std::size_t i = 0; i < narrowed.size(); ++i)
                                a[static_cast<std::size_t>(narrowed.tokens()[i])] = narrowed.weights()[i];
                            for (std::size_t i = 0; i < all.size(); ++i)
                                b[static_cast<std::size_t>(all.tokens()[i])] = all.weights()[i];
                            CHECK(a == b);
                        }
}
