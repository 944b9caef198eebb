#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <rwkv/core/tensor.hpp>
#include <rwkv/io/file.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

/// The beginning of a safetensors file, up to the bytes of the tensors: the length of the header and the header. Of
/// each tensor it uses name, dtype and shape and sets offset and bytes; the bytes of the tensors follow in their order.
/// The data begin at a multiple of 64 bytes, a cache line; to keep every tensor aligned, list those of whole cache
/// lines first, then wider types before narrower ones. Throws ArgumentError, with `where`, for tensors that no such
/// file can have.
[[nodiscard]] std::string begin_safetensors(std::vector<TensorInfo>& tensors,
                                            const std::map<std::string, std::string>& metadata,
                                            const std::string& where);

/// Writes one safetensors file a part at a time, so that a tensor may be far larger than memory:
///
///     SafetensorsWriter writer(path, {{.name = "logits", .dtype = DType::f32, .shape = {tokens, vocab_size}}});
///     for (…) writer.write(std::as_bytes(std::span(row)));
///     writer.finish();
///
/// The file appears under its name only in `finish`; without it, nothing is left behind.
///
/// Throws: FileError where the file cannot be written, ArgumentError where a call is wrong. Thread safety: one thread
/// at a time.
class SafetensorsWriter {
  public:
    /// Writes the header. `tensors` are all tensors (only name, dtype and shape of each are used), in the order in
    /// which their bytes will come. The data begin at a multiple of 64 bytes, a cache line; to keep every tensor
    /// aligned, list those of whole cache lines first, then wider types before narrower ones.
    SafetensorsWriter(const std::filesystem::path& path, std::vector<TensorInfo> tensors,
                      const std::map<std::string, std::string>& metadata = {});

    /// The tensors with their offsets and sizes in the file.
    const std::vector<TensorInfo>& tensors() const noexcept { return tensors_; }

    /// The number of bytes of tensors that have not been written.
    std::uint64_t bytes_left() const noexcept { return end_ - position_; }

    /// Appends bytes: of a part of a tensor, of a tensor, or of several. Throws ArgumentError, and writes nothing,
    /// where there are more than `bytes_left()`.
    void write(std::span<const std::byte> bytes);

    /// Gives the file its name. Throws ArgumentError, naming the first incomplete tensor, unless every byte was
    /// written.
    void finish();

  private:
    OutputFile begin(const std::filesystem::path& path, const std::map<std::string, std::string>& metadata);

    std::string where_;
    std::vector<TensorInfo> tensors_;
    std::uint64_t position_ = 0;  ///< in the file, as `end_`
    std::uint64_t end_ = 0;
    OutputFile file_;  // last: `begin`, which makes it, sets the others
};

}  // namespace rwkv::inline RWKV_ABI::io

#ifndef RWKV_COMPILED
#include <rwkv/io/safetensors_writer.inl>
#endif
