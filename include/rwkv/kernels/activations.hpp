#pragma once

#include <cstddef>
#include <cstdint>

#include <rwkv/kernels/blocking.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::kernels {

/// The right-hand side of a product as a kernel sees it: the tokens as they are, a column each, and packed into panels
/// where the kernel asks for that.
struct Activations {
    const float* values;
    Index stride;  ///< from one token to the next
    std::byte* panels;
    Index panel_bytes;  ///< from one panel to the next
    /// The features to multiply: a slab, for kernels that take one at a time. From the second slab on y is added to.
    Index begin, end;
};

/// The scale of a block of quantized activations, x ≈ scale · value, and −128 times the sum of the values: what is to
/// be added to dot products with quantized weights, which are stored with 128 added.
struct ActivationScale {
    float scale;
    std::int32_t bias;
};

/// A panel of tokens quantized to whole numbers, in blocks that match the scale blocks of a weight format; the last
/// block is padded with zeros. The order of the values within a column step is the instruction set's.
template <class Value>
class QuantizedPanel {
  public:
    QuantizedPanel(std::byte* memory, Index cols, Index block_cols) noexcept
        : memory_(memory), blocks_((cols + block_cols - 1) / block_cols), block_cols_(block_cols) {}

    Index blocks() const noexcept { return blocks_; }
    Value* values(Index token) const noexcept {
        return reinterpret_cast<Value*>(memory_) + token * blocks_ * block_cols_;
    }
    ActivationScale* scales(Index token) const noexcept {
        return reinterpret_cast<ActivationScale*>(values(Blocking::panel_tokens)) + token * blocks_;
    }

  private:
    std::byte* memory_;
    Index blocks_, block_cols_;
};

}  // namespace rwkv::inline RWKV_ABI::kernels
