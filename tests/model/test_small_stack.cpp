// What threads of an application bring along: small stacks, floating-point traps.

#include <cfenv>
#include <cstddef>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include <pthread.h>

#include <rwkv/convert_model.hpp>
#include <rwkv/generation/generator.hpp>
#include <rwkv/load_model.hpp>
#include <rwkv/load_tokenizer.hpp>
#include <rwkv/state_file.hpp>

#include "../catch.hpp"
#include "support.hpp"

using namespace rwkv;
using namespace rwkv::test;

namespace {

/// Options with which tokens are drawn in every way, while a token is forbidden and others are as good as that.
std::vector<SamplingOptions> every_filter() {
    const SamplingOptions forbidding{.temperature = 0.7f,
                                     .presence_penalty = 0.5f,
                                     .repetition_penalty = 1.5f,
                                     .logit_bias = {{4, 1e38f}, {5, -1e38f}},
                                     .suppress_tokens = {3}};
    std::vector<SamplingOptions> all(8, forbidding);
    all[1].top_k = 5;
    all[2].top_p = 0.5f;
    all[3].min_p = 0.1f;
    all[4].typical_p = 0.5f;
    all[5].mirostat_tau = 3.0f;
    all[6].temperature = 1e-45f;
    all[6].top_p = 0.5f;
    all[7].temperature = 3e38f;
    all[7].order = SamplingOrder::hugging_face;
    all[7].top_p = 0.5f;
    return all;
}

/// All that an application does, on whatever thread.
void do_everything(const std::string& directory) {
    for (const WeightFormat format : {WeightFormat::f32, WeightFormat::bf16, WeightFormat::q8, WeightFormat::q4}) {
        const Model model = load_model(fixture("text"), {.format = format, .threads = 2});
        Generator generator(model, load_tokenizer(fixture("text")), {.threads = 2});
        std::string prompt;
        for (int i = 0; i < 20; ++i) prompt += "Once upon a time there was ";
        const GenerationOptions options{.max_new_tokens = 5,
                                        .sampling = {.temperature = 1.0f, .top_k = 40, .top_p = 0.9f, .seed = 1}};
        if (generator.generate(prompt, options).tokens.empty()) throw std::runtime_error("no text");
        for (const SamplingOptions& sampling : every_filter()) {
            GenerationOptions filtered{.max_new_tokens = 5, .sampling = sampling};
            filtered.speculation.max_draft_tokens = 4;
            generator.generate("Once", filtered);
        }
        save_conversation(generator.conversation(), directory + "/conversation.safetensors");
        generator.resume(load_conversation(directory + "/conversation.safetensors", model.config()));
        try {
            static_cast<void>(load_model(directory + "/none"));
        } catch (const FileError&) {
        }
    }
}

}  // namespace

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

TEST_CASE("everything works on a thread with a stack of 64 KiB") {
    CHECK(sizeof(Generator) <= 8192);  // since it is often a local variable
    const TempDir directory;
    std::string failure = "not run";
    std::function<void()> work = [&] {
        try {
            do_everything(directory.path().string());
            failure.clear();
        } catch (const std::exception& error) {
            failure = error.what();
        }
    };
    pthread_attr_t attributes;
    REQUIRE(::pthread_attr_init(&attributes) == 0);
    REQUIRE(::pthread_attr_setstacksize(&attributes, std::size_t(64) << 10U) == 0);
    pthread_t thread{};
    const auto run = [](void* function) -> void* {
        (*static_cast<std::function<void()>*>(function))();
        return nullptr;
    };
    REQUIRE(::pthread_create(&thread, &attributes, run, &work) == 0);
    ::pthread_join(thread, nullptr);
    ::pthread_attr_destroy(&attributes);
    CHECK(failure.empty());
}

#endif

#if defined(__GLIBC__)

TEST_CASE("no floating-point operation traps") {
    const TempDir directory;
    ::feenableexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW);
    do_everything(directory.path().string());
    ::fedisableexcept(FE_ALL_EXCEPT);
    std::feclearexcept(FE_ALL_EXCEPT);
}

#endif
