#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include <nlohmann/json.hpp>

#include <rwkv/core/dtype.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/sort.hpp>
#include <rwkv/io/byte_reader.hpp>
#include <rwkv/io/file_kind.hpp>
#include <rwkv/io/json.hpp>
#include <rwkv/io/safetensors.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

namespace detail {

/// Reads one entry of the header. Offsets are from the start of the data.
class SafetensorsEntryReader {
  public:
    SafetensorsEntryReader(const std::string& where, const std::string& name) : where_(where), name_(name) {}

    TensorInfo read(const nlohmann::json& entry) const {
        if (!entry.is_object()) fail({"an object with dtype, shape and data_offsets"}, {describe(entry)});
        TensorInfo info;
        info.name = name_;
        info.dtype = dtype(field(entry, "dtype"));
        info.shape = unsigned_integers(field(entry, "shape"), "shape");
        if (info.shape.size() > core::max_tensor_rank)
            fail({"at most ", core::max_tensor_rank, " dimensions"}, {info.shape.size()});
        const Shape offsets = unsigned_integers(field(entry, "data_offsets"), "data_offsets");
        if (offsets.size() != 2) fail({"two numbers in data_offsets"}, {offsets.size()});
        if (offsets[1] < offsets[0])
            fail({"data_offsets whose end is not before their begin"}, {core::to_string(offsets)});
        info.offset = offsets[0];
        info.bytes = offsets[1] - offsets[0];
        return info;
    }

  private:
    const nlohmann::json& field(const nlohmann::json& entry, const char* key) const {
        const auto member = entry.find(key);
        if (member == entry.end()) fail({"a field ", core::Quoted{key}}, {"none"});
        return *member;
    }

    DType dtype(const nlohmann::json& value) const {
        const auto* text = value.get_ptr<const nlohmann::json::string_t*>();
        const auto known = text ? core::dtype_of(*text) : std::nullopt;
        if (!known) fail({"a known dtype"}, {describe(value)});
        return *known;
    }

    Shape unsigned_integers(const nlohmann::json& value, const char* key) const {
        const auto* list = value.get_ptr<const nlohmann::json::array_t*>();
        if (!list) fail({"a list of integers in ", key}, {describe(value)});
        Shape numbers;
        numbers.reserve(list->size());
        for (const nlohmann::json& item : *list) {
            const auto* number = item.get_ptr<const nlohmann::json::number_unsigned_t*>();
            if (!number) fail({"integers from 0 to 2^64 - 1 in ", key}, {describe(item)});
            numbers.push_back(*number);
        }
        return numbers;
    }

    [[noreturn]] void fail(core::MessageParts expected, core::MessageParts found) const {
        core::fail<FormatError>(where_, {"tensor ", core::Quoted{name_}}, expected, found);
    }

    const std::string& where_;
    const std::string& name_;
};

/// The `__metadata__` member, an object of strings; null counts as empty.
inline std::map<std::string, std::string> safetensors_metadata(nlohmann::json& value, const std::string& where) {
    std::map<std::string, std::string> metadata;
    if (value.is_null()) return metadata;
    auto* members = value.get_ptr<nlohmann::json::object_t*>();
    if (!members) core::fail<FormatError>(where, {"__metadata__"}, {"an object"}, {describe(value)});
    for (auto& [key, text] : *members) {
        auto* string = text.get_ptr<nlohmann::json::string_t*>();
        if (!string)
            core::fail<FormatError>(where, {"__metadata__: ", core::Quoted{key}}, {"a string"}, {describe(text)});
        metadata.emplace(key, std::move(*string));
    }
    return metadata;
}

/// Checks that shape × dtype is the number of bytes of the tensor, without overflow.
inline void check_tensor_bytes(const TensorInfo& info, const std::string& where) {
    const auto fail = [&](core::MessageParts expected, core::MessageParts found) {
        core::fail<FormatError>(where, {"tensor ", core::Quoted{info.name}}, expected, found);
    };
    const std::string wanted = std::string(core::name(info.dtype)) + " " + core::to_string(info.shape);
    const auto total_bits = core::element_count(info.shape, core::bits(info.dtype));
    if (!total_bits) fail({"a size that fits in 64 bits"}, {wanted});
    if (*total_bits % 8 != 0) fail({"a whole number of bytes"}, {wanted});
    if (*total_bits / 8 != info.bytes)
        fail({*total_bits / 8, " bytes for ", wanted}, {info.bytes, " bytes in data_offsets"});
}

/// Checks that the tensors, sorted by offset, cover the `data_size` bytes of data without holes, overlaps and trailing
/// bytes.
inline void check_layout(const std::vector<TensorInfo>& tensors, std::uint64_t data_size, const std::string& where) {
    std::uint64_t position = 0;
    for (const TensorInfo& info : tensors) {
        if (info.offset != position)
            core::fail<FormatError>(where, {"tensor ", core::Quoted{info.name}},
                                    {"data to begin where the previous tensor's ends, at ", position},
                                    {(info.offset < position ? "an overlap: begin " : "a hole: begin "), info.offset});
        position = info.offset + info.bytes;  // an end that was read, so it fits
        check_tensor_bytes(info, where);
        if (position > data_size)
            core::fail<FormatError>(where, {"tensor ", core::Quoted{info.name}},
                                    {"data up to byte ", position, " of the data section"},
                                    {"a file cut short: the section has ", data_size, " bytes"});
    }
    if (position != data_size)
        core::fail<FormatError>(where, {}, {"the file to end with its last tensor"},
                                {data_size - position, " bytes more"});
}

}  // namespace detail

RWKV_INLINE std::uint64_t safetensors_header_length(std::string_view first_bytes, std::uint64_t file_size,
                                                    const std::string& where) {
    const auto fail = [&](core::MessageParts expected, core::MessageParts found) {
        if (const auto kind = file_kind(first_bytes); !kind.empty())
            core::fail<FormatError>(where, {}, {"a safetensors file"}, {kind});
        core::fail<FormatError>(where, {}, expected, found);
    };
    if (first_bytes.size() < 8 || file_size < 8) fail({"a safetensors file: at least 8 bytes"}, {file_size});
    const std::uint64_t length = ByteReader(std::as_bytes(std::span(first_bytes)), where, "").u64();
    constexpr auto is_text = [](char c) { return (c >= ' ' && c <= '~') || c == '\n' || c == '\r' || c == '\t'; };
    if (std::all_of(first_bytes.begin(), first_bytes.begin() + 8, is_text)) fail({"a safetensors file"}, {"a text"});
    if (length > max_safetensors_header) fail({"a header of at most ", max_safetensors_header, " bytes"}, {length});
    if (length > file_size - 8)
        fail({"a header of ", length, " bytes, as the file says"},
             {"a file cut short: ", file_size - 8, " bytes after its length"});
    return length;
}

RWKV_INLINE SafetensorsHeader parse_safetensors_header(std::string_view text, std::uint64_t file_size,
                                                       const std::string& where) {
    SafetensorsHeader header;
    header.data_begin = 8 + text.size();
    if (header.data_begin > file_size)
        core::fail<FormatError>(where, {"header"}, {"a file of at least ", header.data_begin, " bytes"}, {file_size});
    const JsonDocument rest = parse_json(text, where, "header", [&](const std::string& key, nlohmann::json& value) {
        if (key == "__metadata__")
            header.metadata = detail::safetensors_metadata(value, where);
        else
            header.tensors.push_back(detail::SafetensorsEntryReader(where, key).read(value));
        return true;
    });
    if (!rest.root.is_object()) core::fail<FormatError>(where, {"header"}, {"a JSON object"}, {describe(rest.root)});
    core::sort_stably(header.tensors, [](const TensorInfo& a, const TensorInfo& b) {
        if (a.offset != b.offset) return a.offset < b.offset;
        return a.bytes != b.bytes ? a.bytes < b.bytes : a.name < b.name;
    });
    detail::check_layout(header.tensors, file_size - header.data_begin, where);
    for (TensorInfo& info : header.tensors) info.offset += header.data_begin;  // at most file_size
    return header;
}

RWKV_INLINE SafetensorsHeader read_safetensors_header(const ByteSource& file) {
    const std::string& where = file.name();
    std::string text(static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), 64)), '\0');
    file.read(0, std::as_writable_bytes(std::span(text)));
    const std::uint64_t length = safetensors_header_length(text, file.size(), where);
    text.assign(static_cast<std::size_t>(length), '\0');
    file.read(8, std::as_writable_bytes(std::span(text)));
    return parse_safetensors_header(text, file.size(), where);
}

}  // namespace rwkv::inline RWKV_ABI::io
