#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/io/file.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

namespace detail {

inline bool is_folder(const std::filesystem::path& path) {
    std::error_code ignored;
    return std::filesystem::is_directory(path, ignored);
}

/// The directory of the commit that is used of a repository in the Hub's cache: of what `refs/main` says, or the only
/// one there.
inline std::filesystem::path snapshot_of(const std::filesystem::path& repository) {
    const auto snapshots = repository / "snapshots", main = repository / "refs" / "main";
    if (io::is_present(main)) {
        std::string commit = io::read_text(main, 1000);
        commit.erase(commit.find_last_not_of(" \t\r\n") + 1);
        // From a file, so it must not lead elsewhere.
        if (commit.empty() || commit.find_first_not_of("0123456789abcdefABCDEF") != commit.npos)
            core::fail<FormatError>(main.string(), {}, {"the number of a commit"}, {core::Quoted{commit}});
        if (const auto snapshot = snapshots / commit; is_folder(snapshot)) return snapshot;
        core::fail<FileError>(snapshots.string(), {}, {"the directory ", commit, ", which refs/main names"},
                              {"none (an unfinished download?)"});
    }
    const std::vector<std::string> commits = io::names_in(snapshots);
    if (commits.size() == 1) return snapshots / commits[0];
    core::fail<FileError>(snapshots.string(), {}, {"one directory, or refs/main beside it that names one"},
                          {commits.size()});
}

}  // namespace detail

/// Where a model lies that was asked for by `path`: there, or, where that is a repository in the cache of Hugging
/// Face's Hub (`models--RWKV--rwkv-4-169m-pile`, or `snapshots` in it), in its snapshot. Throws: FileError, FormatError
/// for such a folder without the snapshot.
inline std::filesystem::path resolve_model_path(const std::filesystem::path& path) {
    const auto plain = path.has_filename() ? path : path.parent_path();  // without a separator at its end
    const auto is_repository = [](const std::filesystem::path& folder) {
        return detail::is_folder(folder / "snapshots") &&
               (folder.filename().string().starts_with("models--") || detail::is_folder(folder / "blobs"));
    };
    if (is_repository(plain)) return detail::snapshot_of(plain);
    if (plain.filename().string().starts_with("models--") && detail::is_folder(plain / "refs"))
        core::fail<FileError>(plain.string(), {}, {"the directory snapshots in it"},
                              {"none (an unfinished download?)"});
    if (plain.filename() == "snapshots" && is_repository(plain.parent_path()))
        return detail::snapshot_of(plain.parent_path());
    return path;
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
