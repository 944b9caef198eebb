#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// Bytes with random access, such as a file on disk or memory (MemorySource). For an archive or a database, an
/// application derives a class:
///
///     class Asset : public rwkv::ByteSource {
///       public:
///         explicit Asset(Handle handle) : ByteSource(name_of(handle), size_of(handle)), handle_(handle) {}
///       private:
///         std::size_t do_read(std::uint64_t offset, std::span<std::byte> out) const override {
///             return read_at(handle_, offset, out.data(), out.size());
///         }
///         Handle handle_;
///     };
///
/// Thread safety: any number of threads may call `read` and `map` at once, and so `do_read` and `do_map` must be safe
/// to call at once, too. With LoadOptions::threads 1, only the loading thread calls them.
class RWKV_API ByteSource {
  public:
    virtual ~ByteSource() = default;

    /// The name of the source in messages: a path, or "model.safetensors in assets.pak".
    const std::string& name() const noexcept { return name_; }

    /// The number of bytes.
    std::uint64_t size() const noexcept { return size_; }

    /// Fills `out` with the bytes from `offset` on.
    ///
    /// Throws: FileError, naming the source, if these bytes are not within its size, if there are fewer than it said,
    /// or if `do_read` throws a std::exception; rwkv::Error and std::bad_alloc are passed on.
    void read(std::uint64_t offset, std::span<std::byte> out) const;

    /// The bytes (at least one) from `offset` on, in memory and without a copy; null if they are not in memory and have
    /// to be read. They remain valid while the pointer lives, even after the source is destroyed. Throws: as `read`.
    [[nodiscard]] std::shared_ptr<const std::byte[]> map(std::uint64_t offset, std::size_t bytes) const;

  protected:
    ByteSource(std::string name, std::uint64_t size) : name_(std::move(name)), size_(size) {}
    ByteSource(const ByteSource&) = default;
    ByteSource(ByteSource&&) = default;
    ByteSource& operator=(const ByteSource&) = default;
    ByteSource& operator=(ByteSource&&) = default;

  private:
    /// Fills the beginning of `out` (at least one byte, all within `size()`) with the bytes from `offset` on. Returns
    /// the number of bytes read, which may be less than `out` has: the rest is then asked for. 0 means that there are
    /// no more, and is an error, as is whatever is thrown.
    virtual std::size_t do_read(std::uint64_t offset, std::span<std::byte> out) const = 0;

    /// As `map`, for bytes within `size()`.
    virtual std::shared_ptr<const std::byte[]> do_map(std::uint64_t offset, std::size_t bytes) const;

    std::string name_;
    std::uint64_t size_;
};

/// Bytes in memory.
class RWKV_API MemorySource final : public ByteSource {
  public:
    /// `owner`, if given, owns the bytes, and is kept for as long as they are used. Without it the caller owns them,
    /// and they must outlive the source and, where LoadOptions::mapped leaves weights in them, the model.
    MemorySource(std::string name, std::span<const std::byte> bytes, std::shared_ptr<const void> owner = nullptr)
        : ByteSource(std::move(name), bytes.size()), bytes_(bytes), owner_(std::move(owner)) {}

    /// The same of text.
    MemorySource(std::string name, std::string_view text, std::shared_ptr<const void> owner = nullptr)
        : MemorySource(std::move(name), {reinterpret_cast<const std::byte*>(text.data()), text.size()},
                       std::move(owner)) {}

  private:
    std::size_t do_read(std::uint64_t offset, std::span<std::byte> out) const override;
    std::shared_ptr<const std::byte[]> do_map(std::uint64_t offset, std::size_t bytes) const override;

    std::span<const std::byte> bytes_;
    std::shared_ptr<const void> owner_;
};

namespace io {

/// The `count` bytes of a source from `offset` on. Throws as its `read` does.
[[nodiscard]] std::vector<std::byte> bytes_at(const ByteSource& source, std::uint64_t offset, std::uint64_t count);

/// All bytes of a source. Throws as its `read` does; FormatError, before anything is read, where there are more than
/// `max_bytes`.
[[nodiscard]] std::string read_text(const ByteSource& source, std::uint64_t max_bytes);

}  // namespace io

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/io/byte_source.inl>
#endif
