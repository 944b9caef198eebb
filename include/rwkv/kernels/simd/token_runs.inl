// What every product is made of: runs of tokens, and prefetching of the weights that come next.
#ifndef RWKV_TARGET
#include <rwkv/kernels/simd/alone.inl>
#endif
#include <rwkv/kernels/simd/begin_target.inl>

namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET {

// Calls use(first, std::integral_constant<int, Count>) for runs of tokens until all are done: runs of `Max` tokens
// while `Max` are left, then of 4, 2 and 1.
template <int Max, class Use>
inline void for_token_runs(Index tokens, Use&& use) noexcept {
    Index t = 0;
    const auto run = [&]<int Count>(std::integral_constant<int, Count> count) {
        use(t, count);
        t += Count;
    };
    while (tokens - t >= Max) run(std::integral_constant<int, Max>{});
    if constexpr (Max > 4)
        if (tokens - t >= 4) run(std::integral_constant<int, 4>{});
    if (tokens - t >= 2) run(std::integral_constant<int, 2>{});
    if (tokens - t >= 1) run(std::integral_constant<int, 1>{});
}

// Prefetches the weights of the next block into the second-level cache, a few cache lines at a time between the
// multiplications, so that memory and arithmetic do not wait for each other: `runs` runs of `bytes` bytes, `stride`
// apart.
class Prefetcher {
  public:
    Prefetcher() = default;
    Prefetcher(const void* first, Index stride, Index runs, Index bytes) noexcept
        : run_(static_cast<const char*>(first)), stride_(stride), runs_(runs), bytes_(bytes) {}

    /// Spreads all lines over this number of calls of issue().
    void schedule(Index calls) noexcept { lines_per_call_ = (runs_ * ((bytes_ + 63) / 64) + calls - 1) / calls; }
    void issue() noexcept {
        for (Index lines = lines_per_call_; lines > 0 && runs_ > 0; --lines) {
            Simd::prefetch_l2(run_ + at_);
            at_ += 64;
            if (at_ < bytes_) continue;
            at_ = 0;
            run_ += stride_;
            --runs_;
        }
    }

  private:
    const char* run_ = nullptr;
    Index stride_ = 0, runs_ = 0, bytes_ = 0, at_ = 0, lines_per_call_ = 0;
};

}  // namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET

#include <rwkv/kernels/simd/end_target.inl>
