// The library compiled once, part 2 of 3: reading and writing models and states.
#ifndef RWKV_COMPILED
#error "files of rwkv/compiled/ belong to a program that defines RWKV_COMPILED for all of its source files"
#endif

#include <rwkv/checkpoint/convert_model.inl>
#include <rwkv/checkpoint/convert_rows.hpp>
#include <rwkv/checkpoint/load_model.inl>
#include <rwkv/checkpoint/load_safetensors.inl>
#include <rwkv/checkpoint/state_file.inl>

namespace rwkv::inline RWKV_ABI {

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
