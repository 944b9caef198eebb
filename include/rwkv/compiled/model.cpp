// The library compiled once, part 1 of 3: the network and the kernels it multiplies with.
#ifndef RWKV_COMPILED
#error "files of rwkv/compiled/ belong to a program that defines RWKV_COMPILED for all of its source files"
#endif

#include <rwkv/model/elementwise.hpp>
#include <rwkv/model/model.inl>

namespace rwkv::inline RWKV_ABI {

template const Elementwise<float>& elementwise<float>(kernels::Isa) noexcept;

template void kernels::multiply<Mixed, float>(kernels::Engine&,
                                              std::initializer_list<kernels::Product<Mixed, float>>) noexcept;

}  // namespace rwkv::inline RWKV_ABI
