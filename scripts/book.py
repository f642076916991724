#!/usr/bin/env python3
"""The book: docs/ as a site, by mdBook.

    scripts/book.py            builds it into target/book and looks at every link in it
    scripts/book.py --probe    only says by its exit code whether it could (3: no mdBook)
    scripts/book.py preprocess what mdBook runs on the pages (docs/book.toml)

On GitHub the pages are read as they are. For the site a drawing is put into its page, so that it follows the theme;
a link to a file outside docs/ leads to the repository; and what a fence says to the runner of commands
(e2e/lib/pages.py) is left out.
"""

import html.parser
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOCS, SITE = ROOT / "docs", ROOT / "target" / "book"
VERSION = "0.5"


# --- the pages ---------------------------------------------------------------------------------

def repository():
    found = re.search(r'^repository = "([^"]+)"', (ROOT / "Cargo.toml").read_text("utf-8"), re.MULTILINE)
    return found.group(1)


def drawing(match, folder):
    """`![what it shows](x.svg)` becomes the drawing itself; its colours come from the theme then."""
    path = (folder / match.group(2)).resolve()
    if not path.is_file():
        return match.group(0)
    svg = re.sub(r"<\?xml.*?\?>|<style>.*?</style>", "", path.read_text("utf-8"), flags=re.DOTALL)
    # A blank line would end the HTML block.
    return "<div class=\"drawing\">" + re.sub(r"\s*\n\s*", " ", svg).strip() + "</div>"


def outward(match, folder):
    """A link that leaves docs/ leads to the repository. Within it, mdBook makes README.md the index of its folder."""
    target, _, anchor = match.group(1).partition("#")
    if not target or re.match(r"[a-z]+:", target):
        return match.group(0)
    path = (folder / target).resolve()
    if path.is_relative_to(DOCS) and path.name == "README.md":
        return f"]({target.removesuffix('README.md')}index.md{'#' + anchor if anchor else ''})"
    # A folder has no page of its own in the book.
    if path.is_relative_to(DOCS) and path.suffix == ".md" or not path.exists():
        return match.group(0)
    kind = "tree" if path.is_dir() else "blob"
    link = f"{repository()}/{kind}/main/{path.relative_to(ROOT)}"
    return f"]({link}{'#' + anchor if anchor else ''})"


def page(text, folder):
    parts = re.split(r"(^ *```.*?^ *```[^\S\n]*$)", text, flags=re.DOTALL | re.MULTILINE)
    for i, part in enumerate(parts):
        if i % 2:
            parts[i] = re.sub(r"\A( *```\w*)[^\n]*", r"\1", part)
        else:
            part = re.sub(r"!\[([^\]]*)\]\(([^)\s]+\.svg)\)", lambda m: drawing(m, folder), part)
            parts[i] = re.sub(r"\]\(([^)\s]+)\)", lambda m: outward(m, folder), part)
    return "".join(parts)


def preprocess():
    if len(sys.argv) > 3 and sys.argv[2] == "supports":
        sys.exit(0)
    _, book = json.load(sys.stdin)

    def walk(items):
        for item in items:
            chapter = item.get("Chapter") if isinstance(item, dict) else None
            if chapter:
                if chapter.get("source_path"):
                    chapter["content"] = page(chapter["content"], (DOCS / chapter["source_path"]).parent)
                walk(chapter["sub_items"])
    walk(book.get("items") or book.get("sections"))
    json.dump(book, sys.stdout)


# --- the site ----------------------------------------------------------------------------------

def mdbook():
    """The program, of the version that the book is written for."""
    for candidate in (os.environ.get("MDBOOK"), shutil.which("mdbook"), ROOT / ".venv" / "bin" / "mdbook"):
        if candidate and pathlib.Path(candidate).exists():
            said = subprocess.run([candidate, "--version"], capture_output=True, text=True).stdout
            if re.match(rf"mdbook v{re.escape(VERSION)}\.", said):
                return candidate
    return None


class Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.ids = [], set()

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id":
                self.ids.add(value)
            elif name in ("href", "src") and value and tag != "base":
                self.links.append(value)


def check():
    """Links of the site that lead nowhere."""
    seen = {}
    for path in SITE.rglob("*.html"):
        seen[path] = Links()
        seen[path].feed(path.read_text("utf-8"))
    broken = 0
    for path, found in sorted(seen.items()):
        # All pages once more in one: their anchors are renamed there. And the page for no page.
        if path.name in ("print.html", "404.html"):
            continue
        for link in found.links:
            url = urllib.parse.urlsplit(link)
            if url.scheme or url.netloc:
                continue
            target = (path.parent / urllib.parse.unquote(url.path)).resolve() if url.path else path
            anchor = urllib.parse.unquote(url.fragment)
            if not target.exists():
                print(f"{path.relative_to(SITE)}: {link} is not there")
            elif anchor and target in seen and anchor not in seen[target].ids:
                print(f"{path.relative_to(SITE)}: {link} has no such heading")
            else:
                continue
            broken += 1
    return broken


def build():
    program = mdbook()
    if "--probe" in sys.argv:
        sys.exit(0 if program else 3)
    if program is None:
        print(f"mdBook {VERSION} is not installed: run make setup, or cargo install mdbook --locked", file=sys.stderr)
        sys.exit(3)
    shutil.rmtree(SITE, ignore_errors=True)
    done = subprocess.run([program, "build", "--dest-dir", str(SITE), str(DOCS)], capture_output=True, text=True)
    said = done.stdout + done.stderr
    # A page that the summary names and that is not there is made by mdBook, and any warning is a mistake of ours.
    if done.returncode or "WARN" in said or "ERROR" in said:
        print(said)
        sys.exit(1)
    broken = check()
    print(f"target/book/index.html: {sum(1 for _ in SITE.rglob('*.html'))} pages, {broken} broken links")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    preprocess() if sys.argv[1:2] == ["preprocess"] else build()
