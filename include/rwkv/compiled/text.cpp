// The library compiled once, part 3 of 3: tokenizers, sampling and generation.
#ifndef RWKV_COMPILED
#error "files of rwkv/compiled/ belong to a program that defines RWKV_COMPILED for all of its source files"
#endif

#include <rwkv/checkpoint/load_tokenizer.inl>
#include <rwkv/generation/distribution.inl>
#include <rwkv/generation/generator.inl>
#include <rwkv/generation/log_probabilities.inl>
#include <rwkv/generation/sampler.inl>
