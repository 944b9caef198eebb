#pragma once

// What a program compiled with RWKV_EXTERN_TEMPLATES needs once. Such a program defines that macro for all its source
// files, which then compile in a fraction of the time, since none of them compiles the kernels; and includes this
// header in one of them.

#include <rwkv/loading/convert_rows.hpp>
#include <rwkv/model/forward.hpp>

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
