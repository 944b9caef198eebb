#pragma once

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <iterator>
#include <limits>
#include <new>
#include <string>

#include "../catch.hpp"
#include "../support.hpp"

namespace rwkv::test {

/// The calls of one kind that this program makes, by whichever thread, and which of them fail. Set up while only one
/// thread is at work.
class Calls {
  public:
    /// Of the calls from now on the one of that number (the next is 0) fails, and with `for_good` all after it.
    void fail(long number, int error = 0, bool for_good = false) noexcept {
        seen_ = 0;
        failing_ = number;
        error_ = error;
        for_good_ = for_good;
    }
    /// None fails any more. Whether one did.
    bool heal() noexcept {
        const bool failed = seen_ > failing_;
        failing_ = never;
        return failed;
    }
    /// Counts a call, and says whether it fails.
    bool next_fails() noexcept {
        const long number = seen_++;
        return number == failing_ || (for_good_ && number > failing_);
    }
    /// errno of those that fail.
    int error() const noexcept { return error_; }

  private:
    static constexpr long never = std::numeric_limits<long>::max();
    std::atomic<long> seen_{0};
    long failing_ = never;
    int error_ = 0;
    bool for_good_ = false;
};

/// What the system refuses this program. faults.cpp takes the place of these calls, and passes them on unless told.
struct Faults {
    Calls allocations;  ///< operator new in all its forms, and the malloc that Eigen calls
    Calls maps;
    Calls opens, reads, writes, syncs, closes, renames;  ///< a read without an errno finds the end of the file
    std::size_t largest_transfer = 0;                    ///< bytes moved by one read or write at most; 0: any number
    std::atomic<std::size_t> live_bytes{0}, most_bytes{0};
};
constinit inline Faults faults;

/// Files this program has open.
inline std::size_t open_files() {
    const std::filesystem::directory_iterator entries("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

/// Has every allocation of the action fail in turn, once alone and once with all that follow: it must end in
/// std::bad_alloc or an exception of ours, or not mind. `look` then sees to what else must hold and clears away what
/// the action made; after that nothing may be lost.
inline void run_out_of_memory(
    const std::string& name, const std::function<void()>& action, const std::function<void()>& look = [] {}) {
    action();  // once without a fault, for what is allocated for good
    look();
    for (const bool for_good : {false, true}) {
        long reported = 0;
        for (long k = 0;; ++k) {
            CAPTURE(name, for_good, k);
            const std::size_t live = faults.live_bytes, files = open_files();
            faults.allocations.fail(k, 0, for_good);
            try {
                action();
            } catch (const std::bad_alloc&) {
                ++reported;
            } catch (const Error&) {
                ++reported;
            }
            const bool failed = faults.allocations.heal();
            look();
            CHECK(faults.live_bytes == live);
            CHECK(open_files() == files);
            if (!failed) break;
        }
        CAPTURE(name, for_good);
        CHECK(reported >= 3);
    }
}

/// Has every call of that kind fail in turn, with that errno, and tells `look` each outcome of the action. Returns how
/// many calls there are.
inline long fail_each(Calls& calls, int error, const std::function<void()>& action,
                      const std::function<void(const std::string& found)>& look) {
    for (long k = 0;; ++k) {
        const std::size_t files = open_files();
        calls.fail(k, error);
        const std::string found = outcome(action);
        const bool failed = calls.heal();
        INFO("call " << k << ": " << found);
        CHECK(open_files() == files);
        look(found);
        if (failed) continue;
        CHECK(found == "accepted");
        return k;
    }
}

}  // namespace rwkv::test
