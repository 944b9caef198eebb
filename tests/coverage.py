"""Says which lines of the headers ran, by what gcc's --coverage left in BUILD_DIR: called by coverage.sh.

    coverage.py BUILD_DIR GCOV LEAST HEADER...

A line counts once, whatever instantiations of a template and source files it was compiled in, and has run if it ran in
one of them. Lines in a row that did not run are one place, which goes by the code it begins with; uncovered.txt must say
why for each. Exit status 1 where it does not, and where fewer than LEAST per cent of the lines ran.
"""

import json
import pathlib
import re
import subprocess
import sys

tests = pathlib.Path(__file__).resolve().parent
include = tests.parent / "include" / "rwkv"


def counts(build, gcov, headers):
    """{header: {line: how often it ran}}"""
    lines = {header: {} for header in headers}
    for data in sorted(build.rglob("*.gcda")):
        report = subprocess.run([gcov, "--json-format", "--stdout", data], check=True, capture_output=True).stdout
        for file in json.loads(report)["files"]:
            path = pathlib.Path(data.parent, file["file"]).resolve()
            if include not in path.parents or (header := str(path.relative_to(include))) not in lines:
                continue
            for line in file["lines"]:
                number = line["line_number"]
                lines[header][number] = lines[header].get(number, 0) + line["count"]
    return lines


def places(lines):
    """The lines that did not run: a list for those in a row."""
    found = []
    after_one = False
    for number in sorted(lines):
        if lines[number] == 0:
            if not after_one:
                found.append([])
            found[-1].append(number)
        after_one = lines[number] == 0
    return found


def code_at(source, place):
    """What a place begins with; a closing brace, which only errors come to, goes by the line before it."""
    code = source[place[0] - 1].strip()
    return code if code[0] != "}" else f"{source[place[0] - 2].strip()} {code}"


def explanations():
    """[(header, the code that a place begins with)]"""
    text = (tests / "uncovered.txt").read_text()
    return re.findall(r"^([\w/]+\.(?:hpp|inl)): (.+)\n(?=    \S)", text, re.MULTILINE)


def main(build, gcov, least, *headers):
    explained = explanations()
    used = set()
    unexplained = 0
    all_run = all_lines = 0
    for header, lines in counts(pathlib.Path(build), gcov, headers).items():
        run = sum(count > 0 for count in lines.values())
        all_run, all_lines = all_run + run, all_lines + len(lines)
        if lines:
            print(f"{100 * run / len(lines):6.1f} %  {run:4} of {len(lines):4}  {header}")
        source = (include / header).read_text().splitlines()
        for place in places(lines):
            code = code_at(source, place)
            why = [entry for entry in explained if entry[0] == header and entry[1] in code]
            used.update(why)
            if not why:
                unexplained += 1
                print(f"    not explained: {header}:{place[0]}: {code}")
    for header, code in explained:
        if (header, code) not in used:
            print(f"    explained, but it ran or is gone: {header}: {code}")
    print(f"{100 * all_run / all_lines:6.1f} %  {all_run:4} of {all_lines:4}  lines in all")
    return 1 if unexplained or 100 * all_run < float(least) * all_lines else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
