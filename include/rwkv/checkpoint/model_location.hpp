#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <rwkv/checkpoint/directory_files.hpp>
#include <rwkv/checkpoint/model_files.hpp>
#include <rwkv/checkpoint/model_path.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/io/byte_source.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// A pointer to what somebody else keeps alive.
template <class T>
std::shared_ptr<const T> unowned(const T& object) noexcept {
    return {std::shared_ptr<const void>(), &object};
}

/// One source by itself.
class SingleFile final : public ModelFiles {
  public:
    /// The source must outlive the object and what it opens.
    explicit SingleFile(const ByteSource& source) : ModelFiles(source.name()), source_(source) {}

    std::string name_of(const std::string& file) const override { return file; }
    std::vector<std::string> names() const override { return {name()}; }
    std::shared_ptr<const ByteSource> open(const std::string& file) const override {
        return file == name() ? unowned(source_) : nullptr;
    }

  private:
    const ByteSource& source_;
};

/// Where a model is: its files, and the name of the one with its weights, or with their index, where that was given
/// itself. What is given by reference must live as long as the location and what is made of it.
struct ModelLocation {
    /// A directory, a file in one, or a repository in the Hub's cache. Throws: FileError, FormatError where that has no
    /// snapshot.
    ModelLocation(const std::filesystem::path& path) : name(path.string()) {
        const std::filesystem::path resolved = resolve_model_path(path);
        const bool is_folder = detail::is_folder(resolved);
        files = std::make_shared<const DirectoryFiles>(is_folder ? resolved : resolved.parent_path());
        if (!is_folder) weights = resolved.filename().string();
    }
    ModelLocation(const ModelFiles& all) : files(unowned(all)), name(all.name()) {}
    ModelLocation(const ByteSource& source)
        : files(std::make_shared<const SingleFile>(source)), weights(source.name()), name(source.name()) {}

    std::shared_ptr<const ModelFiles> files;
    std::optional<std::string> weights = {};  ///< nothing: to be looked for among `files`
    std::string name;                         ///< what was given, for messages
};

/// The file of that name. Throws: FileError where there is none, or it cannot be opened.
inline std::shared_ptr<const ByteSource> open_file(const ModelFiles& files, const std::string& name) {
    auto source = files.open(name);
    if (!source) core::fail<FileError>(files.name_of(name), {}, {"a file"}, {"none of that name"});
    return source;
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
