#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/io/file.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

/// Any number of files of which only a few are open at once: the others are opened again when they are needed.
///
/// Thread safety: any number of threads may call its functions at once.
class FilePool {
  public:
    /// At most `max_open` files are kept open, besides those that callers still use.
    explicit FilePool(std::size_t max_open = 16) : max_open_(std::max<std::size_t>(max_open, 1)) {}

    /// Adds a file, which is not opened yet, and returns its number.
    std::size_t add(std::filesystem::path path) {
        const std::lock_guard lock(mutex_);
        slots_.push_back({std::move(path), nullptr, {}});
        return slots_.size() - 1;
    }

    /// File `i`, which stays open while the pointer lives. Throws FileError where it cannot be opened, and where its
    /// size or date are not those it had when it was first opened: then what was read of it no longer holds.
    std::shared_ptr<const InputFile> open(std::size_t i) {
        const std::lock_guard lock(mutex_);
        Slot& slot = slots_.at(i);
        if (slot.file) {
            const auto place = std::find(open_.begin(), open_.end(), i);
            std::rotate(place, place + 1, open_.end());  // now the most recently used
            return slot.file;
        }
        auto file = std::make_shared<const InputFile>(slot.path);
        const Stamp stamp{file->size(), file->modified()};
        if (!slot.stamp) slot.stamp = stamp;
        if (*slot.stamp != stamp) throw FileError(file->name(), file->name() + " has changed since it was first read");
        if (open_.size() == max_open_) {
            slots_[open_.front()].file.reset();
            open_.erase(open_.begin());
        }
        open_.push_back(i);
        slot.file = std::move(file);
        return slot.file;
    }

  private:
    struct Stamp {
        std::uint64_t size;
        std::int64_t modified;
        bool operator==(const Stamp&) const = default;
    };
    struct Slot {
        std::filesystem::path path;
        std::shared_ptr<const InputFile> file;  ///< null: closed
        std::optional<Stamp> stamp;
    };

    std::mutex mutex_;
    std::vector<Slot> slots_;
    std::vector<std::size_t> open_;  ///< the open slots, least recently used first
    std::size_t max_open_;
};

/// A file of a pool, which it keeps alive.
class PooledFile final : public ByteSource {
  public:
    /// Opens the file. Throws as FilePool::open, as do `read` and `map`.
    PooledFile(std::shared_ptr<FilePool> pool, std::filesystem::path path)
        : PooledFile(pool, pool->add(std::move(path))) {}

  private:
    PooledFile(const std::shared_ptr<FilePool>& pool, std::size_t i)
        : ByteSource(pool->open(i)->name(), pool->open(i)->size()), pool_(pool), number_(i) {}

    std::size_t do_read(std::uint64_t offset, std::span<std::byte> out) const override {
        pool_->open(number_)->read(offset, out);
        return out.size();
    }
    std::shared_ptr<const std::byte[]> do_map(std::uint64_t offset, std::size_t bytes) const override {
        return pool_->open(number_)->map(offset, bytes);
    }

    std::shared_ptr<FilePool> pool_;
    std::size_t number_;
};

}  // namespace rwkv::inline RWKV_ABI::io
