// examples/minimal.cpp, RWKV-4 in plain loops, against the library: the same logits and the same text.

#include <cstdlib>
#include <string>
#include <vector>

#define main minimal_main
#include "../../examples/minimal.cpp"
#undef main

#include "../catch.hpp"
#include "../model/support.hpp"

using namespace rwkv;
using namespace rwkv::test;

TEST_CASE("the plain loops of examples/minimal.cpp have the library's logits") {
    const Model model = load_model(RWKV_DEMO_MODEL);
    State state(model.config());
    Workspace workspace(model.config(), {.threads = 1});
    std::vector<minimal::LayerState> plain_state = minimal::empty_state(model.config());
    for (const TokenId token : load_tokenizer(RWKV_DEMO_MODEL).encode("Once upon a time there was a king, who had")) {
        const std::span<const float> logits = model.forward(token, state, workspace);
        const minimal::Vector plain = minimal::forward(model.weights(), token, plain_state);
        CHECK(error_of(std::span(plain.data(), static_cast<std::size_t>(plain.size())), logits) < tolerance);
    }
}

TEST_CASE("minimal continues a text as the library does") {
    const TempDir directory;
    const auto output = directory.path() / "out";
    const std::string command = std::string(RWKV_PROGRAMS_DIR) + "/minimal >" + output.string();
    REQUIRE(std::system(command.c_str()) == 0);

    Generator generator(load_model(RWKV_DEMO_MODEL), load_tokenizer(RWKV_DEMO_MODEL));
    const std::string prompt = "Once upon a time";
    CHECK(read_all(output) == prompt + generator.generate(prompt, {.max_new_tokens = 50}).text + "\n");
}
