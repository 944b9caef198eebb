#!/usr/bin/env python3
"""Writes include/rwkv/text/unicode_tables.hpp to standard output.

    python3 make_unicode_tables.py UCD_DIRECTORY > ../../include/rwkv/text/unicode_tables.hpp

Two versions of Unicode meet in the tables, because they meet in the reference (the Hugging Face `tokenizers` package):
- letters and numbers (General_Category L*, N*) as of Unicode 16.0, from the PyPI package unicodedata2 == 16.0.*;
- normalisation (combining classes, canonical decompositions) as of Unicode 9.0: UnicodeData.txt and DerivedAge.txt
  of any later version (Debian's package unicode-data has 15.0), of which only what is no younger than 9.0 is taken.
White_Space has not changed since Unicode 6.3.
"""
import sys
import unicodedata2

WHITE_SPACE = {*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}
HANGUL_SYLLABLES = range(0xAC00, 0xAC00 + 11172)
HANGUL_V, HANGUL_T = range(0x1161, 0x1176), range(0x11A8, 0x11C3)
OTHER, LETTER, NUMBER, SPACE = range(4)

NOTICE = """\
// UNICODE LICENSE V3
//
// COPYRIGHT AND PERMISSION NOTICE
//
// Copyright © 1991-2024 Unicode, Inc.
//
// NOTICE TO USER: Carefully read the following legal agreement. BY DOWNLOADING, INSTALLING, COPYING OR OTHERWISE USING
// DATA FILES, AND/OR SOFTWARE, YOU UNEQUIVOCALLY ACCEPT, AND AGREE TO BE BOUND BY, ALL OF THE TERMS AND CONDITIONS OF
// THIS AGREEMENT. IF YOU DO NOT AGREE, DO NOT DOWNLOAD, INSTALL, COPY, DISTRIBUTE OR USE THE DATA FILES OR SOFTWARE.
//
// Permission is hereby granted, free of charge, to any person obtaining a copy of data files and any associated
// documentation (the "Data Files") or software and any associated documentation (the "Software") to deal in the Data
// Files or Software without restriction, including without limitation the rights to use, copy, modify, merge, publish,
// distribute, and/or sell copies of the Data Files or Software, and to permit persons to whom the Data Files or
// Software are furnished to do so, provided that either (a) this copyright and permission notice appear with all
// copies of the Data Files or Software, or (b) this copyright and permission notice appear in associated
// Documentation.
//
// THE DATA FILES AND SOFTWARE ARE PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT
// NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT OF THIRD
// PARTY RIGHTS.
//
// IN NO EVENT SHALL THE COPYRIGHT HOLDER OR HOLDERS INCLUDED IN THIS NOTICE BE LIABLE FOR ANY CLAIM, OR ANY SPECIAL
// INDIRECT OR CONSEQUENTIAL DAMAGES, OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN
// AN ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR
// PERFORMANCE OF THE DATA FILES OR SOFTWARE.
//
// Except as contained in this notice, the name of a copyright holder shall not be used in advertising or otherwise to
// promote the sale, use or other dealings in these Data Files or Software without prior written authorization of the
// copyright holder.
"""


def character_class(c):
    if c in WHITE_SPACE:
        return SPACE
    if 0xD800 <= c <= 0xDFFF:
        return OTHER
    return {"L": LETTER, "N": NUMBER}.get(unicodedata2.category(chr(c))[0], OTHER)


def read_ranges(path):
    """The lines of a UCD property file, as (first, last, value), and its title line."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    rows = []
    for line in lines:
        line = line.split("#")[0].strip()
        if line:
            points, value = (part.strip() for part in line.split(";")[:2])
            first, _, last = points.partition("..")
            rows.append((int(first, 16), int(last or first, 16), value))
    return rows, lines[0].strip("# ")


def normalisation_data(directory):
    """Combining classes and canonical decompositions (of one step), as of Unicode 9.0."""
    ages, title = read_ranges(f"{directory}/DerivedAge.txt")
    old = set()
    for first, last, age in ages:
        if tuple(map(int, age.split("."))) <= (9, 0):
            old.update(range(first, last + 1))
    classes, decompositions = {}, {}
    with open(f"{directory}/UnicodeData.txt", encoding="utf-8") as file:
        for line in file:
            fields = line.split(";")
            c = int(fields[0], 16)
            if c not in old:
                continue
            if fields[3] != "0":
                classes[c] = int(fields[3])
            if fields[5] and not fields[5].startswith("<"):
                decompositions[c] = [int(part, 16) for part in fields[5].split()]
    with open(f"{directory}/CompositionExclusions.txt", encoding="utf-8") as file:
        excluded = {int(line.split("#")[0], 16) for line in file if line.split("#")[0].strip()}
    return classes, decompositions, excluded, title


def composition_pairs(classes, decompositions, excluded):
    pairs = {}
    for c, parts in decompositions.items():
        starts = classes.get(c, 0) == 0 and classes.get(parts[0], 0) == 0
        if len(parts) == 2 and c not in excluded and starts:
            pairs[tuple(parts)] = c
    return pairs


def two_stages(values, bits):
    """Splits a table over all code points into distinct blocks of 256, each packed into bytes, and their order."""
    per_byte = 8 // bits
    order, blocks = [], {}
    for start in range(0, len(values), 256):
        packed = bytes(
            sum(values[start + i + k] << (k * bits) for k in range(per_byte)) for i in range(0, 256, per_byte)
        )
        order.append(blocks.setdefault(packed, len(blocks)))
    assert len(blocks) <= 256
    return order, b"".join(blocks)


def array(kind, name, comment, values, as_hex=False):
    print(f"/// {comment}")
    print(f"inline constexpr std::array<{kind}, {len(values)}> {name}{{")
    line = "   "
    for value in values:
        text = f" {value:#x}," if as_hex else f" {value},"
        if len(line) + len(text) > 118:
            print(line)
            line = "   "
        line += text
    print(line + "};\n")


def main():
    if not unicodedata2.unidata_version.startswith("16.0."):
        sys.exit(f"unicodedata2 == 16.0.* is needed, not {unicodedata2.unidata_version}")
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    classes, decompositions, excluded, title = normalisation_data(sys.argv[1])
    pairs = composition_pairs(classes, decompositions, excluded)

    maybe = {second for _, second in pairs} | set(HANGUL_V) | set(HANGUL_T)
    no = set(decompositions) - set(pairs.values())
    relevant = set(classes) | maybe | no

    def first_part(c):
        return first_part(decompositions[c][0]) if c in decompositions else c

    # What makes every other character a place where text may be cut: it joins nothing before it, even taken apart.
    assert all(first_part(c) not in relevant for c in decompositions if c not in relevant)

    runs = []  # [first, length, class]
    for c in sorted(classes):
        if runs and c == runs[-1][0] + runs[-1][1] and classes[c] == runs[-1][2]:
            runs[-1][1] += 1
        else:
            runs.append([c, 1, classes[c]])

    print(NOTICE)
    print("// Generated by tests/text/make_unicode_tables.py; change that file, not this one.")
    print(f"// Classes: unicodedata2, Unicode {unicodedata2.unidata_version}.")
    print(f"// Normalisation: Unicode 9.0, by {title}.")
    print("// clang-format off")
    print("#pragma once\n\n#include <array>\n#include <cstdint>\n\nnamespace rwkv::text::tables {\n")
    order, blocks = two_stages([character_class(c) for c in range(0x110000)], 2)
    array("std::uint8_t", "class_order", "For each 256 code points, their block in class_blocks.", order)
    array("std::uint8_t", "class_blocks",
          "Two bits a code point, 64 bytes a block: 0 other, 1 letter, 2 number, 3 white space (Unicode 16.0).", blocks)
    order, blocks = two_stages([int(c in relevant) for c in range(0x110000)], 1)
    array("std::uint8_t", "nfc_order", "For each 256 code points, their block in nfc_blocks.", order)
    array("std::uint8_t", "nfc_blocks",
          "One bit a code point, 32 bytes a block: whether NFC may change it, move it or join it to what precedes.", blocks)
    array("std::uint64_t", "combining_runs",
          "Runs of one combining class other than 0: first << 32 | length << 8 | class, ascending.",
          [first << 32 | length << 8 | value for first, length, value in runs], True)
    array("std::uint64_t", "decompositions",
          "Canonical decompositions of one step: from << 42 | first << 21 | second (0: none), ascending. No Hangul.",
          sorted(c << 42 | p[0] << 21 | (p[1] if len(p) == 2 else 0) for c, p in decompositions.items()), True)
    array("std::uint64_t", "compositions",
          "Primary composites: first << 42 | second << 21 | composite, ascending. No Hangul.",
          sorted(a << 42 | b << 21 | c for (a, b), c in pairs.items()), True)
    print("}  // namespace rwkv::text::tables\n// clang-format on")
    print(f"{len(classes)} combining, {len(runs)} runs, {len(decompositions)} decompositions, {len(pairs)} pairs, "
          f"{len(no)} no, {len(maybe)} maybe", file=sys.stderr)


if __name__ == "__main__":
    main()
