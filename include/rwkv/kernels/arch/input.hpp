#pragma once

#include <cstddef>
#include <cstdint>

#include <rwkv/kernels/blocking.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::kernels {

/// The right-hand side of a product: tokens as they are, a column each, and the panels they have been brought to, if
/// the kernel wants any.
struct Input {
    const float* values;
    Index stride;
    std::byte* panels;
    /// From one panel to the next.
    Index panel_bytes;
    /// The features to multiply, for kernels that take a slab at a time; from the second slab on y is added to.
    Index begin, end;
};

/// What the whole numbers of one block of a token stand for: x = scale · value. The bias is −128 times their sum, which
/// takes off what the codes of quantized weights have too much.
struct CodedBlock {
    float scale;
    std::int32_t bias;
};

/// A panel of tokens as whole numbers, in blocks that match those of a weight format; the last is padded with zeros.
/// How the numbers of a step lie is the instruction set's affair.
template <class Value>
class CodedPanel {
  public:
    CodedPanel(std::byte* room, Index cols, Index block_cols) noexcept
        : room_(room), blocks_((cols + block_cols - 1) / block_cols), block_cols_(block_cols) {}

    Index blocks() const noexcept { return blocks_; }
    Value* values(Index token) const noexcept {
        return reinterpret_cast<Value*>(room_) + token * blocks_ * block_cols_;
    }
    CodedBlock* scales(Index token) const noexcept {
        return reinterpret_cast<CodedBlock*>(values(panel)) + token * blocks_;
    }

  private:
    std::byte* room_;
    Index blocks_, block_cols_;
};

/// Of a block of weights and what their codes stand for: Σ weight · code and Σ code².
struct Fit {
    float product, square;
};

}  // namespace rwkv::inline RWKV_ABI::kernels
