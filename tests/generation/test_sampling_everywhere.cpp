// The same seed and logits give the same tokens on every platform: digests of thousands of draws under every option.
// Found with gcc; a compiler or processor that finds others is where a seed means something else.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "sampling_support.hpp"

using namespace rwkv;
using namespace rwkv::test;

namespace {

constexpr std::uint64_t fold(std::uint64_t digest, std::uint64_t value) {
    return ((digest ^ value) * 0x100000001B3U) ^ (digest >> 29U);
}

/// Small and large spreads, equals, impossible ones.
std::vector<std::vector<float>> varied_logits() {
    std::vector<std::vector<float>> result;
    for (std::uint64_t seed = 1; seed <= 3; ++seed)
        for (const float spread : {0.015625f, 1.0f, 4.0f, 16.0f, 64.0f})
            result.push_back(some_logits(300, seed, spread));
    std::vector<float> equals = some_logits(300, 4, 8.0f), holes = some_logits(300, 5, 2.0f);
    for (std::size_t i = 0; i < 300; ++i) {
        equals[i] = static_cast<float>(static_cast<int>(equals[i] * 2.0f)) * 0.5f;
        if (i % 3 != 1) holes[i] = -infinity;
    }
    result.insert(result.end(), {equals, holes, std::vector<float>(300, 0.7f), some_logits(300, 6, 0.25f)});
    return result;
}

/// Of 4,000 tokens drawn, and of the candidates now and then (in whatever order those are).
std::uint64_t digest_of(const SamplingOptions& options) {
    static const std::vector<std::vector<float>> logits = varied_logits();
    Sampler sampler(options);
    sampler.observe(std::vector<TokenId>{1, 2, 3, 4, 1, 2});
    std::uint64_t digest = 0;
    for (std::size_t step = 0; step < 4'000; ++step) {
        const std::vector<float>& now = logits[step % logits.size()];
        if (step % 41 == 0) {
            std::uint64_t sum = 0;
            for (const auto& [token, weight] : sampler.candidates(now))
                sum += fold(fold(7, static_cast<std::uint64_t>(token)), weight);
            digest = fold(digest, sum);
        }
        digest = fold(digest, static_cast<std::uint64_t>(sampler.sample(now)));
    }
    return digest;
}

struct Golden {
    std::string name;
    SamplingOptions options;
    std::uint64_t digest;
};

const std::vector<Golden>& goldens() {
    constexpr auto hugging_face = SamplingOrder::hugging_face;
    static const auto odd_only = [](std::span<const TokenId> tokens, std::span<float> logits) {
        for (std::size_t i = tokens.size() % 2; i < logits.size(); i += 2) logits[i] *= 0.75f;
    };
    static const std::vector<Golden> table{
        {"greedy", {}, 0x3bbf829522bbb0a3U},
        {"plain", {.temperature = 1.0f, .seed = 1}, 0x3f45779db879faf0U},
        {"cold", {.temperature = 0.3f, .seed = 2}, 0xe90dc2f188769433U},
        {"hot", {.temperature = 1.7f, .seed = 3}, 0x7401372fc9115dd1U},
        {"top-k", {.temperature = 1.2f, .top_k = 40, .seed = 4}, 0x1655fa6f99907b69U},
        {"top-p", {.temperature = 0.8f, .top_p = 0.85f, .seed = 5}, 0x6cd5070974289ebU},
        {"min-p", {.temperature = 1.1f, .min_p = 0.05f, .seed = 6}, 0xf4dadc42306dc3baU},
        {"typical", {.temperature = 0.9f, .typical_p = 0.7f, .seed = 7}, 0x3d40e9745950d2d7U},
        {"all cuts",
         {.temperature = 0.9f, .top_k = 100, .top_p = 0.95f, .min_p = 0.01f, .typical_p = 0.9f, .seed = 8},
         0xfc3fe72e642f2a02U},
        {"top-k, Hugging Face",
         {.temperature = 1.2f, .top_k = 40, .order = hugging_face, .seed = 9},
         0xe7872c5a7e8fe1aaU},
        {"top-p, Hugging Face",
         {.temperature = 0.8f, .top_p = 0.85f, .order = hugging_face, .seed = 10},
         0xe9faf889e428fe09U},
        {"min-p, Hugging Face",
         {.temperature = 1.6f, .min_p = 0.05f, .order = hugging_face, .seed = 11},
         0x2c9bea610118f48cU},
        {"typical, Hugging Face",
         {.temperature = 0.6f, .typical_p = 0.7f, .order = hugging_face, .seed = 12},
         0x60ed243865570b28U},
        {"all cuts, Hugging Face",
         {.temperature = 1.3f,
          .top_k = 100,
          .top_p = 0.95f,
          .min_p = 0.01f,
          .typical_p = 0.9f,
          .order = hugging_face,
          .seed = 13},
         0xd5f7f7a4782bb603U},
        {"mirostat", {.temperature = 1.0f, .mirostat_tau = 3.0f, .seed = 14}, 0x6c8121247a83eaU},
        {"mirostat, odd numbers",
         {.temperature = 0.7f, .top_p = 0.97f, .mirostat_tau = 4.3f, .mirostat_eta = 0.37f, .seed = 15},
         0x530c730d165f8781U},
        {"presence and frequency",
         {.temperature = 1.0f, .top_p = 0.85f, .presence_penalty = 0.2f, .frequency_penalty = 0.2f, .seed = 16},
         0xfe25fcd5f9e0d0c4U},
        {"decay",
         {.temperature = 0.9f, .presence_penalty = 0.37f, .frequency_penalty = 1.3f, .penalty_decay = 0.9f, .seed = 17},
         0x345ec026a2bad957U},
        {"greedy with penalties",
         {.presence_penalty = 0.3f, .frequency_penalty = 0.7f, .penalty_decay = 0.99f},
         0xbd25493e2917587aU},
        {"repetition", {.temperature = 1.0f, .repetition_penalty = 1.3f, .seed = 18}, 0xf490868315852ee4U},
        {"n-grams", {.temperature = 0.5f, .no_repeat_ngram_size = 3, .seed = 19}, 0xda690f48eec451c8U},
        {"bias and ban",
         {.temperature = 1.0f, .logit_bias = {{7, 1.1f}, {50, -0.3f}}, .suppress_tokens = {1, 13}, .seed = 20},
         0x70441ae5caece54bU},
        {"processor",
         {.temperature = 1.0f, .typical_p = 0.9f, .logits_processor = odd_only, .seed = 21},
         0x696d7dc81774a4a8U},
    };
    return table;
}

}  // namespace

TEST_CASE("a seed gives the same tokens everywhere", "[sampler]") {
    const std::vector<float> logits = some_logits(50'277, 9);
    const auto options = [](float temperature, int top_k, float top_p) {
        return SamplingOptions{.temperature = temperature, .top_k = top_k, .top_p = top_p, .seed = 42};
    };
    CHECK(draw(options(1.0f, 0, 1.0f), logits, 6) == std::vector<TokenId>{21711, 46207, 38902, 8865, 40039, 13530});
    CHECK(draw(options(0.8f, 0, 0.9f), logits, 6) == std::vector<TokenId>{28154, 11181, 18726, 48805, 6410, 35500});
    CHECK(draw(options(1.2f, 40, 1.0f), logits, 6) == std::vector<TokenId>{29915, 13518, 12468, 32111, 22179, 79});
}

TEST_CASE("every sampling option draws the same everywhere", "[sampler]") {
    for (const auto& [name, options, digest] : goldens()) {
        INFO(name);
        CHECK(digest_of(options) == digest);
    }
}
