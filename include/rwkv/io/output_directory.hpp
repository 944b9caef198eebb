#pragma once

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/io/file.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

/// A directory that is being filled: unless it is kept, the files that were named are removed again, and it, too, if
/// it was made for them. One thread at a time.
class OutputDirectory {
  public:
    /// Makes the directory, or takes an empty one: files of something else beside ours would be taken for a part of it.
    /// FileError for any other.
    explicit OutputDirectory(std::filesystem::path path) : path_(std::move(path)) {
        std::error_code error;
        made_ = std::filesystem::create_directory(path_, error);
        if (made_) return;
        if (error) throw FileError(path_.string(), "", "a directory that can be made or is there", error.message());
        if (!names_in(path_).empty())
            throw FileError(path_.string(), "", "an empty directory, or none", "one that holds files");
    }
    OutputDirectory(const OutputDirectory&) = delete;
    OutputDirectory& operator=(const OutputDirectory&) = delete;
    ~OutputDirectory() {
        std::error_code ignored;
        for (const std::filesystem::path& file : files_) std::filesystem::remove(file, ignored);
        if (made_) std::filesystem::remove(path_, ignored);
    }

    /// The path of a file of that name, which is about to be written.
    const std::filesystem::path& file(const std::string& name) { return files_.emplace_back(path_ / name); }

    /// All that was written is to stay.
    void keep() noexcept {
        files_.clear();
        made_ = false;
    }

  private:
    std::filesystem::path path_;
    std::vector<std::filesystem::path> files_;
    bool made_ = false;
};

}  // namespace rwkv::inline RWKV_ABI::io
