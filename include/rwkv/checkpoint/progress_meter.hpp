#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <rwkv/core/error.hpp>
#include <rwkv/core/progress.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// Counts the bytes that are done and reports them to a progress callback. Used by one thread.
class ProgressMeter {
  public:
    /// `stage` names the work ("loading"); it and `progress`, which may be empty, must live as long as the meter.
    ProgressMeter(std::string_view stage, const Progress& progress, std::uint64_t total)
        : stage_(stage), progress_(progress), total_(total) {}

    std::uint64_t done() const noexcept { return done_; }

    /// Counts bytes without reporting them.
    void add(std::uint64_t bytes) noexcept { done_ += bytes; }

    /// Reports that `done` bytes of all are done. Throws: Cancelled where the callback returns false.
    void report(std::uint64_t done) {
        done_ = reported_ = done;
        if (progress_ && !progress_(stage_, done, total_)) throw Cancelled(std::string(stage_));
    }

    /// Reports that everything is done, unless that was reported.
    void finish() {
        if (reported_ < total_) report(total_);
    }

  private:
    std::string_view stage_;
    const Progress& progress_;
    std::uint64_t total_;
    std::uint64_t done_ = 0;
    std::uint64_t reported_ = 0;
};

}  // namespace rwkv::inline RWKV_ABI::checkpoint
