#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include <rwkv/checkpoint/convert_rows.hpp>
#include <rwkv/checkpoint/progress_meter.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/process_id.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/kernels/executor.hpp>
#include <rwkv/kernels/thread_pool.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// Rows of a tensor to be read and converted.
struct RowRange {
    const CheckpointTensor* tensor;
    RowConversion conversion;
    Index first, rows;  ///< `first` is a multiple of kernels::group_rows
    std::byte* to;      ///< the first of these rows in memory

    std::size_t pieces() const noexcept {
        return static_cast<std::size_t>((rows + conversion.rows_per_piece - 1) / conversion.rows_per_piece);
    }
    /// Reads and converts piece number `piece`. Returns the bytes read.
    std::uint64_t read_piece(std::size_t piece, RowConverter& converter) const {
        const Index begin = static_cast<Index>(piece) * conversion.rows_per_piece;
        const Index count = (std::min)(conversion.rows_per_piece, rows - begin);
        converter.convert(*tensor, conversion, first + begin, count, to + conversion.target_offset(begin));
        return conversion.stored_bytes(count);
    }
};

/// The number of threads that read where `requested` were asked for: 0 means all processors that the process may use,
/// but no more than 16, since memory is then busy and each thread has megabytes of scratch.
inline int reading_threads(int requested) noexcept {
    constexpr int max_threads = 16;
    return requested > 0 ? requested : (std::min)(thread_count(0), max_threads);
}

/// Bytes of scratch of all threads together: where rows are large, fewer threads read than were asked for.
inline constexpr std::size_t max_scratch_bytes = std::size_t(32) << 20;

/// Reads and converts the ranges, in pieces of some rows that the threads take in turn. Progress is reported by the
/// caller's thread. Throws: as RowConverter and ProgressMeter; of several errors the first in the order of the ranges,
/// whichever thread finds it; ArgumentError in a child that a callback of progress made by fork() and returned in,
/// which has none of the threads that read.
inline void read_in_parallel(const Checkpoint& checkpoint, std::span<const RowRange> ranges, int threads,
                             ProgressMeter& meter) {
    std::vector<std::size_t> first_piece;
    std::size_t pieces = 0, stored_scratch = 0, float_scratch = 0, group_scratch = 0;
    for (const RowRange& range : ranges) {
        first_piece.push_back(pieces);
        pieces += range.pieces();
        stored_scratch = (std::max)(stored_scratch, range.conversion.stored_scratch());
        float_scratch = (std::max)(float_scratch, range.conversion.float_scratch());
        group_scratch = (std::max)(group_scratch, range.conversion.group_scratch());
    }
    const std::size_t scratch = stored_scratch + float_scratch * sizeof(float) + group_scratch;
    const std::size_t useful_threads = (std::min)(pieces, max_scratch_bytes / std::max<std::size_t>(1, scratch));
    ThreadPool pool(
        (std::min)(reading_threads(threads), static_cast<int>(std::clamp<std::size_t>(useful_threads, 1, 1024))));
    std::vector<RowConverter> converters;
    for (int i = 0; i < pool.threads(); ++i)
        converters.emplace_back(checkpoint, stored_scratch, float_scratch, group_scratch);

    const std::int64_t process = core::process_id();
    const auto is_child = [process] { return core::process_id() != process; };
    std::mutex mutex;
    std::exception_ptr error;
    std::atomic<std::size_t> failed_piece{pieces};  // the first so far; later ones need not be read any more
    std::atomic<std::uint64_t> done{meter.done()};
    const auto fail = [&](std::size_t piece) {
        // In a child of fork() nobody else is left, but a thread of the parent may have had the mutex.
        std::unique_lock lock(mutex, std::defer_lock);
        if (!is_child()) lock.lock();
        if (piece >= failed_piece && error) return;
        error = std::current_exception();
        failed_piece = (std::min)(piece, failed_piece.load());
    };
    kernels::parallel_for(pool, static_cast<Index>(pieces), [&](Index i, int worker) {
        const auto piece = static_cast<std::size_t>(i);
        if (piece >= failed_piece) return;
        try {
            const auto next = std::upper_bound(first_piece.begin(), first_piece.end(), piece);
            const auto range = static_cast<std::size_t>(next - first_piece.begin()) - 1;
            done += ranges[range].read_piece(piece - first_piece[range], converters[static_cast<std::size_t>(worker)]);
        } catch (...) {
            fail(piece);
        }
        if (worker != 0 || piece >= failed_piece) return;
        try {
            meter.report(done);
            if (pool.threads() > 1 && is_child())
                core::fail<ArgumentError>("loading", {"progress"},
                                          {"a callback that returns in the process that loads"},
                                          {"a child of fork(), which has none of its threads"});
        } catch (...) {
            fail(0);
        }
    });
    if (error) std::rethrow_exception(error);
    meter.add(done - meter.done());
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
