"""Writes the pages that are made from headers: docs/limits.md from host/base/limits.h, docs/errors.md from the SDK's error table.

    script/docs.py           writes them
    script/docs.py --check   says which are not current"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def cell(text):
    return text.replace("|", "\\|").strip()


def limits(text):
    out = ["# Limits", "", "<!-- made from host/base/limits.h by script/docs.py -->", "",
           "Every bound of the host, with its unit and what happens when it is reached. A key in brackets can be set in the configuration;",
           "the rest are fixed.", ""]
    table = False
    body = text[text.index("#define HD_BASE_LIMITS_H"):].splitlines()[1:]
    for line in body:
        heading = re.match(r"// (.*)$", line)
        define = re.match(r"#define HD_(\w+)\s+(.+?)\s*(?://\s*(.*))?$", line)
        if heading:
            out += ["", heading[1], ""] if out[-1] else [heading[1], ""]
            table = False
        elif define:
            if not define[3]:
                raise ValueError(f"limits.h: HD_{define[1]} does not say its unit and what happens when it is reached")
            if not table:
                if out[-1]:
                    out.append("")
                out += ["| bound | value | unit and what happens when full |", "| --- | ---: | --- |"]
                table = True
            out.append(f"| `{define[1].lower()}` | {cell(define[2])} | {cell(define[3])} |")
    return "\n".join(out) + "\n"


def errors(text):
    table = re.findall(r'^  X\((\w+), (-\d+), "((?:[^"\\]|\\.)*)",\s*"((?:[^"\\]|\\.)*)"\)', text, re.M)
    if len(table) != len(re.findall(r"^  X\(", text, re.M)) or not table:
        raise ValueError("error.h: a row of HADRON_ERROR_MAP is not X(NAME, code, \"text\", \"hint\") on one line")
    out = ["# Errors", "", "<!-- made from sdk/include/hadron/error.h by script/docs.py -->", "",
           "One table for the host, the plugins and Lua (`hadron.err.NAME`). 0 is success; a number keeps its meaning for ever.", "",
           "| number | name | what | what to do |", "| ---: | --- | --- | --- |"]
    out += [f"| {code} | `HADRON_ERR_{name}` | {cell(words)} | {cell(hint)} |" for name, code, words, hint in table]
    return "\n".join(out) + "\n"


PAGES = [("docs/limits.md", "host/base/limits.h", limits), ("docs/errors.md", "sdk/include/hadron/error.h", errors)]


def read(path):
    with open(f"{ROOT}/{path}") as file:
        return file.read()


def main():
    stale = []
    for page, source, make in PAGES:
        made = make(read(source))
        if "--check" not in sys.argv:
            with open(f"{ROOT}/{page}", "w") as file:
                file.write(made)
        elif not os.path.exists(f"{ROOT}/{page}") or read(page) != made:
            stale.append(f"{page} is not what {source} gives; write it with python3 script/docs.py")
    print("\n".join(stale), end="\n" if stale else "")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
