#include <rwkv/convert_model.hpp>
#include <rwkv/rwkv.hpp>

int main() {}
