// Infinities and NaN, where the compiler takes for granted that there are none.
#include <rwkv/generation/sampler.hpp>

#include <cstdlib>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

namespace {

int failures = 0;

void refused(const char* what, const std::function<void()>& call) {
    try {
        call();
    } catch (const rwkv::ArgumentError&) {
        return;
    }
    std::cout << "taken: " << what << '\n';
    ++failures;
}

}  // namespace

int main() {
    const float nan = std::strtof("nan", nullptr), infinity = std::strtof("inf", nullptr), values[] = {nan, infinity};
    for (const float value : values) {
        using Options = rwkv::SamplingOptions;
        for (float Options::*option :
             {&Options::temperature, &Options::top_p, &Options::min_p, &Options::typical_p, &Options::mirostat_tau,
              &Options::mirostat_eta, &Options::presence_penalty, &Options::frequency_penalty, &Options::penalty_decay,
              &Options::repetition_penalty}) {
            Options options{.temperature = 1.0f};
            options.*option = value;
            refused("an option", [&] { rwkv::Sampler{options}; });
        }
        refused("a bias", [&] { rwkv::Sampler({.logit_bias = {{1, value}}}); });
        for (const float temperature : {0.0f, 1.0f}) {
            std::vector<float> logits(100, 0.0f);
            refused("a logit", [&] {
                logits[97] = value;
                static_cast<void>(rwkv::Sampler({.temperature = temperature}).sample(logits));
            });
            refused("a processor's logit", [&] {
                rwkv::Sampler sampler({.temperature = temperature,
                                       .logits_processor = [&](auto, std::span<float> all) { all[3] = value; }});
                static_cast<void>(sampler.sample(std::vector<float>(10, 0.0f)));
            });
        }
    }
    // −∞ forbids a token, and all of them are too many.
    for (const float temperature : {0.0f, 1.0f}) {
        std::vector<float> logits(50, -infinity);
        refused("nothing but -inf",
                [&] { static_cast<void>(rwkv::Sampler({.temperature = temperature}).sample(logits)); });
        logits[7] = 1;
        rwkv::Sampler sampler({.temperature = temperature, .top_k = 40, .suppress_tokens = {8}});
        if (sampler.sample(logits) != 7) std::cout << "a forbidden token was drawn\n", ++failures;
        logits[8] = 100;
        if (sampler.sample(logits) != 7) std::cout << "a suppressed token was drawn\n", ++failures;
    }
    std::cout << (failures ? "failed\n" : "right\n");
    return failures != 0;
}
