#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/checkpoint/model_files.hpp>
#include <rwkv/io/byte_source.hpp>

#include "support.hpp"

namespace rwkv::test {

/// Files of an application's own, one after the other in one block of memory, as a game's are. The test
/// decides what each read gives.
class Archive final : public ModelFiles {
  public:
    /// Stands before each read of a file: the number of all reads before it, and how many bytes to read at most. May
    /// throw, or return something else than the number given: how many bytes the file says it has read.
    using OnRead = std::function<std::size_t(std::size_t number, std::size_t bytes)>;

    explicit Archive(OnRead on_read = {}) : ModelFiles("archive"), contents_(std::make_shared<Contents>()) {
        contents_->on_read = std::move(on_read);
    }

    /// Adds a file, which says that it has `size` bytes.
    void add(const std::string& file, const std::string& bytes, std::uint64_t size) {
        entries_[file] = {contents_->bytes.size(), bytes.size(), size};
        contents_->bytes += bytes;
    }
    void add(const std::string& file, const std::string& bytes) { add(file, bytes, bytes.size()); }

    /// Adds all files of a directory.
    void add_directory(const std::filesystem::path& directory) {
        for (const auto& entry : std::filesystem::directory_iterator(directory))
            add(entry.path().filename().string(), read_all(entry.path()));
    }

    std::vector<std::string> names() const override {
        std::vector<std::string> names;
        for (const auto& [name, entry] : entries_) names.push_back(name);
        return names;
    }

    std::shared_ptr<const ByteSource> open(const std::string& file) const override {
        const auto found = entries_.find(file);
        if (found == entries_.end()) return nullptr;
        return std::make_shared<const File>(name_of(file), found->second, contents_);
    }

    /// Of all files together.
    std::size_t reads() const { return contents_->reads; }

  private:
    struct Entry {
        std::size_t begin, bytes;
        std::uint64_t size;
    };
    struct Contents {
        std::string bytes;
        OnRead on_read;
        std::atomic<std::size_t> reads{0};
    };

    class File final : public ByteSource {
      public:
        File(std::string name, Entry entry, std::shared_ptr<Contents> contents)
            : ByteSource(std::move(name), entry.size), entry_(entry), contents_(std::move(contents)) {}

      private:
        std::size_t do_read(std::uint64_t offset, std::span<std::byte> out) const override {
            const std::size_t number = contents_->reads++;
            std::size_t count =
                std::min<std::uint64_t>(out.size(), entry_.bytes - std::min<std::uint64_t>(offset, entry_.bytes));
            const std::size_t said = contents_->on_read ? contents_->on_read(number, count) : count;
            count = std::min(count, said);
            if (count > 0) std::memcpy(out.data(), contents_->bytes.data() + entry_.begin + offset, count);
            return said;
        }

        Entry entry_;
        std::shared_ptr<Contents> contents_;
    };

    std::map<std::string, Entry> entries_;
    std::shared_ptr<Contents> contents_;
};

/// All files of a directory in memory, which they own.
inline MemoryFiles in_memory(const std::filesystem::path& directory) {
    MemoryFiles files("memory");
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        const auto bytes = std::make_shared<const std::string>(read_all(entry.path()));
        files.add(entry.path().filename().string(), *bytes, bytes);
    }
    return files;
}

}  // namespace rwkv::test
