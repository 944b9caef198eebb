#pragma once

// For programs of several source files, none of which is then to compile more than the declarations it uses. Such a
// program defines RWKV_COMPILED for all its source files and includes this header in one of them: there everything is
// compiled, once. All need the same -m flags (-march=native …), since Eigen aligns memory, and expects it aligned, by
// them.

#ifndef RWKV_COMPILED
#error \
    "a source file that includes rwkv/compiled.hpp belongs to a program compiled with RWKV_COMPILED, as all its others"
#endif

#include <rwkv/convert_model.inl>
#include <rwkv/generation/distribution.inl>
#include <rwkv/generation/generator.inl>
#include <rwkv/generation/log_probabilities.inl>
#include <rwkv/generation/sampler.inl>
#include <rwkv/load_model.inl>
#include <rwkv/load_safetensors.inl>
#include <rwkv/load_tokenizer.inl>
#include <rwkv/loading/convert_rows.hpp>
#include <rwkv/model/elementwise.hpp>
#include <rwkv/model/model.inl>
#include <rwkv/state_file.inl>

namespace rwkv {

template const Elementwise<float>& elementwise<float>(kernels::Isa) noexcept;

template void kernels::multiply<Mixed, float>(kernels::Engine&,
                                              std::initializer_list<kernels::Product<Mixed, float>>) noexcept;

template loading::Conversion loading::conversion_to<F32>(const io::CheckpointTensor&, Index, Index, Layout);
template loading::Conversion loading::conversion_to<F16>(const io::CheckpointTensor&, Index, Index, Layout);
template loading::Conversion loading::conversion_to<BF16>(const io::CheckpointTensor&, Index, Index, Layout);
template loading::Conversion loading::conversion_to<Q8>(const io::CheckpointTensor&, Index, Index, Layout);
template loading::Conversion loading::conversion_to<Q4>(const io::CheckpointTensor&, Index, Index, Layout);

}  // namespace rwkv
