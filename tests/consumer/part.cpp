#include <iostream>

#include <rwkv/state_file.hpp>

// A host program that includes less than all, and compiles sooner: it still needs Eigen and nlohmann/json.
int main() {
    try {
        rwkv::load_state("no such file", rwkv::Config{});
    } catch (const rwkv::Error& error) {
        std::cout << error.what() << '\n';
        return 0;
    }
    return 1;
}
