// How many cores the programs take, on machines that are made up: trees of files as Linux has them in /proc and /sys.

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "../../examples/processors.hpp"
#include "../support.hpp"

using namespace rwkv::test;

namespace {

struct Machine {
    std::string allowed = "0-3";
    std::string online = "0-3";
    std::vector<std::string> siblings = {};  ///< of each processor; empty: the system does not say
    std::string groups = "0::/\n";
    std::string mounts = "30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    std::map<std::string, std::string> files = {};  ///< below sys/fs/cgroup
};

int cores_of(const Machine& machine) {
    const TempDir root;
    const auto write = [&](const std::string& name, const std::string& text) {
        const std::filesystem::path path = root.path() / name;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path) << text;
    };
    write("proc/self/status", "Name:\tgenerate\nCpus_allowed:\tf\nCpus_allowed_list:\t" + machine.allowed + "\n");
    write("proc/self/cgroup", machine.groups);
    write("proc/self/mountinfo", "22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n" + machine.mounts);
    write("sys/devices/system/cpu/online", machine.online + "\n");
    for (std::size_t i = 0; i < machine.siblings.size(); ++i)
        write("sys/devices/system/cpu/cpu" + std::to_string(i) + "/topology/thread_siblings_list",
              machine.siblings[i] + "\n");
    for (const auto& [name, text] : machine.files) write("sys/fs/cgroup/" + name, text + "\n");
    return processors::allowed_cores(root.path());
}

}  // namespace

TEST_CASE("lists of processors") {
    using Set = std::set<int>;
    CHECK(processors::parse_list("0-3,8") == Set{0, 1, 2, 3, 8});
    CHECK(processors::parse_list("5") == Set{5});
    for (const char* none : {"", "x", "-", "3-1"}) CHECK(processors::parse_list(none).empty());
    CHECK(processors::parse_list("0-999999999").size() <= (1U << 16U) + 1);
    CHECK(processors::parse_list("1,x") == Set{1});
}

TEST_CASE("cores that the process may use") {
    CHECK(cores_of({}) == 4);
    CHECK(cores_of({.allowed = "0-1023"}) == 4);  // a mask may have processors that are not there
    CHECK(cores_of({.allowed = "2"}) == 1);
    CHECK(cores_of({.allowed = "", .online = ""}) == std::max(1, rwkv::thread_count(0)));
    CHECK(processors::allowed_cores() >= 1);
    CHECK(processors::allowed_cores() <= rwkv::thread_count(0));
}

TEST_CASE("processors of one core are counted once") {
    const std::vector<std::string> pairs = {"0,2", "1,3", "0,2", "1,3"}, neighbours = {"0-1", "0-1", "2-3", "2-3"};
    CHECK(cores_of({.siblings = pairs}) == 2);
    CHECK(cores_of({.siblings = neighbours}) == 2);
    CHECK(cores_of({.allowed = "2-3", .siblings = pairs}) == 2);       // the second of each
    CHECK(cores_of({.allowed = "2-3", .siblings = neighbours}) == 1);  // both of one
    CHECK(cores_of({.allowed = "0-3", .online = "1-3", .siblings = {"", "1,3", "2", "1,3"}}) == 2);
    CHECK(cores_of({.siblings = {"0,2", "1,3"}}) == 4);  // as far as it is said
}

TEST_CASE("control groups of version 2") {
    const auto limited = [](const std::string& limit) { return cores_of({.files = {{"cpu.max", limit}}}); };
    CHECK(limited("max 100000") == 4);
    CHECK(limited("200000 100000") == 2);
    CHECK(limited("250000 100000") == 2);
    CHECK(limited("50000 100000") == 1);
    CHECK(limited("900000 100000") == 4);
    for (const char* none : {"", "max", "100000", "x y", "0 0", "-1 100000"}) CHECK(limited(none) == 4);
    // Groups lie within one another, and the least is meant.
    Machine machine{.groups = "0::/user.slice/job\n"};
    machine.files = {{"user.slice/cpu.max", "100000 100000"}, {"user.slice/job/cpu.max", "300000 100000"}};
    CHECK(cores_of(machine) == 1);
    machine.files["user.slice/cpu.max"] = "400000 100000";
    CHECK(cores_of(machine) == 3);
    machine.files["cpu.max"] = "200000 100000";
    CHECK(cores_of(machine) == 2);
    machine.groups = "0::/../elsewhere\n";  // of a process that was moved into a container
    CHECK(cores_of(machine) == 2);
}

TEST_CASE("control groups of version 1") {
    Machine machine{.groups = "9:name=systemd:/\n4:memory:/job\n3:cpu,cpuacct:/docker/1\n0::/\n",
                    .mounts =
                        "31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
                        "32 25 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"};
    const std::string group = "cpu,cpuacct/docker/1/";
    machine.files = {{group + "cpu.cfs_quota_us", "-1"}, {group + "cpu.cfs_period_us", "100000"}};
    CHECK(cores_of(machine) == 4);
    machine.files[group + "cpu.cfs_quota_us"] = "200000";
    CHECK(cores_of(machine) == 2);
    // Seen from within the container: its group is the top of what is mounted.
    machine.mounts = "31 25 0:27 /docker/1 /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n";
    CHECK(cores_of(machine) == 4);  // not there
    machine.files = {{"cpu,cpuacct/cpu.cfs_quota_us", "100000"}, {"cpu,cpuacct/cpu.cfs_period_us", "100000"}};
    CHECK(cores_of(machine) == 1);
    machine.groups = "3:memory:/docker/1\n";  // that of another controller
    CHECK(cores_of(machine) == 4);
}
