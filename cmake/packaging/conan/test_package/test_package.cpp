#include <cstdio>

#include <rwkv/load_model.hpp>

// Loads a model that is not there, which is refused in words: the library is found, compiled and linked.
int main() {
    try {
        static_cast<void>(rwkv::load_model("no such directory"));
    } catch (const rwkv::Error& error) {
        std::printf("rwkv.hpp %d.%d.%d: %s\n", RWKV_VERSION_MAJOR, RWKV_VERSION_MINOR, RWKV_VERSION_PATCH, error.what());
        return 0;
    }
    return 1;
}
