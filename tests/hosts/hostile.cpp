// An application whose other headers come first, with macros of their own.
#include <algorithm>
#include <complex>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <regex>
#include <string>
#include <thread>
#include <vector>
#if __has_include(<mpi.h>)
#include <mpi.h>
#endif

// windows.h without NOMINMAX
#define min(a, b) (((a) < (b)) ? (a) : (b))
#define max(a, b) (((a) > (b)) ? (a) : (b))
#define IN
#define OUT
#define near
#define far
#define small char
#define ERROR 0
#define CONST const
// Xlib.h (but Success, which Eigen has as a name, too)
#define Bool int
#define Status int
#define True 1
#define False 0
#define None 0L
#define Always 2
#define Above 0
#define KeyPress 2
#define CursorShape 0
#define Complex 0
#define TileShape 1
#define Convex 2
// Qt, and others
#define signals public
#define slots
#define emit
#define foreach(variable, container) for (variable : container)
#define linux 1
#define unix 1
#define major(device) ((device) >> 8)
#define minor(device) ((device)&0xFF)
// complex.h, as of C
#define I (__extension__ 1.0iF)
// AssertMacros.h of older systems of Apple's, Unreal Engine
#define check(condition)
#define verify(condition)
#define require(condition, label)
#define ensure(condition)
#define PAGE_SIZE 4096
#define LOG(level)
#define CHECK(condition)
#define ASSERT(condition)
#define DEBUG 1
#define INFO 2
#define TRACE 3

#include <rwkv/rwkv.hpp>
// Not within rwkv.hpp.
#include <rwkv/constraint.hpp>
#include <rwkv/convert_model.hpp>
#include <rwkv/scheduler.hpp>
#ifdef MPI_VERSION
#include <rwkv/mpi.hpp>
#endif

static_assert(max(1, min(2, 3)) == 2, "what was defined before still is");

int main() {}
