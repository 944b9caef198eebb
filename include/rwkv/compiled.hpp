#pragma once

// For programs of several source files, none of which is then to compile more than the declarations it uses. Such a
// program defines RWKV_COMPILED for all its source files and includes this header in one of them: there everything is
// compiled, once. All need the same -m flags (-march=native …), since Eigen aligns memory, and expects it aligned, by
// them.

#ifndef RWKV_COMPILED
#error \
    "a source file that includes rwkv/compiled.hpp belongs to a program compiled with RWKV_COMPILED, as all its others"
#endif

#include <rwkv/checkpoint/convert_model.inl>
#include <rwkv/checkpoint/load_model.inl>
#include <rwkv/checkpoint/load_safetensors.inl>
#include <rwkv/checkpoint/load_tokenizer.inl>
#include <rwkv/checkpoint/state_file.inl>
#include <rwkv/generation/distribution.inl>
#include <rwkv/generation/generator.inl>
#include <rwkv/generation/log_probabilities.inl>
#include <rwkv/generation/sampler.inl>
#include <rwkv/model/elementwise.hpp>
#include <rwkv/model/model.inl>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

template const Elementwise<float>& elementwise<float>(kernels::Isa) noexcept;

template void kernels::multiply<Mixed, float>(kernels::Engine&,
                                              std::initializer_list<kernels::Product<Mixed, float>>) noexcept;

}  // namespace rwkv::inline RWKV_ABI
