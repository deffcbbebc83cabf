"""Promise: pages made from headers are current, and every link of README, CONTRIBUTING and docs/ that stays inside the project points
to a file, and to a heading, that is there. A changed header and made-up links show that both checks bite."""
import glob
import os
import re
import sys

ROOT = os.environ["HADRON_SOURCE_DIR"]
sys.path.insert(0, f"{ROOT}/script")
import docs  # noqa: E402

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")


def anchors(text):
    for heading in re.findall(r"^#+ (.+)$", text, re.M):
        yield re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def without_code(text):
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


def check_links(path, text):
    """path: where the page is; yields the links that lead nowhere."""
    for match in LINK.finditer(without_code(text)):
        target, _, anchor = (match[1] or match[2]).partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        full = os.path.normpath(os.path.join(os.path.dirname(path), target)) if target else path
        if target and not os.path.exists(full):
            yield f"{os.path.relpath(path, ROOT)}: {target} is not there"
        elif anchor and full.endswith(".md") and anchor not in anchors(open(full).read() if full != path else text):
            yield f"{os.path.relpath(path, ROOT)}: {target}#{anchor} has no such heading"


def main():
    faults = []
    for page, source, make in docs.PAGES:
        header = docs.read(source)
        if docs.read(page) != make(header):
            faults.append(f"{page} is not what {source} gives; write it with python3 script/docs.py")
    if docs.limits(docs.read("host/base/limits.h").replace("65536", "65535", 1)) == docs.read("docs/limits.md"):
        faults.append("a changed limit is not seen")
    if docs.errors(docs.read("sdk/include/hadron/error.h").replace("out of memory", "no memory", 1)) == docs.read("docs/errors.md"):
        faults.append("a changed error is not seen")
    pages = [f"{ROOT}/README.md", f"{ROOT}/CONTRIBUTING.md"] + sorted(glob.glob(f"{ROOT}/docs/**/*.md", recursive=True))
    count = 0
    for path in pages:
        text = open(path).read()
        count += len(LINK.findall(without_code(text)))
        faults += check_links(path, text)
    made_up = "# Here\n[a](README.md) [b](#here) [c](nowhere.md) [d](#there) [e](https://example.com/x) `[f](code.md)`\n"
    caught = list(check_links(f"{ROOT}/made-up.md", made_up))
    if len(caught) != 2:
        faults.append(f"of two made-up links that lead nowhere, {caught} were caught")
    print("\n".join(faults) if faults else f"{len(pages)} pages, {count} links")
    return 1 if faults else 0


sys.exit(main())
