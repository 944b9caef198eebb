// The library compiled once, part 2 of 3: reading and writing models and states.
#ifndef RWKV_COMPILED
#error "files of rwkv/compiled/ belong to a program that defines RWKV_COMPILED for all of its source files"
#endif

#include <rwkv/checkpoint/convert_model.inl>
#include <rwkv/checkpoint/load_model.inl>
#include <rwkv/checkpoint/load_safetensors.inl>
#include <rwkv/checkpoint/state_file.inl>
