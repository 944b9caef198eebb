#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <span>
#include <string_view>
#include <thread>
#include <vector>

#include <rwkv/checkpoint/convert_rows.hpp>
#include <rwkv/core/progress.hpp>
#include <rwkv/kernels/thread_pool.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// Rows of a tensor to be read and converted.
struct Job {
    const CheckpointTensor* tensor;
    Conversion how;
    Index first, rows, cols;
    std::byte* to;  ///< where the first of the rows belongs

    std::size_t pieces() const noexcept {
        return static_cast<std::size_t>((rows + how.rows_a_piece - 1) / how.rows_a_piece);
    }
};

/// Bytes done of all there are, and who is told of them.
struct Meter {
    std::string_view stage;
    const Progress& progress;
    std::uint64_t total, done = 0, reported = 0;

    void report(std::uint64_t bytes) {
        reported = bytes;
        if (progress && !progress(stage, bytes, total)) throw Cancelled(std::string(stage));
    }
    /// Everything is done.
    void finish() {
        if (reported < total) report(total);
    }
};

/// Threads for that wish (0: as many as there are processors, up to 16).
inline int loading_threads(int wish) noexcept {
    constexpr unsigned enough = 16;  // each has megabytes of scratch, and memory has no more to give them
    return wish > 0 ? wish : static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, enough));
}

/// Does the jobs, in pieces of some rows that several threads share out among them. Of several faults the one that
/// comes first in the order of the jobs is thrown, whichever thread finds it. Progress is told by the caller's thread.
inline void run(const TensorSource& source, std::span<const Job> jobs, int threads, Meter& meter) {
    std::vector<std::size_t> first_piece;
    std::size_t pieces = 0;
    Scratch scratch;  // of one thread
    for (const Job& job : jobs) {
        first_piece.push_back(pieces);
        pieces += job.pieces();
        scratch.stored = std::max(scratch.stored, job.how.scratch.stored);
        scratch.held = std::max(scratch.held, job.how.scratch.held);
    }
    const std::size_t most = std::min(pieces, scratch_limit / std::max<std::size_t>(1, scratch.size()));
    kernels::ThreadPool pool(
        std::min(loading_threads(threads), static_cast<int>(std::clamp<std::size_t>(most, 1, 1024))));
    const auto rooms = [&](std::size_t bytes) {
        return std::vector<std::vector<std::byte>>(static_cast<std::size_t>(pool.size()),
                                                   std::vector<std::byte>(bytes));
    };
    std::vector<std::vector<std::byte>> stored = rooms(scratch.stored), held = rooms(scratch.held);

    std::mutex mutex;
    std::exception_ptr error;
    std::atomic<std::size_t> faulty{pieces};  // the first piece at fault so far; those after it are not needed
    std::atomic<std::uint64_t> done{meter.done};
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
            const Job& job = jobs[number];
            const Index begin = static_cast<Index>(piece - first_piece[number]) * job.how.rows_a_piece;
            const Index rows = std::min(job.how.rows_a_piece, job.rows - begin);
            done += job.how.rows(source, *job.tensor, {job.first + begin, rows, job.cols, job.how.layout},
                                 stored[thread].data(), held[thread].data(), job.to + job.how.size(begin, job.cols));
        } catch (...) {
            fail(piece);
        }
        if (worker != 0 || piece >= faulty) return;
        try {
            meter.report(done);
        } catch (...) {
            fail(0);
        }
    });
    if (error) std::rethrow_exception(error);
    meter.done = done;
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
