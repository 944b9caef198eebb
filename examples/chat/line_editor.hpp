#pragma once

#include <histedit.h>
#include <langinfo.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cwchar>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <rwkv/core/utf8.hpp>
#include <rwkv/text/utf8.hpp>

#include "../signals.hpp"
#include "../system.hpp"
#include "lines.hpp"

/// Lines typed at a terminal and edited with libedit, of any length, with a history; what is pasted is one line.
///
/// While it lives the terminal echoes nothing and keeps what is typed ahead for the next line. It is given back as it
/// was when the program stops (Ctrl-Z) and when the object ends. One at a time.
class LineEditor final : public Lines {
  public:
    /// Whether there is a terminal to edit lines in.
    static bool is_possible() { return terminal::is_terminal(stdin) && terminal::is_terminal(stderr); }

    LineEditor() {
        // libedit writes in the encoding of the locale, and all is UTF-8 here.
        std::setlocale(LC_CTYPE, "");
        if (std::strcmp(::nl_langinfo(CODESET), "UTF-8") != 0 && !std::setlocale(LC_CTYPE, "C.UTF-8"))
            std::setlocale(LC_CTYPE, "en_US.UTF-8");
        const char* const type = std::getenv("TERM");
        has_sequences_ = type != nullptr && *type != '\0' && std::string_view(type) != "dumb";

        ::tcgetattr(STDIN_FILENO, &original_);
        shown_ = ::fdopen(::dup(STDERR_FILENO), "w");
        if (shown_) editor_ = ::el_init("chat", stdin, shown_, shown_);
        history_ = ::history_winit();
        if (!editor_ || !history_) throw std::runtime_error("the terminal cannot be used to edit lines");
        HistEventW event;
        ::history_w(history_, &event, H_SETSIZE, 1000);
        ::history_w(history_, &event, H_SETUNIQUE, 1);
        ::el_wset(editor_, EL_CLIENTDATA, this);
        ::el_wset(editor_, EL_SIGNAL, 0);
        ::el_wset(editor_, EL_HIST, &::history_w, history_);
        ::el_wset(editor_, EL_PROMPT, &prompt_of);
        ::el_wset(editor_, EL_GETCFN, &read_for);
        ::el_wset(editor_, EL_EDITOR, L"emacs");
        ::el_source(editor_, nullptr);  // the person's own key bindings, in ~/.editrc
        ::el_wset(editor_, EL_ADDFN, L"insert-paste", L"Insert what is pasted", &insert_paste);
        constexpr const wchar_t* keys[][2] = {
            {L"\\e[200~", L"insert-paste"},
            {L"\\e[3~", L"ed-delete-next-char"},
            {L"\\e[H", L"ed-move-to-beg"},
            {L"\\e[F", L"ed-move-to-end"},
            {L"\\e[1;5D", L"ed-prev-word"},
            {L"\\e[1;5C", L"em-next-word"},
            {L"^W", L"ed-delete-prev-word"},
            {L"^R", L"em-inc-search-prev"},
            // Home and End as other terminals send them, and keys that do nothing here but would leave a "~".
            {L"\\e[1~", L"ed-move-to-beg"},
            {L"\\e[4~", L"ed-move-to-end"},
            {L"\\e[7~", L"ed-move-to-beg"},
            {L"\\e[8~", L"ed-move-to-end"},
            {L"\\eOH", L"ed-move-to-beg"},
            {L"\\eOF", L"ed-move-to-end"},
            {L"\\e[2~", L"ed-ignore"},
            {L"\\e[5~", L"ed-ignore"},
            {L"\\e[6~", L"ed-ignore"},
        };
        for (const auto& [key, command] : keys) ::el_wset(editor_, EL_BIND, key, command, nullptr);
        // Between lines, too, what is typed waits unechoed, and a line of it has no maximum length.
        ::el_wset(editor_, EL_SETTY, L"-x", L"-icanon", L"-echo", nullptr);
        // Ctrl-C would have the system throw away what waits to be read, so that `collect`, told that there is
        // something, would wait for it for ever; and what is on its way to the screen, at times the prompt that answers
        // it. (Without the plus libedit leaves the flag as it was.)
        for (const wchar_t* mode : {L"-x", L"-d"}) ::el_wset(editor_, EL_SETTY, mode, L"+noflsh", nullptr);

        Signals::open();
        now_ = this;
        take_signal(SIGWINCH, [](int) {
            resized_ = true;
            Signals::wake();
        });
        take_signal(SIGTSTP, &stop);
        take_signal(SIGCONT, [](int) { go_on(); });
        remember_mode();
        set_paste_marks(true);
    }

    ~LineEditor() override {
        for (const int signal : {SIGWINCH, SIGTSTP, SIGCONT}) ::signal(signal, SIG_DFL);
        set_paste_marks(false);
        if (editor_) ::el_end(editor_);
        if (history_) ::history_wend(history_);
        if (shown_) std::fclose(shown_);
        ::tcsetattr(STDIN_FILENO, TCSADRAIN, &original_);
        now_ = nullptr;
    }

    Event next(const char* prompt, std::string& line) override {
        prompt_.assign(prompt, prompt + std::strlen(prompt));
        event_ = Event::line;
        is_first_ = true;
        resized_ = continued_ = false;  // the line is about to be drawn
        columns_ = width();
        int count = 0;
        const wchar_t* const typed = ::el_wgets(editor_, &count);
        std::wstring text(typed ? typed : L"", typed && count > 0 ? static_cast<std::size_t>(count) : 0);
        remember_mode();
        if (event_ != Event::line || text.empty()) {
            // Rows of a long line may be left below the cursor.
            if (event_ == Event::interrupt && has_sequences_) std::fputs("\033[J", stderr);
            return event_ == Event::interrupt ? event_ : Event::end;
        }
        if (text.back() == L'\n') text.pop_back();
        HistEventW event;
        if (!text.empty()) ::history_w(history_, &event, H_ENTER, text.c_str());
        line = to_utf8(text);
        return Event::line;
    }

    void collect() override {
        // All there is, since the system keeps 4,096 bytes and sends Ctrl-C's signal when it comes to it; but not for
        // ever where a program types faster than this reads.
        constexpr std::size_t max_bytes = 1 << 20;
        const std::size_t before = bytes_.size();
        pollfd waited_for{STDIN_FILENO, POLLIN, 0};
        while (bytes_.size() - before < max_bytes && ::poll(&waited_for, 1, 0) > 0 && waited_for.revents == POLLIN)
            if (terminal::read_input(bytes_) == 0) break;
    }

    void forget() override {
        clear();
        ::tcflush(STDIN_FILENO, TCIFLUSH);
    }

  private:
    void clear() {
        bytes_.clear();
        at_ = 0;
    }

    // Bytes that are not UTF-8 are kept as characters of their own, which no text has, so that they come out again.
    static constexpr wchar_t stray_byte = 0xDC00;

    static std::string to_utf8(const std::wstring& text) {
        std::string bytes;
        for (const wchar_t c : text) {
            if (c >= stray_byte + 0x80 && c <= stray_byte + 0xFF)
                bytes += static_cast<char>(c - stray_byte);
            else
                rwkv::text::append_utf8(bytes, static_cast<char32_t>(c));
        }
        return bytes;
    }

    static LineEditor& self(EditLine* editor) {
        LineEditor* result = nullptr;
        ::el_wget(editor, EL_CLIENTDATA, &result);
        return *result;
    }

    static wchar_t* prompt_of(EditLine* editor) { return self(editor).prompt_.data(); }
    static int read_for(EditLine* editor, wchar_t* c) { return self(editor).read(*c); }

    /// Reads a character: 1; 0 at the end of the input; −1 where the line is to be left.
    int read(wchar_t& c) {
        if (is_first_) remember_mode();
        is_first_ = false;
        for (;;) {
            if (event_ != Event::line) return -1;
            if (take_character(c)) return 1;
            pollfd waited_for[] = {{STDIN_FILENO, POLLIN, 0}, {Signals::descriptor(), POLLIN, 0}};
            ::poll(waited_for, 2, -1);
            Signals::drain();
            if (Signals::ending() != 0) {
                event_ = Event::end;
            } else if (Signals::interrupted()) {
                forget();
                event_ = Event::interrupt;
            } else if (continued_.exchange(false)) {
                resized_ = false;
                redraw(0);
            } else if (resized_.exchange(false)) {
                redraw(rows_above());
            } else if (waited_for[0].revents != 0 && terminal::read_input(bytes_) == 0) {
                return 0;
            }
        }
    }

    /// Takes a character from the bytes that were read.
    bool take_character(wchar_t& c) {
        if (at_ == bytes_.size()) {
            clear();
            return false;
        }
        const rwkv::core::Utf8Step step = rwkv::core::decode_utf8(bytes_, at_);
        if (step.status == rwkv::core::Utf8Status::truncated) return false;
        const bool complete = step.status == rwkv::core::Utf8Status::complete;
        c = complete ? static_cast<wchar_t>(step.code_point)
                     : static_cast<wchar_t>(stray_byte + static_cast<unsigned char>(bytes_[at_]));
        at_ += complete ? step.length : 1U;
        return true;
    }

    /// Inserts what the terminal marks as pasted, up to the mark of its end.
    static unsigned char insert_paste(EditLine* editor, wint_t) {
        constexpr std::wstring_view end = L"\033[201~";
        std::wstring text;
        wchar_t c = 0;
        while (::el_wgetc(editor, &c) == 1) {
            if (c == L'\r') c = L'\n';  // what terminals make of a line end
            if (c != L'\0') text += c;
            if (text.ends_with(end)) {
                text.resize(text.size() - end.size());
                break;
            }
        }
        while (text.ends_with(L'\n')) text.pop_back();  // Enter sends the message
        if (!text.empty() && ::el_winsertstr(editor, text.c_str()) != 0) return CC_ERROR;
        return CC_REFRESH;
    }

    /// The rows of the line above the cursor's. After the terminal's width has changed that depends on whether it broke
    /// lines anew: the smaller number, so that nothing above the line is erased.
    int rows_above() {
        const int old_columns = std::exchange(columns_, width());
        const LineInfoW* const line = ::el_wline(editor_);
        const auto rows = [&](int columns) {
            int row = 0, column = 0;
            const auto add = [&](wchar_t c) {
                const int width = std::max(c == L'\n' ? 0 : ::wcwidth(c), 0);
                if (c == L'\n' || column + width > columns) ++row, column = 0;
                column += width;
            };
            for (const wchar_t c : prompt_) add(c);
            for (const wchar_t* c = line->buffer; c != line->cursor; ++c) add(*c);
            return row;
        };
        return std::min(rows(old_columns), rows(columns_));
    }

    /// Draws prompt and line again, beginning `rows` rows above the cursor.
    void redraw(int rows) {
        std::fputc('\r', shown_);
        if (has_sequences_ && rows > 0) std::fprintf(shown_, "\033[%dA", rows);
        if (has_sequences_) std::fputs("\033[J", shown_);
        ::el_resize(editor_);
        ::el_wset(editor_, EL_REFRESH);
    }

    static int width() {
        const int columns = terminal::columns(stderr);
        return columns > 1 ? columns : 80;
    }

    void set_paste_marks(bool on) const {
        if (has_sequences_) write_sequence(on ? "\033[?2004h" : "\033[?2004l");
    }

    static void write_sequence(const char* text) {
        [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, std::strlen(text));
    }

    // Stopping and going on, in handlers of signals.

    static void take_signal(int signal, void (*handler)(int)) {
        struct sigaction action = {};
        ::sigaction(signal, nullptr, &action);
        if (action.sa_handler == SIG_IGN) return;
        action = {};
        action.sa_handler = handler;
        action.sa_flags = SA_RESTART | SA_NODEFER;  // the handler of SIGTSTP raises it
        ::sigaction(signal, &action, nullptr);
    }

    /// Keeps the terminal's mode of now, to be set again when the program goes on.
    static void remember_mode() { ::tcgetattr(STDIN_FILENO, &mode_); }

    /// Gives the terminal back as it was, and stops.
    static void stop(int) {
        const int error = errno;
        remember_mode();
        now_->set_paste_marks(false);
        ::tcsetattr(STDIN_FILENO, TCSANOW, &now_->original_);
        struct sigaction action = {}, mine = {};
        action.sa_handler = SIG_DFL;
        ::sigaction(SIGTSTP, &action, &mine);
        ::raise(SIGTSTP);
        ::sigaction(SIGTSTP, &mine, nullptr);
        go_on();  // also where nothing could stop it, since there is no shell to go back to
        errno = error;
    }

    /// Takes the terminal again. In the background that has to wait until the shell hands it over, with SIGCONT.
    static void go_on() {
        const int error = errno;
        if (::tcgetpgrp(STDIN_FILENO) == ::getpgrp()) {
            ::tcsetattr(STDIN_FILENO, TCSANOW, &mode_);
            now_->set_paste_marks(true);
        }
        continued_ = true;
        Signals::wake();
        errno = error;
    }

    EditLine* editor_ = nullptr;
    HistoryW* history_ = nullptr;
    std::FILE* shown_ = nullptr;
    std::wstring prompt_;
    std::string bytes_;   // read from the terminal,
    std::size_t at_ = 0;  // taken up to here
    Event event_ = Event::line;
    bool is_first_ = true;        // no character of the line was read yet
    bool has_sequences_ = false;  // the terminal obeys escape sequences
    int columns_ = width();
    termios original_ = {};

    static inline LineEditor* now_ = nullptr;
    static inline termios mode_ = {};
    static inline std::atomic<bool> resized_{false}, continued_{false};
};
