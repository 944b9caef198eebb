#pragma once

#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <string>

#include <rwkv/model/model.hpp>

// What loading a model takes of a process's memory; Linux.

namespace memory {

/// A line of /proc/self/status in bytes: "VmRSS", "VmHWM".
inline std::size_t status(const std::string& name) {
    std::ifstream file("/proc/self/status");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with(name + ":")) return std::strtoull(line.c_str() + name.size() + 1, nullptr, 10) * 1024;
    return 0;
}

/// From now on VmHWM is the peak of what follows.
inline void reset_peak() {
    std::ofstream("/proc/self/clear_refs") << 5;
}

/// Bytes of all matrices and vectors of a model that this process holds.
inline std::size_t held_bytes(const rwkv::Model& model) {
    const auto& weights = model.weights();
    std::size_t bytes = weights.embeddings.bytes() + (weights.head ? weights.head->bytes() : 0);
    for (const auto& block : weights.blocks) {
        for (const auto* matrix :
             {&block.attention.key, &block.attention.value, &block.attention.receptance, &block.attention.output,
              &block.feed_forward.key, &block.feed_forward.receptance, &block.feed_forward.value})
            bytes += matrix->bytes();
        // Of each block eleven vectors: time_mix of both mixings, decay and first, two layer norms.
        bytes += 11 * sizeof(float) * static_cast<std::size_t>(model.config().hidden_size);
    }
    return bytes;
}

/// Calls load(), which returns a model, and returns it with the most memory that it took meanwhile.
template <class Load>
rwkv::Model watch_loading(const Load& load, std::size_t& peak) {
    reset_peak();
    const std::size_t before = status("VmRSS");
    rwkv::Model model = load();
    peak = status("VmHWM") - before;
    return model;
}

}  // namespace memory
