#include <rwkv/fwd.hpp>  // agrees with what it stands for
#include <rwkv/rwkv.hpp>

std::string refusal_seen_elsewhere();

std::string refusal_seen_elsewhere() {
    try {
        static_cast<void>(rwkv::load_model("no such directory"));
    } catch (const rwkv::Error& error) {
        return error.what();
    }
    return "";
}
