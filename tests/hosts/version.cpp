#include <rwkv/version.hpp>

int main() {}
