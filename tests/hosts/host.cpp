// An application that prints what the model says.
#include <rwkv/rwkv.hpp>

#include <iostream>

int main(int, char** argv) {
    rwkv::Generator generator(rwkv::load_model(argv[1]), rwkv::load_tokenizer(argv[1]), {.threads = 2});
    std::cout << generator.generate("Once upon a time", {.max_new_tokens = 20}).text << '\n';
}
