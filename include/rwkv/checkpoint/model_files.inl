#pragma once

#include <rwkv/checkpoint/model_files.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

RWKV_INLINE std::string ModelFiles::name_of(const std::string& file) const {
    return name_.empty() ? file : name_ + "/" + file;
}

RWKV_INLINE bool ModelFiles::contains(const std::string& file) const {
    for (const std::string& name : names())
        if (name == file) return true;
    return false;
}

RWKV_INLINE void MemoryFiles::add(const std::string& file, std::shared_ptr<const ByteSource> source) {
    for (auto& [name, present] : files_)
        if (name == file) {
            present = std::move(source);
            return;
        }
    files_.emplace_back(file, std::move(source));
}

RWKV_INLINE void MemoryFiles::add(const std::string& file, std::span<const std::byte> bytes,
                                  std::shared_ptr<const void> owner) {
    add(file, std::make_shared<const MemorySource>(name_of(file), bytes, std::move(owner)));
}

RWKV_INLINE void MemoryFiles::add(const std::string& file, std::string_view text, std::shared_ptr<const void> owner) {
    add(file, std::make_shared<const MemorySource>(name_of(file), text, std::move(owner)));
}

RWKV_INLINE std::vector<std::string> MemoryFiles::names() const {
    std::vector<std::string> names;
    for (const auto& [name, source] : files_) names.push_back(name);
    return names;
}

RWKV_INLINE std::shared_ptr<const ByteSource> MemoryFiles::open(const std::string& file) const {
    for (const auto& [name, source] : files_)
        if (name == file) return source;
    return nullptr;
}

}  // namespace rwkv::inline RWKV_ABI
