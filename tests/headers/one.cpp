#include <rwkv/rwkv.hpp>

#include <iostream>

std::string refusal_seen_elsewhere();

// Both units call the library and get the same answer, from one copy of each inline function.
int main() {
    std::string here;
    try {
        static_cast<void>(rwkv::load_model("no such directory"));
    } catch (const rwkv::Error& error) {
        here = error.what();
    }
    std::cout << here << '\n';
    return !here.empty() && here == refusal_seen_elsewhere() ? 0 : 1;
}
