#pragma once

// Loading models, generating text, and saving states. Separate includes are convert_model.hpp, scheduler.hpp,
// constraint.hpp and mpi.hpp. A program that needs less can include less: model/model.hpp computes without reading
// files; text/ and generation/sampler.hpp do not depend on models.

// windows.h without NOMINMAX defines min and max, which standard headers that follow it do not survive.
#pragma push_macro("min")
#pragma push_macro("max")
#undef min
#undef max

// IWYU pragma: begin_exports
#include <rwkv/core/error.hpp>
#include <rwkv/generation/draft_model.hpp>
#include <rwkv/generation/generator.hpp>
#include <rwkv/generation/sampler.hpp>
#include <rwkv/load_model.hpp>
#include <rwkv/load_safetensors.hpp>
#include <rwkv/load_tokenizer.hpp>
#include <rwkv/state_file.hpp>
#include <rwkv/text/prompt_format.hpp>
#include <rwkv/text/stop_strings.hpp>
#include <rwkv/text/streaming_decoder.hpp>
#include <rwkv/version.hpp>
// IWYU pragma: end_exports

#pragma pop_macro("max")
#pragma pop_macro("min")
