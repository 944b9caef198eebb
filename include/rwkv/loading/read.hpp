#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <rwkv/error.hpp>
#include <rwkv/kernels/quantize.hpp>
#include <rwkv/kernels/thread_pool.hpp>
#include <rwkv/kernels/weight_memory.hpp>
#include <rwkv/loading/plan.hpp>
#include <rwkv/progress.hpp>

namespace rwkv::loading {

/// The first of the elements that is an infinity or NaN, or `count`: by the bits, which needs no conversion.
template <class T>
Index first_not_finite(const T* elements, Index count) noexcept {
    using Bits = std::conditional_t<sizeof(T) == 8, std::uint64_t,
                                    std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint16_t>>;
    static_assert(sizeof(Bits) == sizeof(T));
    constexpr Bits exponent = std::is_same_v<T, double>        ? static_cast<Bits>(0x7ff0000000000000)
                              : std::is_same_v<T, float>       ? static_cast<Bits>(0x7f800000)
                              : std::is_same_v<T, Eigen::half> ? static_cast<Bits>(0x7c00)
                                                               : static_cast<Bits>(0x7f80);
    const auto not_finite = [&](Index i) {
        Bits bits;
        std::memcpy(&bits, elements + i, sizeof bits);
        return (bits & exponent) == exponent;
    };
    constexpr Index block = 256;
    for (Index begin = 0; begin < count; begin += block) {
        const Index end = std::min(begin + block, count);
        bool found = false;
        for (Index i = begin; i < end; ++i) found |= not_finite(i);
        for (Index i = begin; found && i < end; ++i)
            if (not_finite(i)) return i;
    }
    return count;
}

/// Throws for the first of `count` elements, numbered from `first` on, that is no finite number in the file (`from`) or
/// has none in memory (`held`): one such weight turns the whole text into noise.
template <class From, class Held>
void check_finite(const TensorSource& source, const io::CheckpointTensor& tensor, Index first, const From* from,
                  const Held* held, Index count) {
    const Index bad = first_not_finite(held, count);
    if (bad == count) return;
    const auto value = static_cast<double>(from[bad]);
    throw ModelError(source.path(tensor), tensor.info.name,
                     std::isfinite(value) ? "values within the range of the weight format" : "finite weights",
                     std::to_string(value) + " (element " + std::to_string(first + bad) + ")");
}

/// Bytes read and converted at a time: few enough to stay in a processor's own cache until they are checked.
inline constexpr std::size_t piece_bytes = std::size_t(1) << 18;

/// Bytes of scratch of all threads together: where pieces are large, fewer threads read than were asked for.
inline constexpr std::size_t scratch_limit = std::size_t(32) << 20;

/// Calls use with a null pointer to the type of the tensor's elements in the file.
template <class Use>
void with_element_type(const io::CheckpointTensor& tensor, Use&& use) {
    switch (tensor.info.dtype) {
        case DType::f16:
            return use(static_cast<Eigen::half*>(nullptr));
        case DType::bf16:
            return use(static_cast<Eigen::bfloat16*>(nullptr));
        case DType::f64:
            return use(static_cast<double*>(nullptr));
        default:
            return use(static_cast<float*>(nullptr));
    }
}

/// How the elements are read: see LoadOptions.
struct ReadOptions {
    WeightFormat format;
    int threads;
    bool mapped;
    const Progress& progress;
};

/// What the elements are checked and held as: numbers of that type, which are then quantized, or brought to their
/// groups.
template <class Format>
struct HeldType {
    using type = float;
};
template <DenseFormat Format>
struct HeldType<Format> {
    using type = typename Format::Storage;
};
template <class Format>
using Held = typename HeldType<Format>::type;

/// Bytes of scratch that `convert_rows` needs: for the elements as they come, and as numbers of the type they are held
/// as; nothing where these are the same, or have their place already.
struct Scratch {
    std::size_t stored = 0, held = 0;
    std::size_t size() const noexcept { return stored + held; }
};

template <class From, class Format>
constexpr Scratch scratch_of(std::size_t elements, Layout layout) noexcept {
    return {std::is_same_v<From, Held<Format>> ? 0 : elements * sizeof(From),
            layout == Layout::by_row ? 0 : elements * sizeof(Held<Format>)};
}

/// One piece of a matrix: its rows [first, first + rows); where they lie by group, whole groups or the last.
struct Piece {
    Index first, rows, cols;
    Layout layout;
};

/// Sixteen rows side by side, zeros for those past the last: group[c][r] = from[r][c].
template <class T>
void interleave(const T* from, Index rows, Index cols, T* group) noexcept {
    constexpr Index few = 64;  // columns, that what is written stays in the first-level cache
    for (Index begin = 0; begin < cols; begin += few) {
        const Index end = std::min(cols, begin + few);
        for (Index r = 0; r < group_rows; ++r)
            for (Index c = begin; c < end; ++c) group[c * group_rows + r] = r < rows ? from[r * cols + c] : T(0);
    }
}

/// Reads a piece of a tensor of From, checks that its elements are finite, and brings them to where the elements of a
/// matrix of that format begin.
template <class From, class Format>
void convert_rows(const TensorSource& source, const io::CheckpointTensor& tensor, const Piece& piece,
                  std::byte* stored_room, std::byte* held_room, void* to) {
    const auto [first, rows, cols, layout] = piece;
    const Index begin = first * cols, count = rows * cols;
    const std::uint64_t offset = static_cast<std::uint64_t>(begin) * sizeof(From);
    const std::size_t size = static_cast<std::size_t>(count) * sizeof(From);
    auto* const held =
        layout == Layout::by_row ? static_cast<Held<Format>*>(to) + begin : reinterpret_cast<Held<Format>*>(held_room);
    if constexpr (std::is_same_v<From, Held<Format>>) {
        source.checkpoint().read(tensor, offset, {reinterpret_cast<std::byte*>(held), size});
        check_finite(source, tensor, begin, held, held, count);
    } else {
        source.checkpoint().read(tensor, offset, {stored_room, size});
        const auto* const from = reinterpret_cast<const From*>(stored_room);
        Eigen::Map<Vector<Held<Format>>>(held, count) =
            Eigen::Map<const Vector<From>>(from, count).template cast<Held<Format>>();
        check_finite(source, tensor, begin, from, held, count);
    }
    if (layout == Layout::by_row) return;
    const std::size_t group_bytes = WeightMatrix<Format>::bytes(group_rows, cols, layout);
    auto* group = static_cast<std::byte*>(to) + static_cast<std::size_t>(first / group_rows) * group_bytes;
    for (Index r = 0; r < rows; r += group_rows, group += group_bytes) {
        const Index some = std::min(group_rows, rows - r);
        if constexpr (QuantizedFormat<Format>)
            kernels::quantize_group<Format>(held + r * cols, some, cols, group);
        else
            interleave(held + r * cols, some, cols, reinterpret_cast<Held<Format>*>(group));
    }
}

/// Looks at every weight of the model without keeping any, and throws as loading would.
inline void check_weights(const TensorSource& source, const Plan& plan, const Progress& progress) {
    std::vector<std::byte> piece(piece_bytes);
    std::uint64_t done = 0;
    for (const auto& [name, at] : source.all()) {
        const io::CheckpointTensor& tensor = *at;
        for (std::uint64_t offset = 0; offset < tensor.info.bytes; offset += piece_bytes) {
            const auto bytes =
                static_cast<std::size_t>(std::min<std::uint64_t>(piece_bytes, tensor.info.bytes - offset));
            source.checkpoint().read(tensor, offset, std::span(piece).first(bytes));
            with_element_type(tensor, [&]<class From>(From*) {
                const auto* from = reinterpret_cast<const From*>(piece.data());
                check_finite(source, tensor, static_cast<Index>(offset / sizeof(From)), from, from,
                             static_cast<Index>(bytes / sizeof(From)));
            });
            done += bytes;
            if (progress) progress("checking", done, plan.bytes_read());
        }
    }
}

/// The visitor that lays out all matrices in memory allocated once, and reads the vectors; `finish` then reads the
/// elements of the matrices, in pieces of some rows that several threads share out among them.
class Read {
  public:
    Read(const TensorSource& source, const Plan& plan, const ReadOptions& options, bool tied)
        : source_(source),
          options_(options),
          tied_(tied),
          memory_(kernels::allocate_weights(options.mapped ? 0 : plan.bytes_held())),
          total_(plan.bytes_read()) {}

    void vector(const std::string& name, Vector<float>& member, const Shape& shape) {
        const auto size = static_cast<Index>(shape.back());
        const io::CheckpointTensor& tensor = source_.at(name);
        member.resize(size);
        std::vector<std::byte> bytes(tensor.info.bytes);
        with_element_type(tensor, [&]<class From>(From*) {
            convert_rows<From, F32>(source_, tensor, {0, 1, size, Layout::by_row}, bytes.data(), nullptr,
                                    member.data());
        });
        if (name.ends_with(".time_decay")) member = -member.exp();
        done_ += tensor.info.bytes;
    }

    template <class Format>
    void matrix(const std::string& name, WeightMatrix<Format>& member, Index rows, Index cols) {
        matrix_as(name, member, rows, cols, options_.format, Layout::by_group);
    }

    void embeddings(const std::string& name, WeightMatrix<Mixed>& member, Index rows, Index cols) {
        matrix_as(name, member, rows, cols, embeddings_format(options_.format, tied_),
                  embeddings_layout(options_.format, tied_));
    }

    /// Reads what was laid out. Of several faults the one that comes first in the order of the visit is thrown,
    /// whichever thread finds it.
    void finish() {
        std::vector<std::size_t> first_piece;
        std::size_t pieces = 0;
        Scratch scratch;  // of one thread
        for (const Job& job : jobs_) {
            first_piece.push_back(pieces);
            pieces += static_cast<std::size_t>((job.rows + job.rows_a_piece - 1) / job.rows_a_piece);
            scratch.stored = std::max(scratch.stored, job.scratch.stored);
            scratch.held = std::max(scratch.held, job.scratch.held);
        }
        const std::size_t most = std::min(pieces, scratch_limit / std::max<std::size_t>(1, scratch.size()));
        kernels::ThreadPool pool(static_cast<int>(std::min<std::size_t>(threads(), std::max<std::size_t>(1, most))));
        const auto rooms = [&](std::size_t bytes) {
            return std::vector<std::vector<std::byte>>(static_cast<std::size_t>(pool.size()),
                                                       std::vector<std::byte>(bytes));
        };
        std::vector<std::vector<std::byte>> stored = rooms(scratch.stored), held = rooms(scratch.held);

        std::mutex mutex;
        std::exception_ptr error;
        std::atomic<std::size_t> faulty{pieces};  // the first piece at fault so far; those after it are not needed
        std::atomic<std::uint64_t> done{done_};
        std::uint64_t reported = 0;  // by the caller's thread, which is worker 0
        const auto fail = [&](std::size_t piece) {
            const std::lock_guard lock(mutex);
            if (piece < faulty || !error) error = std::current_exception(), faulty = std::min(piece, faulty.load());
        };
        pool.parallel_for(static_cast<Index>(pieces), [&](Index i, int worker) {
            const auto piece = static_cast<std::size_t>(i), thread = static_cast<std::size_t>(worker);
            if (piece >= faulty) return;
            try {
                const auto next = std::ranges::upper_bound(first_piece, piece);
                const auto number = static_cast<std::size_t>(next - first_piece.begin()) - 1;
                const Job& job = jobs_[number];
                const Index first = static_cast<Index>(piece - first_piece[number]) * job.rows_a_piece;
                const Index count = std::min(job.rows_a_piece, job.rows - first);
                job.convert(source_, *job.tensor, {first, count, job.cols, job.layout}, stored[thread].data(),
                            held[thread].data(), job.to);
                done += static_cast<std::uint64_t>(count * job.cols) * bits(job.tensor->info.dtype) / 8;
            } catch (...) {
                fail(piece);
            }
            if (worker != 0 || !options_.progress || piece >= faulty) return;
            try {
                options_.progress("loading", reported = done, total_);
            } catch (...) {
                fail(0);
            }
        });
        if (error) std::rethrow_exception(error);
        if (options_.progress && reported < total_) options_.progress("loading", total_, total_);
    }

  private:
    struct Job {
        const io::CheckpointTensor* tensor;
        Index rows, cols, rows_a_piece;
        Layout layout;
        Scratch scratch;
        void* to;
        void (*convert)(const TensorSource&, const io::CheckpointTensor&, const Piece&, std::byte* stored_room,
                        std::byte* held_room, void* to);
    };

    unsigned threads() const noexcept {
        constexpr unsigned enough = 16;  // each has megabytes of scratch, and memory has no more to give them
        return options_.threads > 0 ? static_cast<unsigned>(options_.threads)
                                    : std::clamp(std::thread::hardware_concurrency(), 1u, enough);
    }

    template <class Format>
    void matrix_as(const std::string& name, WeightMatrix<Format>& member, Index rows, Index cols, WeightFormat format,
                   Layout layout) {
        if constexpr (std::is_same_v<Format, Mixed>) {
            with_format(held_as(source_.at(name).info.dtype, format), [&]<class Own>(Own) {
                WeightMatrix<Own> own;
                matrix_as(name, own, rows, cols, format, layout);
                member = std::move(own);
            });
        } else {
            const io::CheckpointTensor& tensor = source_.at(name);
            if (options_.mapped)
                if (auto mapped = map<Format>(tensor, rows, cols)) {
                    member = std::move(*mapped);
                    done_ += tensor.info.bytes;
                    return;
                }
            const std::size_t room = Plan::room(Format::format, rows, cols, layout);
            const auto own = options_.mapped ? kernels::allocate_weights(room) : memory_;
            std::byte* const at = own.get() + (options_.mapped ? 0 : used_);
            used_ += room;
            if constexpr (QuantizedFormat<Format>)
                member = WeightMatrix<Format>(rows, cols, {own, at});
            else
                member = WeightMatrix<Format>(rows, cols, {own, reinterpret_cast<Held<Format>*>(at)}, layout);
            with_element_type(tensor, [&]<class From>(From*) {
                const auto row_bytes = std::max<Index>(1, cols * static_cast<Index>(sizeof(From)));
                const Index groups = std::max<Index>(1, static_cast<Index>(piece_bytes) / row_bytes / group_rows);
                const Index rows_a_piece = std::min(rows, groups * group_rows);
                jobs_.push_back({&tensor, rows, cols, rows_a_piece, layout,
                                 scratch_of<From, Format>(static_cast<std::size_t>(rows_a_piece * cols), layout), at,
                                 convert_rows<From, Format>});
            });
        }
    }

    /// A matrix in the file's own bytes, where they are of that format and lie as its elements must.
    template <class Format>
    std::optional<WeightMatrix<Format>> map(const io::CheckpointTensor& tensor, Index rows, Index cols) const {
        if constexpr (DenseFormat<Format>) {
            using T = const typename Format::Storage;
            if (tensor.info.dtype != Format::dtype || tensor.info.bytes == 0 || !tensor.info.strides.empty())
                return std::nullopt;
            auto bytes = source_.checkpoint().map(tensor);
            if (reinterpret_cast<std::uintptr_t>(bytes.get()) % alignof(T) != 0) return std::nullopt;
            return WeightMatrix<Format>(rows, cols, {bytes, reinterpret_cast<T*>(bytes.get())});
        }
        return std::nullopt;
    }

    const TensorSource& source_;
    const ReadOptions& options_;
    bool tied_;
    std::shared_ptr<std::byte[]> memory_;
    std::size_t used_ = 0;
    std::vector<Job> jobs_;
    std::uint64_t done_ = 0, total_;
};

}  // namespace rwkv::loading
