#pragma once

#include <string>

#include <rwkv/rwkv.hpp>

#include "../model/support.hpp"

namespace rwkv::test {

inline const std::string prompt = "Hello";

/// Of fixture `text`, whose tokens are bytes.
inline Generator generator(WorkspaceOptions options = {}) {
    return Generator(load_model(fixture("text")), load_tokenizer(fixture("text")), options);
}

}  // namespace rwkv::test
