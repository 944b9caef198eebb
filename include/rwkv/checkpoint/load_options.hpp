#pragma once

#include <rwkv/core/progress.hpp>
#include <rwkv/kernels/format.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// How a model is loaded.
struct LoadOptions {
    /// What the matrices are held as; converted while they are read.
    WeightFormat format = WeightFormat::stored;
    /// Compute as Hugging Face does with the `rescale_every` of config.json. Off: as rwkv.cpp and BlinkDL's
    /// float32 path do, which ignore it; the logits of a large model then differ in the third decimal.
    bool rescale = true;
    /// Threads that read and convert; 0: one for each processor, up to 16.
    int threads = 0;
    /// Leave the matrices in the files, which are mapped into memory: a start of milliseconds, and pages that
    /// processes share. Only matrices stored in the format asked for; others are read as ever. No one looks whether
    /// mapped weights are finite, small pages make decoding slower, and a file that is truncated or written to while
    /// the model lives changes its weights or kills the program (SIGBUS): for files that are yours.
    bool mapped = false;
    /// Told of bytes read ("loading").
    Progress progress = {};
};

}  // namespace rwkv::inline RWKV_ABI
