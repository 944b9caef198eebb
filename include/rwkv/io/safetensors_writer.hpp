#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <rwkv/core/checked.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/io/file.hpp>
#include <rwkv/io/json.hpp>
#include <rwkv/io/safetensors.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

namespace detail {

/// Builds the header of a safetensors file. Throws: ArgumentError.
class SafetensorsHeaderWriter {
  public:
    explicit SafetensorsHeaderWriter(const std::string& where) : where_(where) {}

    /// Fills in offsets and sizes and returns the header's text.
    std::string lay_out(std::vector<TensorInfo>& tensors, const std::map<std::string, std::string>& metadata) const {
        std::string header = "{";
        std::set<std::string_view> names;
        if (!metadata.empty()) {
            header += "\"__metadata__\":{";
            for (const auto& [key, value] : metadata) header += in_header(key) + ":" + in_header(value) + ",";
            header.back() = '}';
            header += ",";
        }
        std::uint64_t end = 0;
        for (TensorInfo& info : tensors) {
            if (info.name == "__metadata__" || !names.insert(info.name).second)
                fail(core::tensor_subject(info.name), "a name of its own", "one already taken");
            info.offset = end;
            info.bytes = byte_count(info);
            info.strides.clear();
            const auto next = core::checked_add(end, info.bytes);
            if (!next) fail(core::tensor_subject(info.name), "a file of less than 2^64 bytes", "more");
            header += in_header(info.name) + ":{\"dtype\":\"" + std::string(name(info.dtype)) + "\",\"shape\":[";
            for (std::uint64_t size : info.shape) header += std::to_string(size) + ",";
            if (!info.shape.empty()) header.pop_back();
            header += "],\"data_offsets\":[" + std::to_string(end) + "," + std::to_string(*next) + "]},";
            end = *next;
        }
        if (header.size() > 1) header.pop_back();
        header += "}";
        constexpr std::size_t cache_line = 64;
        header.append(cache_line - 1 - (8 + header.size() + cache_line - 1) % cache_line, ' ');
        if (header.size() > max_safetensors_header)
            fail("header", "at most " + std::to_string(max_safetensors_header) + " bytes",
                 std::to_string(header.size()));
        const std::uint64_t data_begin = 8 + header.size();
        if (!core::checked_add(end, data_begin)) fail("", "a file of less than 2^64 bytes", "more");
        for (TensorInfo& info : tensors) info.offset += data_begin;
        return header;
    }

  private:
    std::uint64_t byte_count(const TensorInfo& info) const {
        const auto total_bits = element_count(info.shape, bits(info.dtype));
        if (!total_bits || *total_bits % 8 != 0 || info.shape.size() > max_tensor_rank)
            fail(core::tensor_subject(info.name),
                 "at most " + std::to_string(max_tensor_rank) + " dimensions and a whole number of bytes",
                 std::string(name(info.dtype)) + " " + to_string(info.shape));
        return *total_bits / 8;
    }

    std::string in_header(const std::string& text) const {
        try {
            return json_text(text);
        } catch (const nlohmann::json::exception&) {
            fail("header", "names and metadata in UTF-8", "other bytes");
        }
    }

    [[noreturn]] void fail(std::string subject, std::string expected, std::string found) const {
        throw ArgumentError(where_, std::move(subject), std::move(expected), std::move(found));
    }

    const std::string& where_;
};

}  // namespace detail

/// The beginning of a safetensors file, up to the tensors' bytes, which follow in the order of `tensors`: the length of
/// the header and the header. Of each tensor the name, dtype and shape are used; offset and bytes are filled in. The
/// data begins at a multiple of 64 bytes, a cache line; to keep every tensor aligned, list whole numbers of cache lines
/// first, then wider types before narrower ones.
///
/// Throws: ArgumentError, with `where`, for tensors that no such file can have.
inline std::string begin_safetensors(std::vector<TensorInfo>& tensors,
                                     const std::map<std::string, std::string>& metadata, const std::string& where) {
    const std::string header = detail::SafetensorsHeaderWriter(where).lay_out(tensors, metadata);
    std::string bytes;
    for (std::uint64_t rest = header.size(), i = 0; i < 8; ++i, rest >>= 8U)
        bytes.push_back(static_cast<char>(rest & 0xFFU));
    return bytes + header;
}

/// Writes one safetensors file piece by piece, so that a tensor may be far larger than memory:
///
///     SafetensorsWriter writer(path, {{.name = "logits", .dtype = DType::f32, .shape = {tokens,
///     vocabulary}}}); for (…) writer.write(std::as_bytes(std::span(row))); writer.finish();
///
/// The file appears under its name only in `finish`; without it, nothing is left behind. One thread at a
/// time. FileError when the disk does not take it, ArgumentError when the call is wrong.
class SafetensorsWriter {
  public:
    /// Announces every tensor, in the order in which their bytes will come, and writes the header, as
    /// `begin_safetensors` has it.
    SafetensorsWriter(const std::filesystem::path& path, std::vector<TensorInfo> tensors,
                      const std::map<std::string, std::string>& metadata = {})
        : where_(path.string()), tensors_(std::move(tensors)), file_(begin(path, metadata)) {}

    /// The tensors as they will lie in the file, offset and bytes filled in.
    const std::vector<TensorInfo>& tensors() const noexcept { return tensors_; }

    /// How many bytes of tensors are still to come.
    std::uint64_t bytes_left() const noexcept { return end_ - position_; }

    /// Appends bytes: a part of a tensor, one, or several. More than was announced is an ArgumentError, and
    /// then nothing of the piece is written.
    void write(std::span<const std::byte> bytes) {
        if (bytes.size() > bytes_left())
            fail("", "at most " + std::to_string(bytes_left()) + " more bytes", std::to_string(bytes.size()));
        file_.write(bytes);
        position_ += bytes.size();
    }

    /// Checks that every byte came (ArgumentError naming the first incomplete tensor) and gives the file its
    /// name.
    void finish() {
        for (const TensorInfo& info : tensors_)
            if (info.offset + info.bytes > position_)
                fail(core::tensor_subject(info.name), std::to_string(info.bytes) + " bytes written",
                     std::to_string(position_ > info.offset ? position_ - info.offset : 0));
        file_.commit();
    }

  private:
    OutputFile begin(const std::filesystem::path& path, const std::map<std::string, std::string>& metadata) {
        const std::string bytes = begin_safetensors(tensors_, metadata, where_);
        position_ = end_ = bytes.size();
        for (const TensorInfo& info : tensors_) end_ += info.bytes;
        OutputFile file(path);
        file.write(std::as_bytes(std::span(bytes)));
        return file;
    }

    [[noreturn]] void fail(std::string subject, std::string expected, std::string found) const {
        throw ArgumentError(where_, std::move(subject), std::move(expected), std::move(found));
    }

    std::string where_;
    std::vector<TensorInfo> tensors_;
    std::uint64_t position_ = 0;  ///< in the file, like `end_`
    std::uint64_t end_ = 0;
    OutputFile file_;  // last: made by `begin`, which sets the others
};

}  // namespace rwkv::inline RWKV_ABI::io
