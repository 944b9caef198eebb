#pragma once

#include <algorithm>
#include <array>
#include <initializer_list>

#include <rwkv/core/tensor.hpp>
#include <rwkv/kernels/executor.hpp>
#include <rwkv/kernels/matmul_context.hpp>
#include <rwkv/kernels/weight_matrix.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::kernels {

/// Bytes of weights, times tokens, from which on sharing a product among threads pays. One thread multiplies them in the
/// time that it takes two to meet, even where they come from a cache and no processor is free.
inline constexpr std::size_t min_parallel_bytes = 256 * 1024;

/// Bytes of a row group, or of sixteen rows in row-major layout; at least 1.
[[nodiscard]] inline Index row_group_bytes(const WeightMatrix& weights) noexcept {
    return std::max<Index>(1, static_cast<Index>(weights.bytes()) / std::max<Index>(1, row_groups(weights.rows())));
}

/// Rows of a task of a gemv, whole row groups: about a microsecond of reading.
[[nodiscard]] inline Index rows_per_gemv_task(const WeightMatrix& weights) noexcept {
    constexpr Index task_bytes = 32 * 1024;
    return group_rows * std::max<Index>(1, task_bytes / row_group_bytes(weights));
}

/// Rows of a task with column-major weights: each thread has one, so that it reads long runs of a column.
[[nodiscard]] constexpr Index rows_per_column_task(Index rows, Index threads) noexcept {
    return std::max<Index>(1, (stored_rows(rows) / column_rows + threads - 1) / threads) * column_rows;
}

/// The first of the tasks that a thread begins with; for thread == threads, the number of tasks.
[[nodiscard]] constexpr Index first_task(Index tasks, Index thread, Index threads) noexcept {
    return tasks * thread / threads;
}

/// What each thread will read first of the next products, should these be gemvs.
struct PrefetchPlan {
    struct Matrix {
        const char* data;
        Index bytes, tasks, task_bytes;
    };
    struct Range {
        const char* begin;
        Index bytes;
    };
    std::array<Matrix, max_products> matrices;
    Index tasks, threads;

    /// The beginning of a thread's share, within one matrix and at most what is read while a thread waits.
    [[nodiscard]] Range range(int thread) const noexcept {
        constexpr Index max_bytes = 256 * 1024;
        Index task = first_task(tasks, thread, threads);
        const Index share = first_task(tasks, thread + 1, threads) - task;
        if (share == 0) return {nullptr, 0};
        const Matrix* matrix = matrices.data();
        for (; task >= matrix->tasks; ++matrix) task -= matrix->tasks;
        const Index at = task * matrix->task_bytes;
        return {matrix->data + at, (std::min)({max_bytes, share * matrix->task_bytes, matrix->bytes - at})};
    }

    /// Prefetches the thread's range until it is interrupted: an IdleTask.
    void operator()(int thread, const IdleTask::Interrupted& interrupted) const noexcept {
        constexpr Index line = 64, lines_at_a_time = 8;
        const Range prefetched = range(thread);
        for (Index at = 0; at < prefetched.bytes && !interrupted(); at += lines_at_a_time * line)
            for (Index i = at; i < (std::min)(at + lines_at_a_time * line, prefetched.bytes); i += line)
                __builtin_prefetch(prefetched.begin + i, 0, 2);
    }
};

/// The plan for up to max_products matrices that are multiplied together.
[[nodiscard]] inline PrefetchPlan plan_prefetch(int threads,
                                                std::initializer_list<const WeightMatrix*> matrices) noexcept {
    PrefetchPlan plan{{}, 0, threads};
    for (std::size_t i = 0; i < (std::min)(matrices.size(), max_products); ++i) {
        const WeightMatrix& weights = *matrices.begin()[i];
        const Index rows = rows_per_gemv_task(weights), tasks = (weights.rows() + rows - 1) / rows;
        plan.matrices[i] = {reinterpret_cast<const char*>(weights.data()), static_cast<Index>(weights.bytes()), tasks,
                            row_group_bytes(weights) * (rows / group_rows)};
        plan.tasks += tasks;
    }
    return plan;
}

/// Announces the matrices of the next products: threads that wait for these prefetch the beginnings of their shares.
inline void prefetch_next(MatmulContext& context, std::initializer_list<const WeightMatrix*> matrices) noexcept {
    const int threads = context.executor().threads();
    if (threads == 1) return;
    std::size_t bytes = 0;
    for (const WeightMatrix* weights : matrices) {
        if (weights->layout() == Layout::column_major) return;  // which columns are read is not known yet
        bytes += weights->bytes();
    }
    if (bytes >= min_parallel_bytes) context.executor().run_while_idle(IdleTask(plan_prefetch(threads, matrices)));
}

/// Matrices of other types, as tests have them, are not prefetched.
template <class Matrix>
void prefetch_next(MatmulContext&, std::initializer_list<const Matrix*>) noexcept {}

}  // namespace rwkv::inline RWKV_ABI::kernels
