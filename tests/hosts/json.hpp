#pragma once

#include <string>

// Each is in a source file of its own, one of them with JSON_DIAGNOSTICS.
std::string first_parses(const std::string& text);
std::string second_parses(const std::string& text);
