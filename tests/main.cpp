#define CATCH_CONFIG_RUNNER  // version 2 keeps its body behind this

#include "catch.hpp"

int main(int argc, char** argv) {
    return Catch::Session().run(argc, argv);
}
