#pragma once

#include <memory>
#include <vector>

#include <rwkv/checkpoint/adapter.hpp>
#include <rwkv/core/progress.hpp>
#include <rwkv/kernels/format.hpp>
#include <rwkv/model/rank_group.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// How a model is loaded.
struct LoadOptions {
    /// The format of the matrices in memory. They are converted while they are read; quantized ones can only be loaded
    /// as stored.
    WeightFormat format = WeightFormat::stored;
    /// Compute as Hugging Face does with the `rescale_every` of config.json. Off: as rwkv.cpp and BlinkDL's
    /// float32 path do, which ignore it; the logits of a large model then differ in the third decimal.
    bool rescale = true;
    /// Threads that read and convert. 0: all processors that the process may use, of which no more than 16 are put to
    /// use.
    int threads = 0;
    /// Memory-map the files (or use in place what a ByteSource has in memory) instead of reading the matrices: loading
    /// takes milliseconds, and processes share the pages. Only for matrices stored in the requested format; others are
    /// read. Mapped weights are not checked for infinities and NaN, small pages make decoding slower, and a file that
    /// is truncated or written to while the model lives changes its weights or ends the program (SIGBUS): for files
    /// that nobody else changes.
    bool mapped = false;
    /// Merged into the weights while these are read, in this order. Not for matrices that are stored quantized, nor for
    /// embeddings that are tied to the head; matrices that they change are not mapped.
    std::vector<Adapter> adapters = {};
    /// Loads only the rows that are this rank's, of a model that several machines share; vectors are loaded whole. All
    /// ranks must load the same files with the same options. Null: one machine has all of it.
    std::shared_ptr<RankGroup> ranks = {};
    /// Receives the bytes read ("loading").
    Progress progress = {};
};

}  // namespace rwkv::inline RWKV_ABI
