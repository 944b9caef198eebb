#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
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
    /// Opens no file yet. At most `max_open` are kept open, besides those that callers still use.
    explicit FilePool(std::vector<std::filesystem::path> paths, std::size_t max_open = 16)
        : max_open_(std::max<std::size_t>(max_open, 1)) {
        slots_.reserve(paths.size());
        for (auto& path : paths) slots_.push_back({std::move(path), nullptr, {}});
    }

    std::size_t size() const noexcept { return slots_.size(); }

    /// The path of file `i`.
    const std::filesystem::path& path(std::size_t i) const { return slots_.at(i).path; }

    /// File `i`, which stays open while the pointer lives. Throws FileError where it cannot be opened, and where its
    /// size or date are not those it had when it was first opened: then what was read of it no longer holds.
    std::shared_ptr<const InputFile> open(std::size_t i) {
        const std::lock_guard lock(mutex_);
        Slot& slot = slots_.at(i);
        if (slot.file) {
            const auto place = std::ranges::find(open_, i);
            std::rotate(place, place + 1, open_.end());  // now the most recently used
            return slot.file;
        }
        auto file = std::make_shared<const InputFile>(slot.path);
        const Stamp stamp{file->size(), file->modified()};
        if (!slot.stamp) slot.stamp = stamp;
        if (*slot.stamp != stamp)
            throw FileError(slot.path.string(), slot.path.string() + " has changed since it was first read");
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

}  // namespace rwkv::inline RWKV_ABI::io
