#pragma once

#include <set>
#include <string_view>

#include <rwkv/core/checked.hpp>
#include <rwkv/core/dtype.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/utf8.hpp>
#include <rwkv/io/json.hpp>
#include <rwkv/io/safetensors.hpp>
#include <rwkv/io/safetensors_writer.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

RWKV_INLINE std::string begin_safetensors(std::vector<TensorInfo>& tensors,
                                          const std::map<std::string, std::string>& metadata,
                                          const std::string& where) {
    const auto fail = [&](core::MessageParts subject, core::MessageParts expected, core::MessageParts found) {
        core::fail<ArgumentError>(where, subject, expected, found);
    };
    const auto string = [&](const std::string& text) {
        if (core::find_invalid_utf8(text) != text.npos)
            fail({"header"}, {"names and metadata in UTF-8"}, {"other bytes"});
        return json_text(text);
    };
    std::string header = "{";
    std::set<std::string_view> names;
    if (!metadata.empty()) {
        header += "\"__metadata__\":{";
        for (const auto& [key, value] : metadata)
            header.append(string(key)).append(":").append(string(value)).append(",");
        header.back() = '}';
        header += ",";
    }
    std::uint64_t end = 0;
    for (TensorInfo& info : tensors) {
        const auto refuse = [&](core::MessageParts expected, core::MessageParts found) {
            fail({"tensor ", core::Quoted{info.name}}, expected, found);
        };
        if (info.name == "__metadata__" || !names.insert(info.name).second)
            refuse({"a name of its own"}, {"one already taken"});
        const auto bits = core::element_count(info.shape, core::bits(info.dtype));
        if (!bits || *bits % 8 != 0 || info.shape.size() > core::max_tensor_rank)
            refuse({"at most ", core::max_tensor_rank, " dimensions and a whole number of bytes"},
                   {core::name(info.dtype), " ", core::to_string(info.shape)});
        info.offset = end;
        info.bytes = *bits / 8;
        info.strides.clear();
        const auto next = core::checked_add(end, info.bytes);
        if (!next) refuse({"a file of less than 2^64 bytes"}, {"more"});
        header += core::join({string(info.name), ":{\"dtype\":\"", core::name(info.dtype), "\",\"shape\":["});
        for (std::uint64_t size : info.shape) header += core::join({size, ","});
        if (!info.shape.empty()) header.pop_back();
        header += core::join({"],\"data_offsets\":[", end, ",", *next, "]},"});
        end = *next;
    }
    if (header.size() > 1) header.pop_back();
    header += "}";
    constexpr std::size_t cache_line = 64;
    header.append(cache_line - 1 - (8 + header.size() + cache_line - 1) % cache_line, ' ');
    if (header.size() > max_safetensors_header)
        fail({"header"}, {"at most ", max_safetensors_header, " bytes"}, {header.size()});
    const std::uint64_t data_begin = 8 + header.size();
    if (!core::checked_add(end, data_begin)) fail({}, {"a file of less than 2^64 bytes"}, {"more"});
    for (TensorInfo& info : tensors) info.offset += data_begin;

    std::string length;
    for (std::uint64_t rest = header.size(), i = 0; i < 8; ++i, rest >>= 8U)
        length.push_back(static_cast<char>(rest & 0xFFU));
    return length + header;
}

RWKV_INLINE SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path, std::vector<TensorInfo> tensors,
                                                 const std::map<std::string, std::string>& metadata)
    : where_(path.string()), tensors_(std::move(tensors)), file_(begin(path, metadata)) {}

RWKV_INLINE void SafetensorsWriter::write(std::span<const std::byte> bytes) {
    if (bytes.size() > bytes_left())
        core::fail<ArgumentError>(where_, {}, {"at most ", bytes_left(), " more bytes"}, {bytes.size()});
    file_.write(bytes);
    position_ += bytes.size();
}

RWKV_INLINE void SafetensorsWriter::finish() {
    for (const TensorInfo& info : tensors_)
        if (info.offset + info.bytes > position_)
            core::fail<ArgumentError>(where_, {"tensor ", core::Quoted{info.name}}, {info.bytes, " bytes written"},
                                      {position_ > info.offset ? position_ - info.offset : 0});
    file_.commit();
}

RWKV_INLINE OutputFile SafetensorsWriter::begin(const std::filesystem::path& path,
                                                const std::map<std::string, std::string>& metadata) {
    const std::string bytes = begin_safetensors(tensors_, metadata, where_);
    position_ = end_ = bytes.size();
    for (const TensorInfo& info : tensors_) end_ += info.bytes;
    OutputFile file(path);
    file.write(std::as_bytes(std::span(bytes)));
    return file;
}

}  // namespace rwkv::inline RWKV_ABI::io
