/* A plugin of qemu-user that counts the instructions of the emulated program; the sum goes to standard error.
 * Debian has qemu's programs but not the header of its plugins, of which this is what is needed. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct qemu_plugin_tb;
typedef void (*on_translation)(uint64_t id, struct qemu_plugin_tb* block);
typedef void (*on_exit)(uint64_t id, void* data);
extern void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, on_translation callback);
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb* block, int operation, void* number, uint64_t added);
extern void qemu_plugin_register_atexit_cb(uint64_t id, on_exit callback, void* data);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb* block);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

static uint64_t instructions;

static void count_block(uint64_t id, struct qemu_plugin_tb* block) {
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, 0 /* add */, &instructions, qemu_plugin_tb_n_insns(block));
}

static void print(uint64_t id, void* data) {
    (void)id, (void)data;
    fprintf(stderr, "instructions %llu\n", (unsigned long long)instructions);
}

__attribute__((visibility("default"))) int qemu_plugin_install(uint64_t id, const void* info, int argc, char** argv) {
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, count_block);
    qemu_plugin_register_atexit_cb(id, print, NULL);
    return 0;
}
