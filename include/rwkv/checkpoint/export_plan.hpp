#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/checkpoint/parallel_read.hpp>
#include <rwkv/checkpoint/plan.hpp>
#include <rwkv/core/progress.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// A tensor on its way from one file to another.
struct Item {
    const CheckpointTensor* from;
    TensorInfo to;  ///< name (Hugging Face's), dtype and shape
    WeightFormat format;
    Index rows, cols;
};

/// The visitor that lists a model's tensors as a file of that format has them. Only matrices are brought to it: vectors
/// and embeddings (unless these are the head, too) keep their type, as they do in memory, and F64 becomes F32.
class Items {
  public:
    Items(const Preparation& model, WeightFormat format) : model_(model), format_(format) {}

    void vector(const std::string& name, const Vector<float>&, const Shape& shape) {
        const CheckpointTensor& from = model_.source.at(name);
        const WeightFormat format = held_as(from.info.dtype, WeightFormat::stored);
        add(name, from, dense_type(format), shape, format, 1, static_cast<Index>(shape.back()));
    }
    template <class Format>
    void matrix(const std::string& name, const WeightMatrix<Format>&, Index rows, Index cols) {
        matrix_as(name, model_.source.at(name), format_, rows, cols);
    }
    void embeddings(const std::string& name, const WeightMatrix<Mixed>&, Index rows, Index cols) {
        matrix_as(name, model_.source.at(name), embeddings_format(format_, model_.head == Head::tied), rows, cols);
    }
    /// The head, of the tensor of that name.
    void head(const std::string& name, Index rows, Index cols) {
        matrix_as("head.weight", model_.source.at(name), format_, rows, cols);
    }

    std::vector<Item> take() { return std::move(items_); }

  private:
    static DType dense_type(WeightFormat format) {
        return with_format(format, []<class Format>(Format) {
            if constexpr (DenseFormat<Format>) return Format::dtype;
            return DType::u8;
        });
    }

    void matrix_as(const std::string& name, const CheckpointTensor& from, WeightFormat asked, Index rows, Index cols) {
        const WeightFormat format = held_as(model_.source, from, asked);
        const Shape shape = is_quantized(format) ? quantized_shape(format, rows, cols) : matrix_shape(rows, cols);
        add(name, from, dense_type(format), shape, format, rows, cols);
    }

    void add(const std::string& name, const CheckpointTensor& from, DType dtype, const Shape& shape,
             WeightFormat format, Index rows, Index cols) {
        // A base model without a head stays one: its names have no prefix.
        const bool prefixed = model_.head != Head::none && name != "head.weight";
        items_.push_back({&from,
                          {.name = prefixed ? "rwkv." + name : name,
                           .dtype = dtype,
                           .shape = shape,
                           .bytes = *element_count(shape, bits(dtype)) / 8},
                          format,
                          rows,
                          cols});
    }

    const Preparation& model_;
    WeightFormat format_;
    std::vector<Item> items_;
};

/// All tensors of a model prepared for that format, in the order of for_each_tensor, the head last.
inline std::vector<Item> items_of(const Preparation& model, WeightFormat format) {
    Items items(model, format);
    Weights<F32> outline;
    outline.config = model.config;
    outline.blocks.resize(static_cast<std::size_t>(model.config.num_hidden_layers));
    for_each_tensor(outline, items);
    const Index vocabulary = model.config.vocab_size, hidden = model.config.hidden_size;
    if (model.head == Head::own) items.head("head.weight", vocabulary, hidden);
    if (model.head == Head::tied && !head_is_shared(format)) items.head("embeddings.weight", vocabulary, hidden);
    return items.take();
}

/// Bytes of a tensor in memory while it is converted, at least a piece.
inline constexpr std::size_t window_bytes = std::size_t(16) << 20;

/// Reads and converts the item, by several threads, and gives its bytes to `sink` from the first to the last in spans
/// of `window` bytes or so. Throws as loading does.
template <class Sink>
void stream(const TensorSource& source, const Item& item, int threads, Meter& meter, Sink&& sink,
            std::size_t window = window_bytes) {
    const Conversion how = with_format(item.format, [&]<class Format>(Format) {
        return conversion_to<Format>(*item.from, item.rows, item.cols,
                                     QuantizedFormat<Format> ? Layout::by_group : Layout::by_row);
    });
    const auto piece = std::max<std::size_t>(1, how.size(how.rows_a_piece, item.cols));
    const Index step = how.rows_a_piece * static_cast<Index>(std::max<std::size_t>(1, window / piece));
    std::vector<std::byte> bytes(how.size(std::min(step, item.rows), item.cols));
    for (Index first = 0; first < item.rows; first += step) {
        const Index rows = std::min(step, item.rows - first);
        const Job job{item.from, how, first, rows, item.cols, bytes.data()};
        run(source, {&job, 1}, threads, meter);
        sink(std::span<const std::byte>(bytes).first(how.size(rows, item.cols)));
    }
}

/// Looks at every weight of the model without keeping any, and throws as loading would.
inline void check_weights(const Preparation& model, const Progress& progress) {
    Meter meter{"checking", progress, model.plan.bytes_read()};
    for (const Item& item : items_of(model, WeightFormat::stored)) stream(model.source, item, 0, meter, [](auto) {});
    meter.finish();
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
