#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <initializer_list>

#include <rwkv/core/inline.hpp>
#include <rwkv/kernels/matmul.hpp>

namespace rwkv::inline RWKV_ABI::kernels {

namespace detail {

using FloatProduct = Product<WeightMatrix, float>;

/// One product of a call, planned: its kernel, where its packed activations lie, and its tasks, which are of
/// `rows_per_task` rows each.
struct PlannedProduct {
    const FloatProduct* product;
    const Kernel* kernel;
    std::byte* panels;
    Index panel_bytes, rows_per_task, tasks;
};

/// How a call of multiply is shared out: by tokens in blocks, where these are many, or else by rows. A thread begins
/// with a share of its own.
struct MatmulPlan {
    std::array<PlannedProduct, max_products> products;
    std::size_t count;
    TokenBlocks blocks;
    Index tasks;         ///< of all products, for one block of tokens
    Index max_features;  ///< of any product
    Index slab;          ///< features multiplied at a time
    Index threads;       ///< that share it; one where there is little to do

    [[nodiscard]] bool by_rows() const noexcept { return blocks.count == 1; }
};

inline MatmulPlan plan_products(MatmulContext& context, std::initializer_list<FloatProduct> products) noexcept {
    const Index tokens = products.begin()->x.cols();
    std::size_t work = 0;
    for (const FloatProduct& product : products) work += product.weights.bytes() * static_cast<std::size_t>(tokens);
    const Index threads = work >= min_parallel_bytes ? context.executor().threads() : 1;
    MatmulPlan plan{.products = {},
                    .count = (std::min)(products.size(), max_products),
                    .blocks = split_tokens(tokens, context.executor().threads()),
                    .tasks = 0,
                    .max_features = 0,
                    .slab = Blocking::k_slab,
                    .threads = threads};
    std::byte* panels = context.packed_activations();
    for (std::size_t i = 0; i < plan.count; ++i) {
        const FloatProduct& product = products.begin()[i];
        const WeightMatrix& weights = product.weights;
        const Kernel& kernel = select_kernel(context.target(), weights.format(), tokens);
        const Index rows = weights.layout() == Layout::column_major ? rows_per_column_task(weights.rows(), threads)
                           : kernel.rows_per_task > 0               ? kernel.rows_per_task
                                                                    : rows_per_gemv_task(weights);
        plan.products[i] = {
            &product, &kernel, panels, kernel.panel_bytes(weights.cols()), rows, (weights.rows() + rows - 1) / rows};
        panels += token_panels(tokens) * plan.products[i].panel_bytes;
        plan.tasks += plan.products[i].tasks;
        plan.max_features = (std::max)(plan.max_features, weights.cols());
    }
    // Products that are multiplied in one go set the pace for all.
    for (std::size_t i = 0; i < plan.count; ++i)
        if (!plan.products[i].kernel->in_slabs) plan.slab = plan.max_features;
    return plan;
}

/// Packs the activations of the products whose kernels want that, panel by panel, by the threads that keep the tokens.
inline void pack_activations(Executor& executor, const MatmulPlan& plan) noexcept {
    constexpr Index panel_tokens = Blocking::panel_tokens;
    const TokenBlocks& blocks = plan.blocks;
    for (std::size_t i = 0; i < plan.count; ++i) {
        const PlannedProduct& planned = plan.products[i];
        if (!planned.kernel->pack) continue;
        const MatrixView<const float>& x = planned.product->x;
        parallel_for_shares(executor, blocks.count, token_panels(blocks.max_size()),
                            [&](Index block, Index panel, int) {
                                panel += blocks.begin(block) / panel_tokens;
                                const Index begin = panel * panel_tokens,
                                            end = (std::min)(begin + panel_tokens, blocks.begin(block + 1));
                                if (begin < end)
                                    planned.kernel->pack(x.col(begin), x.stride(), end - begin, x.rows(),
                                                         planned.panels + panel * planned.panel_bytes);
                            });
    }
}

/// Task `task` of the plan for a block of tokens and a slab of features from `first_feature` on.
inline void run_task(MatmulContext& context, const MatmulPlan& plan, Index task, Index block, Index first_feature,
                     int thread) noexcept {
    const PlannedProduct* planned = plan.products.data();
    for (; task >= planned->tasks; ++planned) task -= planned->tasks;
    const auto& [weights, x, y] = *planned->product;
    const Index end_feature = (std::min)(first_feature + plan.slab, x.rows());
    if (first_feature >= end_feature) return;
    const Index begin_row = task * planned->rows_per_task;
    const Index end_row = (std::min)(begin_row + planned->rows_per_task, weights.rows());
    const Index begin_token = plan.blocks.begin(block), end_token = plan.blocks.begin(block + 1);
    const Activations activations{x.col(begin_token),
                                  x.stride(),
                                  planned->panels + begin_token / Blocking::panel_tokens * planned->panel_bytes,
                                  planned->panel_bytes,
                                  first_feature,
                                  end_feature};
    const Kernel& kernel = *planned->kernel;
    const bool by_columns = weights.layout() == Layout::column_major && kernel.multiply_columns;
    (by_columns ? kernel.multiply_columns : kernel.multiply_rows)(weights, begin_row, end_row, activations,
                                                                  end_token - begin_token, y.col(begin_token),
                                                                  y.stride(), context.thread_scratch(thread));
}

inline void run_tasks(MatmulContext& context, const MatmulPlan& plan) noexcept {
    if (plan.tasks == 0) return;  // of many ranks, some may hold no rows
    // By rows, each thread has a share of the tasks; by tokens, each share has all tasks, for its block.
    const Index shares = plan.by_rows() ? (std::min)(plan.threads, plan.tasks) : plan.blocks.count;
    const Index max_tasks = plan.by_rows() ? (plan.tasks + shares - 1) / shares : plan.tasks;
    for (Index first_feature = 0; first_feature < plan.max_features; first_feature += plan.slab) {
        const auto run = [&](Index share, Index i, int thread) {
            if (!plan.by_rows()) return run_task(context, plan, i, share, first_feature, thread);
            const Index task = first_task(plan.tasks, share, shares) + i;
            if (task < first_task(plan.tasks, share + 1, shares))
                run_task(context, plan, task, 0, first_feature, thread);
        };
        if (plan.threads > 1)
            parallel_for_shares(context.executor(), shares, max_tasks, run);
        else
            for (Index i = 0; i < shares * max_tasks; ++i) run(i / max_tasks, i % max_tasks, 0);
    }
}

}  // namespace detail

RWKV_INLINE void matmul(MatmulContext& context, std::initializer_list<Product<WeightMatrix, float>> products) noexcept {
    assert(products.size() >= 1 && products.size() <= max_products);
    for ([[maybe_unused]] const auto& [weights, x, y] : products)
        assert(x.rows() == weights.cols() && y.rows() == weights.rows() && x.cols() == products.begin()->x.cols() &&
               y.cols() == x.cols());
    const detail::MatmulPlan plan = detail::plan_products(context, products);
    detail::pack_activations(context.executor(), plan);
    detail::run_tasks(context, plan);
}

}  // namespace rwkv::inline RWKV_ABI::kernels
