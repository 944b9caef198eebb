#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/io/byte_source.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// The files of a model by their names, which are those of a directory from Hugging Face: config.json,
/// model.safetensors (or shards and their index), tokenizer.json. They may be in memory (MemoryFiles) or wherever an
/// application keeps its data, an archive say, of which it derives a class. A directory on disk is read in the same
/// way.
///
/// Thread safety: called by one thread at a time, that of `load_model`.
class RWKV_API ModelFiles {
  public:
    virtual ~ModelFiles() = default;

    /// What they are called together in messages: the path of the directory, "assets.pak".
    const std::string& name() const noexcept { return name_; }

    /// What a file is called in messages: "assets.pak/config.json".
    [[nodiscard]] virtual std::string name_of(const std::string& file) const;

    /// The names of all files, in any order.
    [[nodiscard]] virtual std::vector<std::string> names() const = 0;

    /// Whether there is a file of that name.
    [[nodiscard]] virtual bool contains(const std::string& file) const;

    /// The file of that name, or null where there is none. It is used as long as the pointer lives, also when this
    /// object does no more. What it throws is passed on.
    [[nodiscard]] virtual std::shared_ptr<const ByteSource> open(const std::string& file) const = 0;

  protected:
    explicit ModelFiles(std::string name) : name_(std::move(name)) {}
    ModelFiles(const ModelFiles&) = default;
    ModelFiles(ModelFiles&&) = default;
    ModelFiles& operator=(const ModelFiles&) = default;
    ModelFiles& operator=(ModelFiles&&) = default;

  private:
    std::string name_;
};

/// Files in memory, or from several places:
///
///     rwkv::MemoryFiles files("embedded");
///     files.add("config.json", config_text);
///     files.add("model.safetensors", weights);
///     rwkv::Model model = rwkv::load_model(files);
class RWKV_API MemoryFiles final : public ModelFiles {
  public:
    explicit MemoryFiles(std::string name) : ModelFiles(std::move(name)) {}

    /// Adds a file; a later one of the same name takes its place.
    void add(const std::string& file, std::shared_ptr<const ByteSource> source);

    /// Adds bytes as a MemorySource, which says who keeps them.
    void add(const std::string& file, std::span<const std::byte> bytes, std::shared_ptr<const void> owner = nullptr);
    /// Adds text as a MemorySource.
    void add(const std::string& file, std::string_view text, std::shared_ptr<const void> owner = nullptr);

    [[nodiscard]] std::vector<std::string> names() const override;
    [[nodiscard]] std::shared_ptr<const ByteSource> open(const std::string& file) const override;

  private:
    std::vector<std::pair<std::string, std::shared_ptr<const ByteSource>>> files_;
};

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/checkpoint/model_files.inl>
#endif
