#include <rwkv/rwkv.hpp>

extern "C" __attribute__((visibility("default"))) bool plugin_works();

// Whether the library within the plugin refuses what is not there.
bool plugin_works() {
    try {
        static_cast<void>(rwkv::load_model("no such directory"));
    } catch (const rwkv::Error&) {
        return true;
    }
    return false;
}
