#pragma once

#include <cstdint>
#include <vector>

#include <rwkv/core/tensor.hpp>

#include "fuzz.hpp"

namespace rwkv::fuzz {

/// That every element of every tensor, views included, lies within a file of that size, counted in integers that cannot
/// overflow.
inline void check_tensors(const std::vector<TensorInfo>& tensors, std::uint64_t size) {
    __extension__ using Wide = unsigned __int128;
    for (const TensorInfo& info : tensors) {
        const Wide element = core::bits(info.dtype) / 8;
        Wide elements = 1, last = 0;
        for (const std::uint64_t extent : info.shape) elements *= extent;
        require(elements * element == info.bytes, "bytes by shape and dtype");
        if (elements == 0) continue;
        if (info.strides.empty()) last = elements - 1;
        for (std::size_t i = 0; i < info.strides.size(); ++i) last += Wide{info.shape[i] - 1} * info.strides[i];
        require(Wide{info.offset} + (last + 1) * element <= size, "elements within the file");
    }
}

}  // namespace rwkv::fuzz
