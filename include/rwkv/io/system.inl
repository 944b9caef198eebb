#pragma once

#include <rwkv/core/inline.hpp>
#include <rwkv/io/system.hpp>

#if defined(_WIN32)
#include <rwkv/io/system/windows.inl>
#else
#include <rwkv/io/system/posix.inl>
#endif
