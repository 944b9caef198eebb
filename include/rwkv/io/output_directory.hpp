#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/io/file.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

/// A directory that is being filled. Unless `keep` is called, its destructor removes the files that were named, and the
/// directory, too, if it was created for them.
///
/// Thread safety: one thread at a time.
class OutputDirectory {
  public:
    /// Creates the directory, or uses an empty one: other files beside ours would be taken for a part of it. Throws
    /// FileError.
    explicit OutputDirectory(std::filesystem::path path) : path_(std::move(path)) {
        std::error_code error;
        created_ = std::filesystem::create_directory(path_, error);
        if (created_) return;
        const std::string where = path_.string();
        if (error) throw FileError(where, "cannot create the directory " + where, error);
        if (const std::vector<std::string> names = names_in(path_); !names.empty())
            core::fail<FileError>(where, {}, {"an empty directory, or none"}, {"one that holds ", described(names)});
    }
    OutputDirectory(const OutputDirectory&) = delete;
    OutputDirectory& operator=(const OutputDirectory&) = delete;
    ~OutputDirectory() {
        std::error_code ignored;
        for (const std::filesystem::path& file : files_) std::filesystem::remove(file, ignored);
        if (created_) std::filesystem::remove(path_, ignored);
    }

    /// The path of a file of that name, which the caller is about to write.
    const std::filesystem::path& file(const std::string& name) { return files_.emplace_back(path_ / name); }

    /// Keeps all that was written.
    void keep() noexcept {
        files_.clear();
        created_ = false;
    }

  private:
    /// What is in the way, and what to do about it. The first name is that of a file half written, if there is one.
    static std::string described(const std::vector<std::string>& names) {
        std::size_t shown = 0;
        for (std::size_t i = 0; i < names.size(); ++i)
            if (names[i].starts_with(temporary_prefix)) shown = i;
        const bool half_written = names[shown].starts_with(temporary_prefix);
        std::string text = core::quoted(names[shown]);
        if (half_written) text += ", left by a program that was ended while it wrote";
        if (names.size() > 1) text += core::join({half_written ? "," : "", " and ", names.size() - 1, " more"});
        return text + ": remove what is there, or name another directory";
    }

    std::filesystem::path path_;
    std::vector<std::filesystem::path> files_;
    bool created_ = false;
};

}  // namespace rwkv::inline RWKV_ABI::io
