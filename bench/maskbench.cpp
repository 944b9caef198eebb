// Judges the instances of schemas, valid and invalid, through the constraints that the schemas become, and times masks:
//   maskbench --tokenizer 20B_tokenizer.json DIRECTORY…
// Files are those of MaskBench (one schema, its instances) or of the JSON-Schema-Test-Suite (a list of such). An
// instance's compact text is tokenized; each token must be in the mask before it is accepted, and at the end the text
// may end. maskbench.py beside this file does the same with llguidance.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <rwkv/constraint/json_schema.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/io/file.hpp>
#include <rwkv/load_tokenizer.hpp>

namespace {

using Json = nlohmann::ordered_json;
bool processor_time = false;

/// In microseconds: passed, or those in which this thread had a processor, which others on the machine do not lengthen.
double now() {
#ifdef CLOCK_THREAD_CPUTIME_ID
    if (timespec time; processor_time && clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0)
        return 1e6 * static_cast<double>(time.tv_sec) + 1e-3 * static_cast<double>(time.tv_nsec);
#endif
    const auto time = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration<double, std::micro>(time).count();
}

/// Times of one kind, in microseconds.
struct Times {
    std::vector<double> all;

    double quantile(double q) {
        if (all.empty()) return 0;
        const auto place = all.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(all.size() - 1));
        std::nth_element(all.begin(), place, all.end());
        return *place;
    }
    void print(const char* name) {
        double sum = 0;
        for (const double time : all) sum += time;
        const double average = all.empty() ? 0 : sum / static_cast<double>(all.size());
        std::printf("%-12s %8zu: average %8.1f, p50 %8.1f, p99 %9.1f, max %10.1f us\n", name, all.size(), average,
                    quantile(0.5), quantile(0.99), quantile(1));
    }
};

/// Whether the matcher accepts the value with the members of its objects in some order, and `then` holds after it.
/// Gives up after a number of attempts.
bool accepts_in_some_order(const Json& value, const rwkv::Matcher& before, int& attempts,
                           const std::function<bool(const rwkv::Matcher&)>& then) {
    if (--attempts < 0) return false;
    rwkv::Matcher matcher = before;
    if (value.is_array()) {
        if (!matcher.accept("[")) return false;
        const std::function<bool(std::size_t, const rwkv::Matcher&)> from = [&](std::size_t i,
                                                                                const rwkv::Matcher& at) {
            rwkv::Matcher next = at;
            if (i == value.size()) return next.accept("]") && then(next);
            if (i > 0 && !next.accept(",")) return false;
            return accepts_in_some_order(value[i], next, attempts,
                                         [&](const rwkv::Matcher& m) { return from(i + 1, m); });
        };
        return from(0, matcher);
    }
    if (!value.is_object()) return matcher.accept(value.dump()) && then(matcher);
    if (!matcher.accept("{")) return false;
    std::vector<Json::const_iterator> members;
    for (auto member = value.begin(); member != value.end(); ++member) members.push_back(member);
    std::vector<bool> used(members.size());
    const std::function<bool(std::size_t, const rwkv::Matcher&)> from = [&](std::size_t count,
                                                                            const rwkv::Matcher& at) {
        if (count == members.size()) {
            rwkv::Matcher next = at;
            return next.accept("}") && then(next);
        }
        for (std::size_t i = 0; i < members.size(); ++i) {
            rwkv::Matcher next = at;
            if (used[i] || !next.accept((count ? "," : "") + Json(members[i].key()).dump() + ":")) continue;
            used[i] = true;
            if (accepts_in_some_order(members[i].value(), next, attempts,
                                      [&](const rwkv::Matcher& m) { return from(count + 1, m); }))
                return true;
            used[i] = false;
        }
        return false;
    };
    return from(0, matcher);
}

class Bench {
  public:
    Bench(const rwkv::Tokenizer& tokenizer, const rwkv::JsonSchemaOptions& options, bool bytes_only, bool verbose,
          double slow)
        : tokenizer_(tokenizer),
          vocabulary_(tokenizer),
          options_(options),
          bytes_only_(bytes_only),
          verbose_(verbose),
          slow_(slow) {}

    void judge_file(const std::filesystem::path& path) {
        Json content = Json::parse(rwkv::io::read_text(path, std::uint64_t{1} << 28U));
        name_ = path.filename().string();
        if (!content.is_array()) return judge_schema(content);
        for (const Json& schema : content) judge_schema(schema);
    }

    int finish() {
        if (counts_by_file_.size() > 1 && verbose_)
            for (const auto& [name, counts] : counts_by_file_)
                std::printf("%-50s right %4d, accepted %3d, rejected %3d, refused %3d\n", name.c_str(), counts[0],
                            counts[1], counts[2], counts[3]);
        std::printf("schemas %d: every instance right %d, refused %d\n", schemas_, right_, refused_);
        std::printf(
            "  with an invalid instance accepted %d, with a valid one rejected %d (%d of them for the order of "
            "members alone), crashes %d\n",
            accepted_, rejected_, order_, crashes_);
        std::vector<std::pair<int, std::string>> keywords;
        for (const auto& [keyword, count] : refused_by_) keywords.emplace_back(count, keyword);
        std::sort(keywords.rbegin(), keywords.rend());
        std::printf("refused by:");
        for (const auto& [count, keyword] : keywords) std::printf(" %s %d", keyword.c_str(), count);
        std::printf("\n");
        if (bytes_only_) return crashes_ + accepted_;
        masks_.print("mask");
        first_masks_.print("first mask");
        compile_.print("compile");
        return crashes_ + accepted_;
    }

  private:
    enum { is_right, is_accepted, is_rejected, is_refused };

    void judge_schema(const Json& schema) {
        ++schemas_;
        auto& counts = counts_by_file_[name_];
        try {
            const std::string text = schema.at("schema").dump();
            const double start = now();
            const rwkv::Constraint constraint = rwkv::json_schema(text, options_);
            compile_.all.push_back(now() - start);
            const rwkv::Matcher beginning(constraint, vocabulary_);
            bool accepted = false, rejected = false, order_alone = true;
            bool is_first = true;
            for (const Json& test : schema.at("tests")) {
                const std::string instance = test.at("data").dump();
                const bool valid = test.at("valid");
                rwkv::Matcher matcher = beginning;
                const bool holds = bytes_only_ ? matcher.accept(instance) && matcher.may_end()
                                               : follow(matcher, instance, is_first, compile_.all.back());
                is_first = false;
                ++counts[holds == valid ? is_right : holds ? is_accepted : is_rejected];
                if (holds == valid) continue;
                int attempts = 20'000;
                const bool by_order =
                    !holds && accepts_in_some_order(test.at("data"), beginning, attempts,
                                                    [](const rwkv::Matcher& end) { return end.may_end(); });
                (holds ? accepted : rejected) = true;
                order_alone = order_alone && by_order;
                if (verbose_ || holds)
                    std::printf("%s: %s instance: %.200s\n", name_.c_str(),
                                holds      ? "accepted an invalid"
                                : by_order ? "rejected, for the order of members alone, a valid"
                                           : "rejected a valid",
                                instance.c_str());
            }
            accepted_ += accepted;
            rejected_ += rejected && !accepted;
            order_ += rejected && !accepted && order_alone;
            right_ += !accepted && !rejected;
        } catch (const rwkv::Error& error) {
            ++refused_;
            ++counts[is_refused];
            const std::string& subject = error.subject();
            ++refused_by_[subject.substr(0, subject.find(" at "))];
            if (verbose_) std::printf("%s: %s\n", name_.c_str(), error.what());
        } catch (const std::exception& error) {
            ++crashes_;
            std::printf("%s: CRASH: %s\n", name_.c_str(), error.what());
        }
    }

    /// Whether the text is accepted token by token.
    bool follow(rwkv::Matcher& matcher, const std::string& text, bool is_first, double compile_time) {
        std::vector<std::uint64_t> words(matcher.mask_words());
        const std::vector<rwkv::TokenId> tokens = tokenizer_.encode(text);
        // A tokenizer that composes characters (NFC) says something else than the instance.
        if (tokenizer_.decode_bytes(tokens) != text) return matcher.accept(text) && matcher.may_end();
        for (const rwkv::TokenId token : tokens) {
            const double start = now();
            matcher.mask(words);
            const double time = now() - start;
            if (is_first) first_masks_.all.push_back(time + compile_time);
            masks_.all.push_back(time);
            if (verbose_ && time > slow_) std::printf("%s: a mask took %.0f us\n", name_.c_str(), time);
            is_first = false;
            const auto id = static_cast<std::size_t>(token);
            const bool allowed = (words[id / 64] >> (id % 64) & 1U) != 0;
            if (allowed != matcher.accept(token)) throw std::logic_error("the mask and accept differ");
            if (!allowed) return false;
        }
        return matcher.may_end();
    }

    const rwkv::Tokenizer& tokenizer_;
    rwkv::TokenVocabulary vocabulary_;
    rwkv::JsonSchemaOptions options_;
    bool bytes_only_, verbose_;
    double slow_;
    std::string name_;
    int schemas_ = 0, right_ = 0, refused_ = 0, accepted_ = 0, rejected_ = 0, order_ = 0, crashes_ = 0;
    std::map<std::string, int> refused_by_;
    std::map<std::string, std::array<int, 4>> counts_by_file_;
    Times masks_, first_masks_, compile_;
};

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Judges instances through the constraints of their schemas, and times masks.");
    std::string tokenizer_file;
    std::vector<std::string> paths;
    bool bytes_only = false, verbose = false;
    rwkv::JsonSchemaOptions options;
    double slow = 10'000;
    std::size_t every = 1;
    app.add_option("--tokenizer", tokenizer_file, "tokenizer.json or a vocabulary of World")->required();
    app.add_flag("--bytes", bytes_only, "judge byte by byte, without tokens and masks");
    app.add_flag("--verbose", verbose, "print each refusal, each wrong judgement, slow masks and the counts of files");
    app.add_flag("--any-order", options.members_in_any_order, "members of objects may come in any order");
    app.add_flag("--processor-time", processor_time, "time by the processor's clock of this thread");
    app.add_option("--slow", slow, "with --verbose: the microseconds from which a mask is slow");
    app.add_option("--every", every, "take every n-th file")->check(CLI::PositiveNumber);
    app.add_option("path", paths, "files, or directories of .json files")->required()->check(CLI::ExistingPath);
    CLI11_PARSE(app, argc, argv);
    try {
        const rwkv::Tokenizer tokenizer = rwkv::load_tokenizer(tokenizer_file);
        Bench bench(tokenizer, options, bytes_only, verbose, slow);
        std::vector<std::filesystem::path> files;
        for (const std::string& path : paths) {
            if (!std::filesystem::is_directory(path))
                files.emplace_back(path);
            else
                for (const auto& entry : std::filesystem::recursive_directory_iterator(path))
                    if (entry.path().extension() == ".json") files.push_back(entry.path());
        }
        std::sort(files.begin(), files.end());
        for (std::size_t i = 0; i < files.size(); i += every) bench.judge_file(files[i]);
        return bench.finish() == 0 ? 0 : 1;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "maskbench: %s\n", error.what());
        return 1;
    }
}
