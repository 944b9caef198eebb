// The library compiled once, part 2 of 4: reading and writing models and states.
#ifndef RWKV_COMPILED
#error "files of rwkv/compiled/ belong to a program that defines RWKV_COMPILED for all of its source files"
#endif

#include <rwkv/checkpoint/convert_model.inl>
#include <rwkv/checkpoint/load_model.inl>
#include <rwkv/checkpoint/load_safetensors.inl>
#include <rwkv/checkpoint/model_files.inl>
#include <rwkv/checkpoint/prefix_cache_file.inl>
#include <rwkv/checkpoint/state_file.inl>
#include <rwkv/core/error.inl>
#include <rwkv/core/message.inl>
#include <rwkv/io/byte_source.inl>
#include <rwkv/io/file.inl>
#include <rwkv/io/json.inl>
#include <rwkv/io/pickle.inl>
#include <rwkv/io/pytorch.inl>
#include <rwkv/io/safetensors.inl>
#include <rwkv/io/safetensors_writer.inl>
#include <rwkv/io/strided.inl>
#include <rwkv/io/system.inl>
#include <rwkv/io/zip.inl>
#include <rwkv/io/zip_end.inl>
