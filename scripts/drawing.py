#!/usr/bin/env python3
"""Drawings of docs/ that are made from text: docs/**/drawings/*.txt becomes the .svg beside it.

    scripts/drawing.py write    makes them
    scripts/drawing.py check    fails when one is not as it would be made

A line of the text is one of these; `|` begins a new line in a box, the first of which is its name.

    size WIDTH HEIGHT
    title WORDS / desc WORDS                     for those who do not see it
    zone NAME X Y WIDTH HEIGHT [below] WORDS     a dashed frame, its words at its top or its foot
    box NAME X Y WIDTH HEIGHT [COLOUR] WORDS     COLOUR: good, bad, wait or blue
    arrow FROM SIDE TO SIDE [NN%] [WORDS]        from the middle of a side to that of another, the words that far along it;
                                                 dash: the same, dashed
    note X Y WORDS

The style is that of the drawings made by hand: it follows the reader's light or dark, and the book's theme.
"""

import html
import pathlib
import re
import sys

DOCS = pathlib.Path(__file__).resolve().parents[1] / "docs"
STYLE = """  <style>
    .ph { background: #fff; --ink: #1f2328; --dim: #57606a; --line: #6e7781; --fill: #f6f8fa; --good: #d9f2e1; --bad: #fde3e1; --wait: #fff1cc; --blue: #dcebfd; font: 15px system-ui, sans-serif }
    @media (prefers-color-scheme: dark) {
      .ph { background: #0d1117; --ink: #e6edf3; --dim: #a8b3bf; --line: #8b949e; --fill: #21262d; --good: #12402a; --bad: #5c1f1c; --wait: #4d3800; --blue: #143a66 }
    }
    .ph text { fill: var(--ink) } .ph .note { fill: var(--dim); font-size: 13px } .ph .mid { text-anchor: middle } .ph .end { text-anchor: end }
    .ph rect { fill: var(--fill); stroke: var(--line) } .ph .good { fill: var(--good) } .ph .bad { fill: var(--bad) } .ph .wait { fill: var(--wait) } .ph .blue { fill: var(--blue) }
    .ph path { fill: none; stroke: var(--line); stroke-width: 1.5 } .ph .head { fill: var(--line); stroke: none } .ph .dash { stroke-dasharray: 5 4 }
  </style>"""
COLOURS = ("good", "bad", "wait", "blue")


class Drawing:
    def __init__(self, name):
        self.name, self.size, self.title, self.desc = name, (480, 300), "", ""
        self.places, self.frames, self.boxes, self.arrows = {}, [], [], []

    def read(self, text):
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            word, _, rest = line.partition(" ")
            try:
                getattr(self, f"line_{word}")(rest.strip())
            except (AttributeError, ValueError, KeyError) as error:
                sys.exit(f"{self.name}.txt:{number}: {line.strip()!r} cannot be read ({error})")
        return self

    def line_size(self, rest):
        self.size = tuple(int(n) for n in rest.split())

    def line_title(self, rest):
        self.title = rest

    def line_desc(self, rest):
        self.desc = rest

    def place(self, rest):
        name, x, y, width, height, *words = rest.split()
        self.places[name] = tuple(int(n) for n in (x, y, width, height))
        return self.places[name], words

    def line_zone(self, rest):
        (x, y, width, height), words = self.place(rest)
        self.frames.append(f'<rect class="dash" x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill-opacity="0.35"/>')
        # In the middle, for lines come in at the sides.
        line = y + height - 8 if words[:1] == ["below"] and words.pop(0) else y + 18
        self.frames.append(f'<text class="note mid" x="{x + width / 2:g}" y="{line}">{html.escape(" ".join(words))}</text>')

    def line_box(self, rest):
        (x, y, width, height), words = self.place(rest)
        colour = f' class="{words.pop(0)}"' if words and words[0] in COLOURS else ""
        rows = [row.strip() for row in " ".join(words).split("|")]
        self.boxes.append(f'<rect{colour} x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>')
        # The baseline of the first row, so that all rows together stand in the middle.
        first = y + height / 2 + 5 - (len(rows) - 1) * 8.5
        for i, row in enumerate(rows):
            self.boxes.append(f'<text class="{"mid" if i == 0 else "note mid"}" x="{x + width / 2:g}" y="{first + 17 * i:g}">{html.escape(row)}</text>')

    def line_note(self, rest):
        x, y, words = rest.split(" ", 2)
        self.boxes.append(f'<text class="note" x="{x}" y="{y}">{html.escape(words)}</text>')

    def line_arrow(self, rest, dashed=""):
        start, side, end, other, *words = rest.split()
        (x1, y1), (x2, y2) = self.side(start, side), self.side(end, other)
        # Something thin is left for the head; a line to a frame that is wide goes straight.
        if start in self.wide():
            x1 = x2
        if end in self.wide():
            x2 = x1
        self.arrows.append(f'<path{dashed} d="M{x1:g} {y1:g}L{x2:g} {y2:g}" marker-end="url(#{self.name}-head)"/>')
        share = int(words.pop(0).rstrip("%")) / 100 if words and words[0].endswith("%") else 0.5
        if words:
            x, y = x1 + (x2 - x1) * share, y1 + (y2 - y1) * share
            self.arrows.append(f'<text class="note" x="{x + 8:g}" y="{y + 4:g}">{html.escape(" ".join(words))}</text>')

    def line_dash(self, rest):
        self.line_arrow(rest, ' class="dash"')

    def wide(self):
        return {name for name, (_, _, width, _) in self.places.items() if width > self.size[0] * 0.8}

    def side(self, name, side):
        x, y, width, height = self.places[name]
        return {"top": (x + width / 2, y), "bottom": (x + width / 2, y + height), "left": (x, y + height / 2), "right": (x + width, y + height / 2)}[side]

    def svg(self):
        head = (f'<defs><marker id="{self.name}-head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
                '<path class="head" d="M0 0 8 4 0 8z"/></marker></defs>')
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" class="ph" viewBox="0 0 {self.size[0]} {self.size[1]}" role="img" aria-labelledby="{self.name}-title {self.name}-desc">',
            f'  <title id="{self.name}-title">{html.escape(self.title)}</title>', f'  <desc id="{self.name}-desc">{html.escape(self.desc)}</desc>', STYLE,
            *(f"  {part}" for part in [head, *self.frames, *self.arrows, *self.boxes]), "</svg>", ""])


def main():
    if sys.argv[1:] not in (["write"], ["check"]):
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    stale = False
    for source in sorted(DOCS.rglob("drawings/*.txt")):
        made = Drawing(re.sub(r"[^a-z0-9]", "-", source.stem)).read(source.read_text("utf-8")).svg()
        target = source.with_suffix(".svg")
        if sys.argv[1] == "write":
            target.write_text(made, "utf-8")
        elif not target.exists() or target.read_text("utf-8") != made:
            print(f"{target.relative_to(DOCS.parent)} is not what {source.name} says any more: make drawings")
            stale = True
    sys.exit(stale)


if __name__ == "__main__":
    main()
