"""Print the sizes of an ELF file's loaded sections, as `size -A -d` does."""

import sys

from elftools.elf.elffile import ELFFile

with open(sys.argv[1], "rb") as file:
    for section in ELFFile(file).iter_sections():
        if section["sh_flags"] & 2:  # SHF_ALLOC
            sys.stdout.write(f"{section.name} {section['sh_size']} {section['sh_addr']}\n")
