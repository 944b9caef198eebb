#pragma once

#include <filesystem>

#include <rwkv/checkpoint/load_weights.hpp>
#include <rwkv/io/pytorch.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// The weights of a model, for code that is itself a template over the format: with F32, F16,
/// BF16, Q8 or Q4 every matrix is brought to that format, and no other format's kernels need be compiled. Otherwise as
/// `load_model`.
template <class Format>
Weights<Format> load_weights(const std::filesystem::path& path, const LoadOptions& options = {}) {
    return checkpoint::load_weights<Format>(path, options, io::read_pytorch_tensors);
}

}  // namespace rwkv::inline RWKV_ABI
