#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>

#include <rwkv/core/aligned_buffer.hpp>
#include <rwkv/kernels/blocking.hpp>
#include <rwkv/kernels/isa.hpp>
#include <rwkv/kernels/thread_pool.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::kernels {

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
        const bool many = max_tokens >= fewest_many_tokens;
        in_pieces_ = many && isa == Isa::amx;
        const auto panels = static_cast<std::size_t>(padded(max_tokens) / panel);
        panel_room_ = panels * (panel_bytes(max_features) + (most_products - 1) * panel_bytes(1));
        if (many) tile_floats_ = block_floats(max_tokens);
        bytes_ = panel_room_ + static_cast<std::size_t>(tile_floats_ * threads) * sizeof(float);
        memory_ = allocate_weights(bytes_);
        std::fill_n(memory_.get(), bytes_, std::byte(0));
    }

    ThreadPool& pool() noexcept { return *pool_; }
    const ThreadPool& pool() const noexcept { return *pool_; }
    Isa isa() const noexcept { return isa_; }
    /// Room for the activations of one call, brought to panels.
    std::byte* panels() noexcept { return memory_.get(); }
    /// What one panel of so many features takes of it.
    std::size_t panel_bytes(Index features) const noexcept { return kernels::panel_bytes(features, in_pieces_); }
    /// Room for one thread's tile.
    float* tile(int worker) noexcept {
        return reinterpret_cast<float*>(memory_.get() + panel_room_) + worker * tile_floats_;
    }
    std::size_t bytes() const noexcept { return bytes_; }

  private:
    Isa isa_;
    std::unique_ptr<ThreadPool> pool_;
    bool in_pieces_ = false;
    Index tile_floats_ = 0;
    std::size_t panel_room_ = 0, bytes_ = 0;
    std::shared_ptr<std::byte[]> memory_;
};

}  // namespace rwkv::inline RWKV_ABI::kernels
