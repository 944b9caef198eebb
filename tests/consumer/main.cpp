#include <iostream>

#include <rwkv/rwkv.hpp>

#ifdef WITH_PLUGIN
extern "C" bool plugin_works();
#else
static bool plugin_works() {
    return true;
}
#endif

// A host program: it sees the version it asked for, and the library compiled into it refuses what is not there.
int main() {
    std::cout << "rwkv.hpp " << rwkv::version.major << '.' << rwkv::version.minor << '.' << rwkv::version.patch << '\n';
    if (!plugin_works()) return 1;
    try {
        static_cast<void>(rwkv::load_model("no such directory"));
    } catch (const rwkv::Error& error) {
        std::cout << error.what() << '\n';
        return 0;
    }
    return 1;
}
