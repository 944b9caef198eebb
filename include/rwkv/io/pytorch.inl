#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <rwkv/core/checked.hpp>
#include <rwkv/core/dtype.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/core/sort.hpp>
#include <rwkv/io/byte_reader.hpp>
#include <rwkv/io/pickle.hpp>
#include <rwkv/io/pytorch.hpp>
#include <rwkv/io/zip.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

namespace detail {

/// The archive of a PyTorch file: its entries by their names in the one folder that holds all of them.
class PytorchArchive {
  public:
    explicit PytorchArchive(const ByteSource& source) : source_(source), where_(source.name()) {
        for (ZipEntry& entry : read_zip_directory(source)) {
            const std::size_t slash = entry.name.find('/');
            if (root_.empty() && slash != entry.name.npos) root_ = entry.name.substr(0, slash + 1);
            if (root_.empty() || !entry.name.starts_with(root_))
                fail({"entry ", core::Quoted{entry.name}},
                     {root_.empty() ? "a folder" : "it in the folder " + core::quoted(root_)}, {"it outside"});
            std::string name = entry.name.substr(root_.size());
            entries_.emplace(std::move(name), std::move(entry));
        }
        if (entries_.contains("constants.pkl") || std::any_of(entries_.begin(), entries_.end(), [](const auto& entry) {
                return entry.first.starts_with("code/");
            }))
            fail({}, {"a state dict"}, {"a TorchScript program"});
        if (!find("data.pkl")) fail({}, {"a PyTorch file, with data.pkl in it"}, {"another ZIP archive"});
        need("version", "3", true);
        need(".format_version", "1", false);
        need("byteorder", "little", false);
    }

    const ZipEntry* find(const std::string& name) const {
        const auto found = entries_.find(name);
        return found == entries_.end() ? nullptr : &found->second;
    }

    Pickle pickle() const { return parse_pickle(read_zip_entry(source_, *find("data.pkl"), max_pickle_bytes), where_); }

    const std::string& where() const noexcept { return where_; }

  private:
    /// Checks that the entry has this text; it may be absent unless `always`.
    void need(const std::string& name, std::string_view wanted, bool always) const {
        const ZipEntry* entry = find(name);
        if (!entry && !always) return;
        if (!entry) fail({"entry ", core::Quoted{name}}, {core::Quoted{wanted}}, {"none"});
        const std::vector<std::byte> bytes = read_zip_entry(source_, *entry, 64);
        std::string_view text = ByteReader(bytes, where_, name).text(bytes.size());
        if (text.ends_with('\n')) text.remove_suffix(1);
        if (text != wanted) fail({"entry ", core::Quoted{name}}, {core::Quoted{wanted}}, {core::Quoted{text}});
    }

    [[noreturn]] void fail(core::MessageParts subject, core::MessageParts expected, core::MessageParts found) const {
        core::fail<FormatError>(where_, subject, expected, found);
    }

    const ByteSource& source_;
    std::string where_;
    std::string root_;
    std::map<std::string, ZipEntry> entries_;
};

/// Reads the values of a state dict as descriptions of tensors in an archive.
class StateDictReader {
  public:
    explicit StateDictReader(const PytorchArchive& archive) : archive_(archive) {}

    std::vector<TensorInfo> read(const PickleValue& root) {
        if (root.kind != PickleKind::dict) fail({"a dict of tensors"}, {describe(root)});
        std::map<std::string_view, TensorInfo> by_name;
        for (std::size_t i = 0; i < root.items.size(); i += 2) {
            subject_ = core::tensor_subject(root.items[i]->text);
            TensorInfo info = tensor(*root.items[i + 1]);
            info.name = root.items[i]->text;
            if (!by_name.emplace(root.items[i]->text, std::move(info)).second) fail({"each name once"}, {"a second"});
        }
        std::vector<TensorInfo> tensors;
        tensors.reserve(by_name.size());
        for (auto& [name, info] : by_name) tensors.push_back(std::move(info));
        core::sort_stably(tensors, [](const TensorInfo& a, const TensorInfo& b) { return a.offset < b.offset; });
        return tensors;
    }

  private:
    struct Storage {
        DType dtype;
        std::uint64_t offset, elements;
    };
    using Items = std::span<const PickleValue* const>;

    /// `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)`, perhaps within
    /// `_rebuild_parameter(tensor, requires_grad, hooks)`.
    TensorInfo tensor(const PickleValue& value) {
        const PickleValue* call = &value;
        if (const auto parameter = arguments(*call, "torch._utils._rebuild_parameter", 3)) call = (*parameter)[0];
        const auto given = arguments(*call, "torch._utils._rebuild_tensor_v2", 6);
        if (!given) fail({"a tensor"}, {describe(*call), ": no plain state dict (save that alone)"});
        const Items items = *given;

        const Storage storage = this->storage(*items[0]);
        TensorInfo info{.name = {}, .dtype = storage.dtype, .shape = sizes(*items[2], "sizes")};
        info.strides = sizes(*items[3], "strides");
        if (info.strides.size() != info.shape.size())
            fail({"as many strides as sizes"}, {core::to_string(info.strides), " for ", core::to_string(info.shape)});
        const std::uint64_t element = core::bits(info.dtype) / 8;
        const auto elements = core::element_count(info.shape);
        if (!elements || *elements > storage.elements)
            fail({"no more elements than the ", storage.elements, " of its storage"}, {core::to_string(info.shape)});
        const std::uint64_t first = number(*items[1], "an offset");
        check_last(info, first, *elements, storage.elements);
        info.offset = storage.offset + (std::min)(first, storage.elements) * element;
        info.bytes = *elements * element;
        if (lies_in_c_order(info)) info.strides.clear();
        return info;
    }

    /// `('storage', type, key, location, elements)`. The location (cpu, cuda:0) is not used.
    Storage storage(const PickleValue& value) {
        constexpr std::array<std::pair<std::string_view, DType>, 10> types{{{"torch.FloatStorage", DType::f32},
                                                                            {"torch.HalfStorage", DType::f16},
                                                                            {"torch.BFloat16Storage", DType::bf16},
                                                                            {"torch.DoubleStorage", DType::f64},
                                                                            {"torch.LongStorage", DType::i64},
                                                                            {"torch.IntStorage", DType::i32},
                                                                            {"torch.ShortStorage", DType::i16},
                                                                            {"torch.CharStorage", DType::i8},
                                                                            {"torch.ByteStorage", DType::u8},
                                                                            {"torch.BoolStorage", DType::boolean}}};
        constexpr const char* form = "a storage: ('storage', type, key, location, elements)";
        if (value.kind != PickleKind::reference) fail({form}, {describe(value)});
        const PickleValue& tuple = *value.items[0];
        if (tuple.kind != PickleKind::tuple || tuple.items.size() != 5) fail({form}, {"another reference"});
        const Items items = tuple.items;
        const auto type =
            std::find_if(types.begin(), types.end(), [&](const auto& each) { return each.first == items[1]->text; });
        const std::string& key = items[2]->text;
        if (items[0]->kind != PickleKind::text || items[0]->text != "storage" || items[1]->kind != PickleKind::symbol ||
            type == types.end() || items[2]->kind != PickleKind::text)
            fail({form}, {"another reference"});
        if (key.empty() || key.size() > 20 || key.find_first_not_of("0123456789") != key.npos)
            fail({"a storage whose key is a number"}, {core::Quoted{key}});
        const ZipEntry* entry = archive_.find("data/" + key);
        if (!entry) fail({"an entry ", core::Quoted{"data/" + key}}, {"none"});
        const Storage storage{type->second, entry->offset, number(*items[4], "a number of elements")};
        const auto bytes = core::checked_multiply(storage.elements, core::bits(storage.dtype) / 8);
        if (!bytes || *bytes != entry->size)
            fail({"storage ", key, " to have the bytes of ", storage.elements, " elements of ",
                  core::name(storage.dtype)},
                 {entry->size});
        if (types_.emplace(key, storage.dtype).first->second != storage.dtype)
            fail({"one type of storage ", key}, {core::name(storage.dtype), " besides"});
        return storage;
    }

    /// The `count` arguments of a call of `function`; nothing where the value is not such a call.
    std::optional<Items> arguments(const PickleValue& value, std::string_view function, std::size_t count) const {
        if (value.kind != PickleKind::call || value.items[0]->text != function) return std::nullopt;
        const Items items = value.items[1]->items;
        if (items.size() != count) fail({count, " arguments of ", function}, {items.size()});
        return items;
    }

    std::uint64_t number(const PickleValue& value, const char* what) const {
        if (value.kind != PickleKind::integer || value.integer < 0)
            fail({what, " of at least 0"},
                 {value.kind == PickleKind::integer ? std::to_string(value.integer) : "no integer"});
        return static_cast<std::uint64_t>(value.integer);
    }

    Shape sizes(const PickleValue& value, const char* what) const {
        if (value.kind != PickleKind::tuple || value.items.size() > core::max_tensor_rank)
            fail({"at most ", core::max_tensor_rank, " ", what},
                 {value.kind == PickleKind::tuple ? std::to_string(value.items.size()) : "no tuple"});
        Shape numbers;
        for (const PickleValue* item : value.items) numbers.push_back(number(*item, what));
        return numbers;
    }

    /// Checks that the last element, and so each, lies within the storage.
    void check_last(const TensorInfo& info, std::uint64_t first, std::uint64_t elements,
                    std::uint64_t available) const {
        if (elements == 0) return;
        std::uint64_t last = first;
        bool within = first < available;
        for (std::size_t i = 0; within && i < info.shape.size(); ++i) {
            const auto reach = core::checked_multiply(info.shape[i] - 1, info.strides[i]);
            within = reach && *reach < available - last;
            if (within) last += *reach;
        }
        if (!within)
            fail({"elements within the ", available, " of its storage"},
                 {core::to_string(info.shape), " with strides ", core::to_string(info.strides), " from ", first});
    }

    static bool lies_in_c_order(const TensorInfo& info) {
        std::uint64_t inside = 1;
        for (std::size_t i = info.shape.size(); info.bytes > 0 && i-- > 0; inside *= info.shape[i])
            if (info.shape[i] != 1 && info.strides[i] != inside) return false;
        return true;
    }

    [[noreturn]] void fail(core::MessageParts expected, core::MessageParts found) const {
        core::fail<FormatError>(archive_.where(), {subject_}, expected, found);
    }

    const PytorchArchive& archive_;
    std::string subject_;
    std::map<std::string, DType> types_;  ///< of the storages seen so far
};

}  // namespace detail

RWKV_INLINE std::vector<TensorInfo> read_pytorch_tensors(const ByteSource& source) {
    const detail::PytorchArchive archive(source);
    const Pickle pickle = archive.pickle();
    return detail::StateDictReader(archive).read(*pickle.root);
}

}  // namespace rwkv::inline RWKV_ABI::io
