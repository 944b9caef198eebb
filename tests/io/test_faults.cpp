// What happens when the system fails: reads that end in an error or come in pieces, and memory that runs out.
// This file takes the place of pread and operator new for the whole program and passes everything through
// unless told.
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <map>
#include <new>
#include <span>
#include <string>
#include <vector>

#include <unistd.h>
#include <cerrno>

#if defined(__linux__)
#include <sys/syscall.h>
#endif

#include "../catch.hpp"
#include "../support.hpp"
#include "safetensors_bytes.hpp"

#include <rwkv/io/checkpoint.hpp>
#include <rwkv/io/config_json.hpp>
#include <rwkv/io/pytorch.hpp>
#include <rwkv/io/safetensors_writer.hpp>

namespace {

// Of the calls of this thread: how many succeed before one fails, and whether all fail from then on.
constexpr long never = std::numeric_limits<long>::max();
thread_local long news_before_failure = never;
thread_local bool news_fail_for_good = false;
thread_local std::size_t live_bytes = 0, most_bytes = 0;

thread_local long reads_before_fault = never;
thread_local int read_error = 0;            // errno of the read at fault, or 0: it finds the end of the file
thread_local std::size_t largest_read = 0;  // 0: any
thread_local long reads_seen = 0;

bool fails(long& left, bool for_good) {
    if (left == never) return false;
    if (left > 0) {
        --left;
        return false;
    }
    if (!for_good) left = never;
    return true;
}

// Each block is preceded by its size.
constexpr std::size_t prefix = alignof(std::max_align_t);

void* allocate(std::size_t size) {
    if (fails(news_before_failure, news_fail_for_good)) return nullptr;
    auto* block = static_cast<std::byte*>(std::malloc(size + prefix));
    if (!block) return nullptr;
    *reinterpret_cast<std::size_t*>(block) = size;
    live_bytes += size;
    most_bytes = std::max(most_bytes, live_bytes);
    return block + prefix;
}

void release(void* memory) {
    if (!memory) return;
    auto* block = static_cast<std::byte*>(memory) - prefix;
    live_bytes -= *reinterpret_cast<std::size_t*>(block);
    std::free(block);
}

}  // namespace

void* operator new(std::size_t size) {
    if (void* memory = allocate(size)) return memory;
    throw std::bad_alloc();
}
void* operator new[](std::size_t size) {
    return ::operator new(size);
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return allocate(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    return allocate(size);
}
void operator delete(void* memory) noexcept {
    release(memory);
}
void operator delete[](void* memory) noexcept {
    release(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    release(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
    release(memory);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
    release(memory);
}
void operator delete[](void* memory, const std::nothrow_t&) noexcept {
    release(memory);
}

#if defined(__linux__) && defined(SYS_pread64) && defined(__LP64__)
extern "C" ssize_t pread(int file, void* out, size_t size, off_t offset) {
    ++reads_seen;
    if (fails(reads_before_fault, false)) {
        if (read_error == 0) return 0;
        errno = read_error;
        return -1;
    }
    if (largest_read > 0 && size > largest_read) size = largest_read;
    return ::syscall(SYS_pread64, file, out, size, offset);
}
#endif

using namespace rwkv::test;
using rwkv::io::Checkpoint;

namespace {

const std::string header = header_of(entry("U8", "[10]", "[0,10]"));

/// Whether this program's own pread is the one that is called.
bool reads_are_ours(const std::filesystem::path& file) {
    const long before = reads_seen;
    rwkv::io::read_text(file, 1'000'000);
    if (reads_seen > before) return true;
    WARN("skipped: this system reads by another function");
    return false;
}

std::string load(const std::filesystem::path& path) {
    const Checkpoint checkpoint = Checkpoint::open(path);
    std::string text(10, '?');
    checkpoint.read(*checkpoint.find("t"), 0, std::as_writable_bytes(std::span(text)));
    return text;
}

}  // namespace

TEST_CASE("reads that fail, are interrupted, or come in pieces", "[faults]") {
    const TempDir directory;
    const auto path = directory.write("model.safetensors", file_of(header, "0123456789"));
    if (!reads_are_ours(path)) return;
    struct Row {
        int error;
        std::size_t largest;
        std::vector<std::string> expected;  ///< when a read is at fault
    };
    const std::vector<Row> rows{
        {EIO, 0, {"FileError " + path.string(), "expected to read byte ", "Input/output error"}},
        {EISDIR, 0, {"FileError", "Is a directory"}},
        {EINTR, 0, {"accepted"}},
        {EINTR, 1, {"accepted"}},
        {0, 0, {"FileError " + path.string(), "the end of the file at or before byte"}},
        {0, 1, {"FileError", "the end of the file"}},
        {EIO, 3, {"FileError", "Input/output error"}},
    };
    for (const Row& row : rows) {
        long faults = 0;
        for (long k = 0;; ++k) {
            reads_before_fault = k;
            read_error = row.error;
            largest_read = row.largest;
            std::string text;
            const std::string found = outcome([&] { text = load(path); });
            const bool was_at_fault = reads_before_fault == never;
            reads_before_fault = never;
            largest_read = 0;
            if (found == "accepted") CHECK(text == "0123456789");
            if (!was_at_fault) {
                CHECK(found == "accepted");
                break;
            }
            ++faults;
            INFO("read " << k << ": " << found);
            CHECK(as_expected(found, row.expected));
        }
        CHECK(faults >= 3);
    }
}

TEST_CASE("memory that runs out at any point is reported, and nothing is lost", "[faults]") {
    const TempDir directory;
    const std::string name = std::string(50, 'n');
    const auto large = header_of(entry("U8", "[10]", "[0,10]")).substr(1);
    directory.write("one.safetensors", file_of(R"({"__metadata__":{"format":"pt"},)" + large, "0123456789"));
    directory.write("two.safetensors", file_of("{\"" + name + "\":" + entry("U8", "[1]", "[0,1]") + "}", "x"));
    directory.write(
        "model.safetensors.index.json",
        R"({"metadata":{"total_size":-1},"weight_map":{"t":"one.safetensors",")" + name + R"(":"two.safetensors"}})");
    const auto config = directory.write("config.json", R"({"hidden_size":8,"architectures":["RwkvForCausalLM"]})");
    const auto written = directory.path() / "written.safetensors";
    const std::size_t files_before = directory.count();

    const std::map<std::string, std::function<void()>> actions{
        {"open", [&] { load(directory.path()); }},
        {"pytorch",
         [&] {
             const auto file = std::filesystem::path(RWKV_FIXTURES_DIR) / "pytorch" / "new.pth";
             const Checkpoint checkpoint = Checkpoint::open(file, rwkv::io::read_pytorch_tensors);
             std::vector<std::byte> bytes(96);
             checkpoint.read(*checkpoint.find("turned"), 0, bytes);
         }},
        {"config", [&] { rwkv::io::read_config(config); }},
        {"refusal", [&] { rwkv::io::parse_config(R"({"hidden_size":"eight, written out"})", "config.json"); }},
        {"write",
         [&] {
             rwkv::TensorInfo info;
             info.name = "a tensor with a name of some length";
             info.shape = {2};
             rwkv::io::SafetensorsWriter writer(written, {info}, {{"format", "pt"}});
             writer.write(std::as_bytes(std::span("1234567")));
             writer.finish();
             std::filesystem::remove(written);
         }},
    };
    for (const auto& [action, call] : actions)
        for (const bool for_good : {false, true}) {
            long failures = 0;
            for (long k = 0;; ++k) {
                const std::size_t live = live_bytes;
                bool ran_out = false;
                news_before_failure = k;
                news_fail_for_good = for_good;
                try {
                    call();
                } catch (const std::bad_alloc&) {
                    ran_out = true;
                } catch (const rwkv::Error&) {
                }
                const bool failed = for_good ? news_before_failure == 0 : news_before_failure == never;
                news_before_failure = never;
                CHECK(live_bytes == live);
                CHECK(directory.count() == files_before);
                if (!failed) break;
                failures += ran_out;
            }
            INFO(action << ", " << failures << " failures reported");
            CHECK(failures >= 5);
        }
    CHECK(load(directory.path()) == "0123456789");
}

TEST_CASE("a header's memory stays in proportion", "[faults]") {
    std::string attack = "{", good = "{";
    for (int i = 0; i < 100'000; ++i) {
        const std::string key = (i ? ",\"t" : "\"t") + std::to_string(i) + "\":";
        attack += key + entry("I32", "[2,2]", "[0,16]");
        good += key + entry("U8", "[1]", "[" + std::to_string(i) + "," + std::to_string(i + 1) + "]");
    }
    const std::string attack_file = file_of(attack + "}", z(16)), good_file = file_of(good + "}", z(100'000));
    for (const std::string* file : {&attack_file, &good_file}) {
        const std::size_t before = live_bytes;
        most_bytes = live_bytes;
        const std::string found = outcome([&] { parse(*file); });
        INFO(found.substr(0, 200) << ": " << most_bytes - before << " bytes");
        CHECK((found == "accepted") == (file == &good_file));
        CHECK(most_bytes - before < 100'000'000 - file->size());
        CHECK(live_bytes <= before + 1000);
    }
}
