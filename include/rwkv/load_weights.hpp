#pragma once

#include <filesystem>

#include <rwkv/io/pytorch.hpp>
#include <rwkv/loading/load_weights.hpp>

namespace rwkv {

/// The weights of a model, for code that is itself a template over the format: with F32, F16,
/// BF16, Q8 or Q4 every matrix is brought to that format, and no other format's kernels need be compiled. Otherwise as
/// `load_model`.
template <class Format>
Weights<Format> load_weights(const std::filesystem::path& path, const LoadOptions& options = {}) {
    return loading::load_weights<Format>(path, options, io::read_pytorch_tensors);
}

}  // namespace rwkv
