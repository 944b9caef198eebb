#pragma once

#include <string>

/// Where the lines of a chat come from.
class Lines {
  public:
    enum class Event {
        line,       ///< a line came, without its line end; one that was pasted may have several lines
        interrupt,  ///< Ctrl-C was pressed: what was typed is forgotten
        end         ///< the input has ended, or something asks the program to end
    };

    virtual ~Lines() = default;
    Lines() = default;
    Lines(const Lines&) = delete;
    Lines& operator=(const Lines&) = delete;

    /// Shows the prompt, where there is a person to see it, and waits for the next event. Throws: std::system_error.
    virtual Event next(const char* prompt, std::string& line) = 0;

    /// Takes what is typed while an answer is given, so that a Ctrl-C behind it is not held up.
    virtual void collect() {}

    /// Forgets it.
    virtual void forget() {}
};
