#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <rwkv/kernels/thread_pool.hpp>

#if defined(_WIN32)
#include "windows.hpp"
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

/// Counts what this process may compute with.
namespace processors {

/// The processors of a list as Linux writes them: "0-3,8".
inline std::set<int> parse_list(std::string_view text) {
    constexpr int max_processors = 1 << 16;
    std::set<int> all;
    const char* at = text.data();
    const char* const end = at + text.size();
    for (;;) {
        int first = 0;
        auto [next, error] = std::from_chars(at, end, first);
        if (error != std::errc()) return all;
        int last = first;
        if (next != end && *next == '-') next = std::from_chars(next + 1, end, last).ptr;
        for (int i = first; i >= 0 && i <= std::min(last, max_processors); ++i) all.insert(i);
        if (next == end || *next != ',') return all;
        at = next + 1;
    }
}

namespace detail {

inline std::string first_line(const std::filesystem::path& file) {
    std::string line;
    std::ifstream stream(file);
    std::getline(stream, line);
    return line;
}

/// The words of a line.
inline std::vector<std::string> words(const std::string& line) {
    std::vector<std::string> all;
    for (std::size_t at = 0; (at = line.find_first_not_of(" \t", at)) != line.npos;) {
        const std::size_t end = std::min(line.find_first_of(" \t", at), line.size());
        all.push_back(line.substr(at, end - at));
        at = end;
    }
    return all;
}

/// Whether a list of words between commas has that one.
inline bool has(const std::string& list, const std::string& word) {
    return ("," + list + ",").find("," + word + ",") != std::string::npos;
}

/// The processor time for each second that a control group may use, or 0 where it has no limit.
inline double quota_of(const std::filesystem::path& group) {
    const auto number = [](const std::string& text) {
        long long value = 0;  // "max" is none
        static_cast<void>(std::from_chars(text.data(), text.data() + text.size(), value));
        return static_cast<double>(value);
    };
    std::vector<std::string> limit = words(first_line(group / "cpu.max"));  // version 2
    if (limit.empty()) limit = {first_line(group / "cpu.cfs_quota_us"), first_line(group / "cpu.cfs_period_us")};
    if (limit.size() != 2) return 0;
    const double quota = number(limit[0]), period = number(limit[1]);
    return quota > 0 && period > 0 ? quota / period : 0;
}

/// The same for this process, whose groups lie within one another.
inline double quota(const std::filesystem::path& root) {
    double least = 0;
    std::ifstream groups(root / "proc/self/cgroup");
    for (std::string group; std::getline(groups, group);) {  // "4:cpu,cpuacct:/path", and of version 2 "0::/path"
        const std::size_t first = group.find(':'), second = group.find(':', first + 1);
        if (first == group.npos || second == group.npos) continue;
        const std::string controllers = group.substr(first + 1, second - first - 1);
        if (!controllers.empty() && !has(controllers, "cpu")) continue;
        const std::filesystem::path path(group.substr(second + 1));

        // "25 30 0:24 /docker/1 /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu": what of the groups lies where.
        std::ifstream mounts(root / "proc/self/mountinfo");
        for (std::string line; std::getline(mounts, line);) {
            const std::vector<std::string> mount = words(line);
            const auto dash = std::find(mount.begin(), mount.end(), "-");
            if (dash - mount.begin() < 5 || mount.end() - dash < 4) continue;
            const bool fits = controllers.empty() ? dash[1] == "cgroup2" : dash[1] == "cgroup" && has(dash[3], "cpu");
            if (!fits) continue;
            // In a container's namespace the path may lie outside what is seen: then the limit is that of the top.
            const std::filesystem::path top = root / std::filesystem::path(mount[4]).relative_path();
            std::filesystem::path below = path.lexically_relative(mount[3]);
            if (below.empty() || *below.begin() == "..") below = ".";
            for (std::filesystem::path at = (top / below).lexically_normal();; at = at.parent_path()) {
                const double own = quota_of(at);
                if (own > 0 && (least == 0 || own < least)) least = own;
                if (at == top.lexically_normal() || !at.has_relative_path()) break;
            }
        }
    }
    return least;
}

#if defined(_WIN32)
inline int system_cores() {
    DWORD bytes = 0;
    ::GetLogicalProcessorInformation(nullptr, &bytes);
    std::vector<SYSTEM_LOGICAL_PROCESSOR_INFORMATION> all(bytes / sizeof(SYSTEM_LOGICAL_PROCESSOR_INFORMATION));
    DWORD_PTR allowed = 0, present = 0;
    if (all.empty() || !::GetLogicalProcessorInformation(all.data(), &bytes) ||
        !::GetProcessAffinityMask(::GetCurrentProcess(), &allowed, &present))
        return 0;
    int cores = 0;
    for (const SYSTEM_LOGICAL_PROCESSOR_INFORMATION& one : all)
        if (one.Relationship == RelationProcessorCore && (one.ProcessorMask & allowed) != 0) ++cores;
    return cores;
}
#elif defined(__APPLE__)
inline int system_cores() {
    for (const char* name : {"hw.perflevel0.physicalcpu", "hw.physicalcpu"}) {  // those that are fast, if not all are
        int cores = 0;
        std::size_t bytes = sizeof cores;
        if (::sysctlbyname(name, &cores, &bytes, nullptr, 0) == 0 && cores > 0) return cores;
    }
    return 0;
}
#else
inline int system_cores() {
    return 0;
}
#endif

}  // namespace detail

/// The number of physical cores that this process may use: of the processors of its affinity mask, those of one core
/// once, and no more than the processor time that its control groups allow. At least 1; where the system does not tell,
/// all processors. `root` is where Linux's /proc and /sys are.
inline int allowed_cores(const std::filesystem::path& root = "/") {
    std::set<int> allowed;
    std::ifstream status(root / "proc/self/status");
    constexpr std::string_view key = "Cpus_allowed_list:";
    for (std::string line; std::getline(status, line);)
        if (line.starts_with(key)) {
            const std::vector<std::string> list = detail::words(line.substr(key.size()));
            if (!list.empty()) allowed = parse_list(list[0]);
        }
    const std::filesystem::path system = root / "sys/devices/system/cpu";
    if (const std::set<int> online = parse_list(detail::first_line(system / "online")); !online.empty())
        std::erase_if(allowed, [&](int processor) { return !online.contains(processor); });
    int cores = 0;
    for (const int processor : allowed) {
        const std::filesystem::path topology = system / ("cpu" + std::to_string(processor)) / "topology";
        std::string siblings = detail::first_line(topology / "thread_siblings_list");
        if (siblings.empty()) siblings = detail::first_line(topology / "core_cpus_list");
        bool is_first = true;  // of those of its core that are allowed
        for (const int sibling : parse_list(siblings))
            if (sibling < processor && allowed.contains(sibling)) is_first = false;
        cores += is_first;
    }
    if (cores == 0) cores = detail::system_cores();
    if (cores == 0) cores = rwkv::thread_count(0);
    const double quota = detail::quota(root);
    if (quota > 0 && quota < cores) cores = static_cast<int>(quota);
    return std::clamp(cores, 1, 1024);
}

}  // namespace processors
