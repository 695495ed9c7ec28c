/* The app descriptor of ESP-IDF, which the linker script puts first in flash: file offset 0x20. */

#include <stdint.h>

#include "version.h"

struct app_descriptor {
    uint32_t magic;
    uint32_t secure_version;
    uint32_t reserved_1[2];
    char version[32];
    char project_name[32];
    char time[16];
    char date[16];
    char idf_version[32];
    uint8_t elf_sha256[32]; /* filled in by elf2image */
    uint32_t reserved_2[20];
};

_Static_assert(sizeof(struct app_descriptor) == 256, "the descriptor is 256 bytes");
_Static_assert(sizeof(DESCRIPTOR_VERSION) <= 32, "the version has at most 31 characters");

__attribute__((section(".rodata_desc"), used)) const struct app_descriptor app_descriptor = {
    .magic = 0xABCD5432,
    .version = DESCRIPTOR_VERSION,
    .project_name = "k1nb-sample",
    .time = BUILD_TIME,
    .date = BUILD_DATE,
    .idf_version = "none",
};
