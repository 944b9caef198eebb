// All that an application may include.
#include <rwkv/constraint.hpp>
#include <rwkv/convert_model.hpp>
#include <rwkv/rwkv.hpp>
#include <rwkv/scheduler.hpp>
#if __has_include(<mpi.h>)
#include <rwkv/mpi.hpp>
#endif

int main() {}
