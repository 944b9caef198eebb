#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>

#include <rwkv/core/aligned_buffer.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/kernels/blocking.hpp>
#include <rwkv/kernels/executor.hpp>
#include <rwkv/kernels/target.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::kernels {

/// The maximum number of products that one call of multiply computes together.
inline constexpr std::size_t max_products = 3;

/// What products are computed with: threads, a target, and scratch memory for packed activations and for each thread,
/// allocated once. Thread safety: one call at a time.
class MatmulContext {
  public:
    /// One call of multiply takes at most `max_tokens` tokens and `max_features` features, summed over its products.
    /// Throws: ArgumentError if the environment asks for an unknown target; std::bad_alloc.
    MatmulContext(std::shared_ptr<Executor> executor, Index max_tokens, Index max_features,
                  const Target& target = chosen_target())
        : executor_(std::move(executor)), target_(&target) {
        Index packed_bits = 0;
        bool blocked = false;
        for (const KernelList& kernels : target.kernels)
            for (const Kernel& kernel : kernels)
                if (kernel.min_tokens <= max_tokens) {
                    packed_bits = (std::max)(packed_bits, kernel.packed_bits);
                    blocked = blocked || kernel.rows_per_task > 0;
                }
        const Kernel largest{.packed_bits = packed_bits};
        const Index panel_bytes =
            largest.panel_bytes(max_features) + static_cast<Index>(max_products - 1) * largest.panel_bytes(1);
        panels_bytes_ = static_cast<std::size_t>(token_panels(max_tokens) * panel_bytes);
        if (blocked) thread_floats_ = kernels::scratch_floats(max_tokens);
        memory_ = core::AlignedBuffer(panels_bytes_ +
                                      static_cast<std::size_t>(thread_floats_ * executor_->threads()) * sizeof(float));
        std::fill_n(memory_.data(), memory_.size(), std::byte(0));
    }

    /// False once it was moved from.
    [[nodiscard]] bool is_valid() const noexcept { return executor_ != nullptr; }
    [[nodiscard]] Executor& executor() noexcept { return *executor_; }
    [[nodiscard]] const Executor& executor() const noexcept { return *executor_; }
    [[nodiscard]] const Target& target() const noexcept { return *target_; }
    /// Memory for the packed activations of one call.
    [[nodiscard]] std::byte* packed_activations() noexcept { return memory_.data(); }
    /// Memory of one thread: scratch_floats(max_tokens) floats.
    [[nodiscard]] float* thread_scratch(int thread) noexcept {
        return reinterpret_cast<float*>(memory_.data() + panels_bytes_) + thread * thread_floats_;
    }
    /// Bytes of scratch memory.
    [[nodiscard]] std::size_t bytes() const noexcept { return memory_.size(); }

  private:
    std::shared_ptr<Executor> executor_;
    const Target* target_;
    Index thread_floats_ = 0;
    std::size_t panels_bytes_ = 0;
    core::AlignedBuffer memory_;
};

/// The equations in that scalar: the target's in float. oracle.hpp has those in double.
template <class Scalar>
[[nodiscard]] const Equations<Scalar>& equations_of(const MatmulContext& context) noexcept;

template <>
[[nodiscard]] inline const Equations<float>& equations_of<float>(const MatmulContext& context) noexcept {
    return context.target().equations;
}

}  // namespace rwkv::inline RWKV_ABI::kernels
