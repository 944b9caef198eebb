// Reads a prompt of a number of tokens, or that number of tokens one by one: what is counted by ../instructions.sh.
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include <rwkv/rwkv.hpp>

int main(int argc, char** argv) try {
    if (argc != 5) return std::fprintf(stderr, "prompt MODEL FORMAT prompt|decode TOKENS\n"), 2;
    const rwkv::Model model = rwkv::load_model(argv[1], {.format = rwkv::weight_format_of(argv[2]).value()});
    std::vector<rwkv::TokenId> tokens(std::strtoul(argv[4], nullptr, 10));
    for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<rwkv::TokenId>(i * 7 % 1000);
    rwkv::State state(model.config());
    rwkv::Workspace workspace(model.config(), {.threads = 1});
    if (std::string_view(argv[3]) == "prompt")
        static_cast<void>(model.forward(tokens, state, workspace));
    else
        for (const rwkv::TokenId token : tokens) static_cast<void>(model.forward(token, state, workspace));
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
