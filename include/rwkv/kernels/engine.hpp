#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include <rwkv/kernels/isa.hpp>
#include <rwkv/kernels/thread_pool.hpp>
#include <rwkv/kernels/tiling.hpp>

namespace rwkv::kernels {

/// Products that one multiply call computes together.
inline constexpr std::size_t most_products = 3;

/// What products are computed with: the threads, the instruction set, and the scratch of the float kernels, sized
/// once. Serves one caller at a time.
class Engine {
  public:
    /// `threads` ≥ 1, the caller's included. One multiply call takes at most `max_tokens` tokens and `max_features`
    /// inputs, summed over its at most `most_products` products. Throws ArgumentError if the environment forces an
    /// unknown instruction set, std::system_error if there are no more threads to be had.
    Engine(int threads, Index max_tokens, Index max_features, Isa isa = chosen_isa())
        : isa_(isa), pool_(std::make_unique<ThreadPool>(threads)) {
        if (isa == Isa::portable) return;
        const auto panels = static_cast<std::size_t>(padded(max_tokens) / panel);
        panels_.resize(panels * (panel_bytes(max_features) + (most_products - 1) * panel_bytes(0)) / sizeof(float));
        if (max_tokens < fewest_many_tokens) return;
        tile_floats_ = block_floats(max_tokens);
        tiles_.resize(static_cast<std::size_t>(tile_floats_ * threads));
    }

    ThreadPool& pool() noexcept { return *pool_; }
    const ThreadPool& pool() const noexcept { return *pool_; }
    Isa isa() const noexcept { return isa_; }
    /// Room for the activations of one call, brought to panels.
    std::byte* panels() noexcept { return reinterpret_cast<std::byte*>(panels_.data()); }
    /// Room for one thread's tile.
    float* tile(int worker) noexcept { return tiles_.data() + worker * tile_floats_; }
    std::size_t bytes() const noexcept { return (panels_.size() + tiles_.size()) * sizeof(float); }

  private:
    Isa isa_;
    std::unique_ptr<ThreadPool> pool_;
    std::vector<float> panels_, tiles_;
    Index tile_floats_ = 0;
};

}  // namespace rwkv::kernels
