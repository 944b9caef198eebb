#include <rwkv/rwkv.hpp>

#include <iostream>

int main(int argc, char** argv) try {
    if (argc != 3) return std::cerr << "usage: embed MODEL_DIR PROMPT\n", 2;
    rwkv::Generator generator(rwkv::load_model(argv[1]), rwkv::load_tokenizer(argv[1]));
    for (const std::string_view text : generator.stream(argv[2], {.max_new_tokens = 100}))
        std::cout << text << std::flush;
    std::cout << '\n';
} catch (const rwkv::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
}
