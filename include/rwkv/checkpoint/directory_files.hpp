#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/checkpoint/model_files.hpp>
#include <rwkv/io/file.hpp>
#include <rwkv/io/file_pool.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// The files of a directory on disk, of which only some are open at once.
class DirectoryFiles final : public ModelFiles {
  public:
    explicit DirectoryFiles(std::filesystem::path path) : ModelFiles(path.string()), path_(std::move(path)) {}

    std::string name_of(const std::string& file) const override { return (path_ / file).string(); }

    /// Throws FileError where the directory cannot be read.
    std::vector<std::string> names() const override {
        return io::names_in(path_.empty() ? std::filesystem::path(".") : path_);
    }

    /// Also a link that leads nowhere counts, which `open` reports.
    bool contains(const std::string& file) const override { return io::is_present(path_ / file); }

    /// Never null. Throws FileError where the file cannot be opened.
    std::shared_ptr<const ByteSource> open(const std::string& file) const override {
        return std::make_shared<const io::PooledFile>(pool_, path_ / file);
    }

  private:
    std::filesystem::path path_;
    std::shared_ptr<io::FilePool> pool_ = std::make_shared<io::FilePool>();
};

}  // namespace rwkv::inline RWKV_ABI::checkpoint
