// A pickle, by itself and as the state dict of an archive that is sound; of an input that is an archive, its data.pkl.
#include <string>
#include <string_view>
#include <vector>

#include <rwkv/io/pickle.hpp>
#include <rwkv/io/pytorch.hpp>
#include <rwkv/io/zip.hpp>

#include "../io/memory_file.hpp"
#include "fuzz.hpp"
#include "pytorch_tensors.hpp"

namespace {

using namespace rwkv;

/// A ZIP archive of those files, uncompressed and without sums to hold them against.
class Archive {
  public:
    void add(std::string_view name, std::string_view bytes) {
        const std::size_t at = bytes_.size();
        const auto fields = [&](std::string& to, bool central) {
            to += central ? "PK\1\2" : "PK\3\4";
            if (central) number(to, 20, 2);
            number(to, 0, 14);  // version, flags, method, time, date, CRC
            number(to, bytes.size(), 4), number(to, bytes.size(), 4), number(to, name.size(), 2), number(to, 0, 2);
            if (central) number(to, 0, 10), number(to, at, 4);
            to += name;
        };
        fields(bytes_, false);
        bytes_ += bytes;
        fields(directory_, true);
        ++count_;
    }
    std::string finish() {
        const std::size_t at = bytes_.size();
        bytes_ += directory_ + "PK\5\6";
        number(bytes_, 0, 4), number(bytes_, count_, 2), number(bytes_, count_, 2);
        number(bytes_, directory_.size(), 4), number(bytes_, at, 4), number(bytes_, 0, 2);
        return bytes_;
    }

  private:
    static void number(std::string& to, std::size_t value, std::size_t bytes) {
        for (; bytes > 0; --bytes, value >>= 8U)
            to.push_back(static_cast<char>(static_cast<unsigned char>(value & 255U)));
    }

    std::string bytes_, directory_;
    std::size_t count_ = 0;
};

/// The data.pkl of an archive, or the input itself.
std::string pickle_of(std::string_view input) {
    std::string pickle(input);
    if (!input.starts_with("PK")) return pickle;
    const test::MemoryFile file(pickle);
    fuzz::accepts([&] {
        for (const io::ZipEntry& entry : io::read_zip_directory(file))
            if (entry.name.ends_with("/data.pkl")) pickle.assign(input.substr(entry.offset, entry.size));
    });
    return pickle;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string pickle = pickle_of(fuzz::text_of(data, size));
    fuzz::accepts([&] { return io::parse_pickle(std::as_bytes(std::span(pickle)), "file"); });
    Archive archive;
    archive.add("a/data.pkl", pickle);
    archive.add("a/data/0", std::string(24, 'x'));
    archive.add("a/data/1", std::string(16, 'y'));
    archive.add("a/version", "3\n");
    const test::MemoryFile file(archive.finish());
    const std::size_t whole = file.size();
    bool sound = false;
    fuzz::accepts([&] { sound = io::read_zip_directory(file).size() == 4; });
    fuzz::require(sound, "the archive is sound");
    fuzz::accepts([&] { fuzz::check_tensors(io::read_pytorch_tensors(file), whole); });
    return 0;
}
