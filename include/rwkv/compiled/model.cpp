// The library compiled once, part 1 of 4: the network and the kernels it multiplies with.
#ifndef RWKV_COMPILED
#error "files of rwkv/compiled/ belong to a program that defines RWKV_COMPILED for all of its source files"
#endif

#include <rwkv/kernels/encode.inl>
#include <rwkv/kernels/matmul.inl>
#include <rwkv/kernels/target.inl>
#include <rwkv/kernels/thread_pool.inl>
#include <rwkv/kernels/weight_matrix.inl>
#include <rwkv/model/model.inl>
