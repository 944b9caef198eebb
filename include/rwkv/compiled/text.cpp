// The library compiled once, part 3 of 4: tokenizers, sampling and generation.
#ifndef RWKV_COMPILED
#error "files of rwkv/compiled/ belong to a program that defines RWKV_COMPILED for all of its source files"
#endif

#include <rwkv/checkpoint/load_tokenizer.inl>
#include <rwkv/generation/candidates.inl>
#include <rwkv/generation/drafter.inl>
#include <rwkv/generation/filters.inl>
#include <rwkv/generation/generator.inl>
#include <rwkv/generation/log_probabilities.inl>
#include <rwkv/generation/mirostat.inl>
#include <rwkv/generation/prefix_cache.inl>
#include <rwkv/generation/sampler.inl>
#include <rwkv/generation/scheduler.inl>
#include <rwkv/generation/sequence.inl>
#include <rwkv/text/tokenizer_json.inl>
#include <rwkv/text/world_tokenizer.inl>
