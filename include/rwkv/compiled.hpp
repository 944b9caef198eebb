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
#include <rwkv/checkpoint/convert_rows.hpp>
#include <rwkv/checkpoint/load_model.inl>
#include <rwkv/checkpoint/load_safetensors.inl>
#include <rwkv/checkpoint/load_tokenizer.inl>
#include <rwkv/checkpoint/state_file.inl>
#include <rwkv/generation/candidates.inl>
#include <rwkv/generation/filters.inl>
#include <rwkv/generation/generator.inl>
#include <rwkv/generation/log_probabilities.inl>
#include <rwkv/generation/mirostat.inl>
#include <rwkv/generation/sampler.inl>
#include <rwkv/generation/sequence.inl>
#include <rwkv/model/elementwise.hpp>
#include <rwkv/model/model.inl>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

template const Elementwise<float>& elementwise<float>(kernels::Isa) noexcept;

template void kernels::multiply<Mixed, float>(kernels::Engine&,
                                              std::initializer_list<kernels::Product<Mixed, float>>) noexcept;

template checkpoint::Conversion checkpoint::conversion_to<F32>(const checkpoint::CheckpointTensor&, Index, Index,
                                                               Layout);
template checkpoint::Conversion checkpoint::conversion_to<F16>(const checkpoint::CheckpointTensor&, Index, Index,
                                                               Layout);
template checkpoint::Conversion checkpoint::conversion_to<BF16>(const checkpoint::CheckpointTensor&, Index, Index,
                                                                Layout);
template checkpoint::Conversion checkpoint::conversion_to<Q8>(const checkpoint::CheckpointTensor&, Index, Index,
                                                              Layout);
template checkpoint::Conversion checkpoint::conversion_to<Q4>(const checkpoint::CheckpointTensor&, Index, Index,
                                                              Layout);

}  // namespace rwkv::inline RWKV_ABI
