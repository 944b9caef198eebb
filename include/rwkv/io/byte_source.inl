#pragma once

#include <cstring>
#include <exception>
#include <new>

#include <rwkv/core/checked.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/io/byte_source.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

namespace io::detail {

/// Rethrows the exception that is being handled, as a FileError unless it says already what failed.
[[noreturn]] inline void fail_source(const std::string& name, core::MessageParts failure) {
    try {
        throw;
    } catch (const Error&) {
        throw;
    } catch (const std::bad_alloc&) {
        throw;
    } catch (const std::exception& error) {
        throw FileError(name, core::join({"cannot ", core::join(failure), ": ", error.what()}), error.what());
    } catch (...) {
        throw FileError(name, core::join({"cannot ", core::join(failure), ": an exception"}), "an exception");
    }
}

}  // namespace io::detail

RWKV_INLINE void ByteSource::read(std::uint64_t offset, std::span<std::byte> out) const {
    const auto end = core::checked_add(offset, out.size());
    if (!end) core::fail<FileError>(name_, {}, {"a position within the file"}, {"byte ", offset});
    const auto fail_end = [&](std::uint64_t at) {
        core::fail<FileError>(name_, {}, {"at least ", *end, " bytes"}, {"the end of the file at or before byte ", at});
    };
    if (*end > size_) fail_end(size_);
    while (!out.empty()) {
        std::size_t count = 0;
        try {
            count = do_read(offset, out);
        } catch (...) {
            io::detail::fail_source(name_, {"read ", name_, " at byte ", offset});
        }
        if (count == 0) fail_end(offset);
        if (count > out.size())
            core::fail<FileError>(name_, {}, {"at most ", out.size(), " bytes read at byte ", offset}, {count});
        out = out.subspan(count);
        offset += count;
    }
}

RWKV_INLINE std::shared_ptr<const std::byte[]> ByteSource::map(std::uint64_t offset, std::size_t bytes) const {
    const auto end = core::checked_add(offset, bytes);
    if (bytes == 0 || !end || *end > size_)
        core::fail<FileError>(name_, {}, {"at least ", end.value_or(offset), " bytes to map"}, {size_});
    try {
        return do_map(offset, bytes);
    } catch (...) {
        io::detail::fail_source(name_, {"map ", name_});
    }
}

RWKV_INLINE std::shared_ptr<const std::byte[]> ByteSource::do_map(std::uint64_t, std::size_t) const {
    return nullptr;
}

RWKV_INLINE std::size_t MemorySource::do_read(std::uint64_t offset, std::span<std::byte> out) const {
    std::memcpy(out.data(), bytes_.data() + offset, out.size());
    return out.size();
}

RWKV_INLINE std::shared_ptr<const std::byte[]> MemorySource::do_map(std::uint64_t offset, std::size_t) const {
    return {owner_, bytes_.data() + offset};
}

namespace io {

RWKV_INLINE std::vector<std::byte> bytes_at(const ByteSource& source, std::uint64_t offset, std::uint64_t count) {
    std::vector<std::byte> bytes(count);
    source.read(offset, bytes);
    return bytes;
}

RWKV_INLINE std::string read_text(const ByteSource& source, std::uint64_t max_bytes) {
    if (source.size() > max_bytes)
        core::fail<FormatError>(source.name(), {}, {"at most ", max_bytes, " bytes"}, {source.size()});
    std::string text(source.size(), '\0');
    source.read(0, std::as_writable_bytes(std::span(text)));
    return text;
}

}  // namespace io

}  // namespace rwkv::inline RWKV_ABI
