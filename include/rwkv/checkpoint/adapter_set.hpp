#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/checkpoint/adapter.hpp>
#include <rwkv/checkpoint/adapter_config.hpp>
#include <rwkv/checkpoint/checkpoint.hpp>
#include <rwkv/checkpoint/convert_rows.hpp>
#include <rwkv/checkpoint/model_files.hpp>
#include <rwkv/checkpoint/model_location.hpp>
#include <rwkv/checkpoint/rwkv4_tensors.hpp>
#include <rwkv/checkpoint/tensor_names.hpp>
#include <rwkv/checkpoint/tensor_specs.hpp>
#include <rwkv/checkpoint/weight_change.hpp>
#include <rwkv/core/dtype.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/finite.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// What a tensor of an adapter is for: to replace the model's, or as a factor of the product B · A that is added to it.
/// The product of an embedding's factors is the transpose of what is added.
enum class AdapterPart : std::uint8_t { whole, a, b, embedding_a, embedding_b };

/// A tensor's name within an adapter, parsed.
struct AdapterTensorName {
    AdapterPart part = AdapterPart::whole;
    std::string module = {};     ///< of a factor, as Hugging Face or BlinkDL names it: "rwkv.blocks.0.attention.key"
    std::string canonical = {};  ///< of the model's tensor that it changes; empty where RWKV-4 has none of that name
};

/// Parses names as PEFT writes them ("base_model.model.rwkv.blocks.0.attention.key.lora_A.weight") and as RWKV-LM-LoRA
/// does ("blocks.0.att.key.lora_A").
inline AdapterTensorName parse_adapter_tensor_name(std::string_view name) {
    struct Ending {
        std::string_view text;
        AdapterPart part;
    };
    constexpr Ending endings[] = {{".lora_A.weight", AdapterPart::a},
                                  {".lora_B.weight", AdapterPart::b},
                                  {".lora_A", AdapterPart::a},
                                  {".lora_B", AdapterPart::b},
                                  {".lora_embedding_A", AdapterPart::embedding_a},
                                  {".lora_embedding_B", AdapterPart::embedding_b}};
    detail::strip(name, "base_model.model.");
    AdapterTensorName parsed;
    std::string changed(name);
    for (const Ending& ending : endings) {
        if (!name.ends_with(ending.text)) continue;
        parsed.part = ending.part;
        parsed.module = name.substr(0, name.size() - ending.text.size());
        changed = parsed.module + ".weight";
        break;
    }
    // The module beneath an adapter, and a module that is trained whole, have a name of their own within PEFT's.
    for (const std::string_view wrapper : {".base_layer.", ".modules_to_save."})
        if (const auto at = changed.find(wrapper); at != changed.npos && parsed.part == AdapterPart::whole)
            changed.replace(at, wrapper.size(), ".");
    parsed.canonical = parse_tensor_name(changed).canonical;
    return parsed;
}

/// The adapters to be merged into a model. Constructing it opens their files and parses every name in them; then they
/// are checked against the model, tensor by tensor; then `read` reads them.
class AdapterSet {
  public:
    /// Throws: FileError, FormatError, ModelError; ArgumentError for a scale that is not finite.
    AdapterSet(const std::vector<Adapter>& adapters, PytorchReader pytorch) {
        for (const Adapter& adapter : adapters) {
            files_.push_back(open(adapter, pytorch));
            add_tensors(*files_.back());
        }
    }
    AdapterSet(const AdapterSet&) = delete;
    AdapterSet& operator=(const AdapterSet&) = delete;

    /// What the adapters change about the tensor of the model, checked against it; null where that is nothing. It is
    /// valid as long as the set lives. `is_quantized` and `is_tied` say whether the model's own is stored quantized,
    /// and whether embeddings and head are one matrix. Throws: ModelError; ArgumentError for a missing scale.
    const WeightChange* change(const TensorSpec& spec, bool is_quantized, bool is_tied) {
        Change* const found = find(spec.name);
        if (!found) return nullptr;
        found->rows = spec.rows;
        found->cols = spec.cols;
        const bool has_vocabulary = spec.kind == TensorKind::embedding_table || spec.role == TensorRole::head;
        if (is_tied && has_vocabulary)
            fail(found->first(), {"no change to embeddings or head, which are one matrix in this model"}, {"one"});
        if (const Source& whole = found->whole; whole.tensor) {
            const Shape& shape = whole.tensor->info.shape;
            if (has_vocabulary && shape.size() == 2 && shape[0] > static_cast<std::uint64_t>(spec.rows))
                fail(whole, {"the model's ", spec.rows, " tokens"}, {shape[0], ": tokens were added"});
            validate(whole, spec.shape(), "the model");
            found->change.files = &whole.file->checkpoint;
            found->change.replacement = whole.tensor;
        }
        for (const Pair& pair : found->pairs) {
            if (spec.is_vector()) fail(pair.a, {"the factors of a matrix"}, {"those of the vector ", spec.name});
            if (pair.is_embedding != (spec.kind == TensorKind::embedding_table))
                fail(pair.a, {spec.name, pair.is_embedding ? " to be embeddings" : " with lora_embedding_A"},
                     {pair.is_embedding ? "a linear layer" : "lora_A"});
            if (is_quantized && !found->whole.tensor)
                fail(pair.a, {"weights to add to that are not quantized yet"},
                     {spec.name, " that is stored quantized"});
            found->change.rank += validate(pair, spec);
        }
        return &found->change;
    }

    /// Reads the factors of all products. Throws: ModelError where a tensor of an adapter changes none of the model, or
    /// holds a number that is not finite; FileError.
    void read() {
        for (Change& change : changes_)
            if (change.rows == 0)
                fail(change.first(), {"a change to a tensor of the model"},
                     {"one to ", change.name, ", which it does not have"});
        for (Change& change : changes_) read_factors(change);
    }

  private:
    struct File {
        std::string where;
        Checkpoint checkpoint;
        std::optional<AdapterConfig> config;
        std::optional<float> scale;
    };
    /// A tensor of an adapter, or none.
    struct Source {
        const File* file = nullptr;
        const CheckpointTensor* tensor = nullptr;
    };
    /// The factors of a product.
    struct Pair {
        Source a, b;
        std::string module;
        bool is_embedding;
    };
    /// All that adapters change about a tensor of the model.
    struct Change {
        std::string name;  ///< canonical
        Source whole = {};
        std::vector<Pair> pairs = {};  ///< one of an adapter
        Index rows = 0, cols = 0;      ///< of the model's; 0 until it is known to have it
        WeightChange change = {};

        /// One of the tensors that change it.
        const Source& first() const noexcept { return whole.tensor ? whole : pairs.front().a; }
    };

    [[noreturn]] static void fail(const Source& source, core::MessageParts expected, core::MessageParts found) {
        core::fail<ModelError>(source.file->where, {source.tensor->info.name}, expected, found);
    }

    static std::unique_ptr<const File> open(const Adapter& adapter, PytorchReader pytorch) {
        if (adapter.scale && !core::is_finite(*adapter.scale))
            core::fail<ArgumentError>(adapter.path.string(), {"scale"}, {"a finite number"}, {*adapter.scale});
        ModelLocation location = adapter.files ? ModelLocation(*adapter.files) : ModelLocation(adapter.path);
        if (adapter.files && !adapter.path.empty()) location.weights = adapter.path.string();
        const ModelFiles& files = *location.files;
        std::optional<AdapterConfig> config;
        if (files.contains("adapter_config.json"))
            config.emplace(*open_file(files, "adapter_config.json"));
        else if (!location.weights)
            core::fail<FileError>(location.name, {}, {"an adapter: adapter_config.json and adapter_model.safetensors"},
                                  {"no adapter_config.json"});
        if (!location.weights) {
            const bool is_pytorch = !files.contains("adapter_model.safetensors") && files.contains("adapter_model.bin");
            location.weights = is_pytorch ? "adapter_model.bin" : "adapter_model.safetensors";
        }
        const std::optional<float> scale = config && !adapter.scale ? 1.0F : adapter.scale;
        return std::unique_ptr<const File>(
            new File{files.name_of(*location.weights), Checkpoint::open(location, pytorch), std::move(config), scale});
    }

    Change* find(std::string_view name) noexcept {
        for (Change& change : changes_)
            if (change.name == name) return &change;
        return nullptr;
    }

    void add_tensors(const File& file) {
        bool has_factors = false, has_embeddings = false;
        for (const CheckpointTensor& tensor : file.checkpoint.tensors()) {
            AdapterTensorName name = parse_adapter_tensor_name(tensor.info.name);
            const Source source{&file, &tensor};
            if (name.canonical.empty())
                fail(source, {"a name of RWKV-4 weights or of their LoRA factors"}, {"another"});
            Change* change = find(name.canonical);
            if (!change) change = &changes_.emplace_back(Change{.name = std::move(name.canonical)});
            const bool is_first_of_file = change->pairs.empty() || change->pairs.back().a.file != &file;
            if (name.part == AdapterPart::whole) {
                if (change->whole.tensor || (is_first_of_file && !change->pairs.empty()))
                    fail(source, {"a tensor that nothing else changes, to be replaced"},
                         {"a second change to ", change->name});
                change->whole = source;
                has_embeddings = has_embeddings || change->name == rwkv4_tensor(TensorRole::embeddings).name;
                continue;
            }
            has_factors = true;
            const bool is_a = name.part == AdapterPart::a || name.part == AdapterPart::embedding_a;
            const bool is_embedding = name.part >= AdapterPart::embedding_a;
            if (is_first_of_file)
                change->pairs.push_back({{&file, nullptr}, {&file, nullptr}, std::move(name.module), is_embedding});
            Pair& pair = change->pairs.back();
            Source& half = is_a ? pair.a : pair.b;
            if (half.tensor || pair.is_embedding != is_embedding)
                fail(source, {"each factor once"}, {"a second one for ", change->name});
            half = source;
        }
        // A whole model has no factors, but embeddings.
        if (!has_factors && (has_embeddings || file.checkpoint.tensors().empty()))
            core::fail<ModelError>(file.where, {}, {"a LoRA adapter"}, {has_embeddings ? "a model" : "no tensors"});
        for (const Change& change : changes_)
            for (const Pair& pair : change.pairs)
                if (!pair.a.tensor || !pair.b.tensor)
                    fail(pair.a.tensor ? pair.a : pair.b, {"both factors of ", change.name},
                         {"no ", pair.a.tensor ? "lora_B" : "lora_A", " beside it"});
    }

    static void validate(const Source& source, const Shape& shape, const char* why) {
        const TensorInfo& info = source.tensor->info;
        if (info.dtype != DType::f32 && info.dtype != DType::f16 && info.dtype != DType::bf16 &&
            info.dtype != DType::f64)
            fail(source, {"dtype F32, F16, BF16 or F64"}, {core::name(info.dtype)});
        if (info.shape != shape)
            fail(source, {"shape ", core::to_string(shape), " (by ", why, ")"}, {core::to_string(info.shape)});
    }

    /// Checks the factors' shapes. Returns their rank: the config's, or else that which lora_A has.
    static Index validate(const Pair& pair, const TensorSpec& spec) {
        const File& file = *pair.a.file;
        std::optional<Index> rank = file.config ? file.config->rank(pair.module) : std::nullopt;
        if (!rank) {
            const Shape& shape = pair.a.tensor->info.shape;
            if (shape.size() != 2 || shape[0] == 0 || shape[1] == 0)
                fail(pair.a, {"a matrix"}, {"shape ", core::to_string(shape)});
            rank = static_cast<Index>(shape[0]);
        }
        validate(pair.a, matrix_shape(*rank, pair.is_embedding ? spec.rows : spec.cols), "model and rank");
        validate(pair.b, matrix_shape(pair.is_embedding ? spec.cols : spec.rows, *rank), "model and rank");
        if (!file.scale)
            core::fail<ArgumentError>(
                file.where, {"scale"},
                {"lora_alpha / lora_r of its training, which the file does not hold (lora_r is ", *rank, ")"},
                {"none"});
        return *rank;
    }

    /// The numbers of a tensor, in C order.
    static std::vector<float> numbers(const Source& source) {
        const TensorInfo& info = source.tensor->info;
        std::vector<std::byte> bytes(static_cast<std::size_t>(info.bytes));
        source.file->checkpoint.read(*source.tensor, 0, bytes);
        std::vector<float> values(bytes.size() * 8 / core::bits(info.dtype));
        const auto count = static_cast<Index>(values.size());
        detail::decode(info.dtype, bytes.data(), count, values.data());
        const Index bad =
            detail::find_not_below(detail::float_infinity, reinterpret_cast<const std::byte*>(values.data()), count);
        if (bad < count)
            fail(source, {"finite numbers"}, {values[static_cast<std::size_t>(bad)], " (element ", bad, ")"});
        return values;
    }

    /// Reads the factors of all adapters, one beside the other.
    static void read_factors(Change& change) {
        const Index rows = change.rows, cols = change.cols, all_ranks = change.change.rank;
        change.change.left.resize(static_cast<std::size_t>(rows * all_ranks));
        change.change.right.resize(static_cast<std::size_t>(all_ranks * cols));
        float *left = change.change.left.data(), *right = change.change.right.data();
        for (const Pair& pair : change.pairs) {
            const File& file = *pair.a.file;
            const Index rank = static_cast<Index>(pair.a.tensor->info.shape[0]);
            const double trained = file.config ? file.config->scale(pair.module, rank) : 1.0;
            const auto scale = static_cast<float>(trained * static_cast<double>(*file.scale));
            const std::vector<float> a = numbers(pair.a), b = numbers(pair.b);
            // left[row][k] is B[row][k], or A[k][row] of embeddings; right[k][col] is A[k][col], or B[col][k].
            const float* const of_rows = (pair.is_embedding ? a : b).data();
            const float* const of_cols = (pair.is_embedding ? b : a).data();
            for (Index row = 0; row < rows; ++row)
                for (Index k = 0; k < rank; ++k)
                    left[row * all_ranks + k] = scale * of_rows[pair.is_embedding ? k * rows + row : row * rank + k];
            for (Index k = 0; k < rank; ++k)
                for (Index col = 0; col < cols; ++col)
                    right[k * cols + col] = of_cols[pair.is_embedding ? col * rank + k : k * cols + col];
            left += rank;
            right += rank * cols;
        }
    }

    std::vector<std::unique_ptr<const File>> files_;
    std::vector<Change> changes_;
};

}  // namespace rwkv::inline RWKV_ABI::checkpoint
