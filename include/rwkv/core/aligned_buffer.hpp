#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::core {

/// Owned, uninitialised bytes that begin on a cache line. Large ones lie on huge pages where the system grants them:
/// reading weights through a hundred thousand small pages costs a tenth of the bandwidth and more. Neither layout nor
/// allocation depends on compiler flags, so that differently compiled source files may share buffers. Move only.
class AlignedBuffer {
  public:
    /// No bytes.
    AlignedBuffer() = default;
    /// Throws: std::bad_alloc.
    explicit AlignedBuffer(std::size_t bytes) : size_(bytes) {
        constexpr std::size_t huge_page = std::size_t(2) << 20, cache_line = 64;
        const std::size_t alignment = bytes >= huge_page ? huge_page : cache_line;
        if (bytes > static_cast<std::size_t>(-1) - alignment) throw std::bad_alloc();
        const std::size_t allocated = (bytes + alignment - 1) / alignment * alignment;
        memory_ = {static_cast<std::byte*>(::operator new(allocated, std::align_val_t(alignment))), Free{alignment}};
#if defined(__linux__)
        if (alignment == huge_page) ::madvise(memory_.get(), allocated, MADV_HUGEPAGE);  // a hint: may be refused
#endif
    }

    AlignedBuffer(AlignedBuffer&& other) noexcept
        : memory_(std::move(other.memory_)), size_(std::exchange(other.size_, 0)) {}
    AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
        memory_ = std::move(other.memory_);
        size_ = std::exchange(other.size_, 0);
        return *this;
    }

    /// The first byte; null for a buffer made without a size.
    [[nodiscard]] std::byte* data() noexcept {
        return memory_.get();
    }
    [[nodiscard]] const std::byte* data() const noexcept {
        return memory_.get();
    }
    /// Bytes.
    [[nodiscard]] std::size_t size() const noexcept {
        return size_;
    }

    /// Hands the bytes over to shared ownership. Throws: std::bad_alloc, and then nothing is handed over.
    [[nodiscard]] std::shared_ptr<std::byte[]> share() && {
        std::shared_ptr<std::byte[]> shared(std::move(memory_));
        size_ = 0;
        return shared;
    }

  private:
    struct Free {
        std::size_t alignment;
        void operator()(std::byte* memory) const noexcept { ::operator delete(memory, std::align_val_t(alignment)); }
    };

    std::unique_ptr<std::byte[], Free> memory_;
    std::size_t size_ = 0;
};

/// A fixed number of numbers in an AlignedBuffer, zeros when constructed. Copying is a named call. Move only.
template <class T>
class Array {
    static_assert(std::is_arithmetic_v<T>);

  public:
    /// No numbers.
    Array() = default;
    /// Throws: std::bad_alloc.
    explicit Array(Index size) : buffer_(static_cast<std::size_t>(size) * sizeof(T)), size_(size) {
        std::fill_n(data(), size, T(0));
    }
    Array(Array&& other) noexcept : buffer_(std::move(other.buffer_)), size_(std::exchange(other.size_, 0)) {}
    Array& operator=(Array&& other) noexcept {
        buffer_ = std::move(other.buffer_);
        size_ = std::exchange(other.size_, 0);
        return *this;
    }

    /// The same numbers in memory of their own. Throws: std::bad_alloc.
    [[nodiscard]] Array copy() const {
        Array result(size_);
        std::copy_n(data(), size_, result.data());
        return result;
    }

    [[nodiscard]] Index size() const noexcept { return size_; }
    [[nodiscard]] T* data() noexcept { return reinterpret_cast<T*>(buffer_.data()); }
    [[nodiscard]] const T* data() const noexcept { return reinterpret_cast<const T*>(buffer_.data()); }
    [[nodiscard]] T& operator[](Index i) noexcept { return data()[i]; }
    [[nodiscard]] const T& operator[](Index i) const noexcept { return data()[i]; }
    [[nodiscard]] T* begin() noexcept { return data(); }
    [[nodiscard]] T* end() noexcept { return data() + size_; }
    [[nodiscard]] const T* begin() const noexcept { return data(); }
    [[nodiscard]] const T* end() const noexcept { return data() + size_; }

  private:
    AlignedBuffer buffer_;
    Index size_ = 0;
};

}  // namespace rwkv::inline RWKV_ABI::core
