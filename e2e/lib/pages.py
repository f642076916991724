"""What a page of the documentation says is run: its fenced blocks, and whether an output is the one it shows.

The words after the language of a fence:

    sh run              run by bash, in one directory per page; variables live on in the blocks that follow
    sh run when-final   the same, once the task that was named last is final: a reader is slower than a script
    sh run exit=4       the last command ends with this code
    sh run background   started and left running until the page ends; `port=9000` waits until that port answers
    python run, js run  run as a program of its own
    python file=app.py  written to that file (any language)
    text output         what the block before printed, `…` for what differs each time, a line of `…` for any lines
    json output         the same, as JSON: a member "…" stands for any others, the value "…" for any value
    sh no-run: WHY      not run, and why
    rust from=PATH      stands like this in a file of the repository that is compiled

A block of a language that can be run and says none of these is an error. What a page needs around it is said in
comments: `<!-- docs: no server -->`, `<!-- docs: env NAME=value -->`, `<!-- docs: smtp 2525 -->`,
`<!-- docs: redis 6379 -->`, `<!-- docs: not yet: WHY -->` for a page ahead of the program.
"""

import json
import re
import textwrap

RUNNABLE = {"sh", "bash", "shell", "console", "python", "py", "js", "javascript", "ts", "typescript"}
FENCE = re.compile(r"^( *)(`{3,})([^`]*)$")
WILD = "…"


class Block:
    def __init__(self, line, info, text):
        self.line, self.text = line, text
        language, _, rest = info.strip().partition(" ")
        self.language = language
        self.no_run = rest[len("no-run:"):].strip() if rest.startswith("no-run:") else None
        words = [] if self.no_run is not None else rest.split()
        self.words = {w for w in words if "=" not in w}
        self.options = dict(w.split("=", 1) for w in words if "=" in w)
        self.rest = rest

    def is_output(self):
        return "output" in self.words

    def problem(self):
        """What is wrong with the fence itself."""
        if self.no_run is not None:
            return None if len(self.no_run) > 8 else "no-run needs a reason"
        known = {"run", "background", "when-final", "output"}
        if self.words - known or set(self.options) - {"exit", "port", "file", "from"}:
            return f"unknown words: {self.rest}"
        if self.language in RUNNABLE and not ("run" in self.words or {"file", "from"} & set(self.options)):
            return "neither `run`, `file=…` nor `no-run: why`"
        return None


class Page:
    def __init__(self, name, text):
        self.name, self.blocks, self.problems = name, [], []
        self.settings = re.findall(r"<!-- docs: (.*?) -->", text)
        self._read(text.splitlines())
        self.ports = sorted(set(re.findall(r"(?:127\.0\.0\.1|localhost):(\d{4,5})\b", text)))

    def _read(self, lines):
        i = 0
        while i < len(lines):
            opening = FENCE.match(lines[i])
            if not opening:
                i += 1
                continue
            indent, ticks, info = opening.groups()
            end = i + 1
            while end < len(lines) and lines[end].strip() != ticks:
                end += 1
            if end == len(lines):
                self.problems.append((i + 1, "a fence that is not closed"))
            body = textwrap.dedent("\n".join(line[len(indent):] if line.startswith(indent) else line
                                             for line in lines[i + 1:end])) + "\n"
            block = Block(i + 1, info, body)
            if block.problem():
                self.problems.append((block.line, block.problem()))
            self.blocks.append(block)
            i = end + 1

    def runs(self):
        return [b for b in self.blocks if "run" in b.words]

    def brings_its_server(self):
        return any("background" in b.words and re.search(r"posthaste (up|api)\b", b.text) for b in self.blocks)


def text_matches(want, got):
    """Whether an output is the one that a page shows, line by line."""
    pattern = ""
    for line in want.strip("\n").splitlines():
        if line.strip() == WILD:
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*?".join(re.escape(part) for part in line.rstrip().split(WILD)) + r"\n"
    lines = [line.rstrip() for line in got.strip("\n").splitlines()]
    return re.fullmatch(pattern, "\n".join(lines) + "\n") is not None


def documents(text):
    """The JSON documents of a text, one after the other."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        value, at = decoder.raw_decode(text, at)
        found.append(value)
    return found


def json_differs(want, got, path=""):
    """The first place where an answer is not as the page shows it; None where it is."""
    where = path or "the whole"
    if want == WILD:
        return None
    if isinstance(want, str) and isinstance(got, str):
        return None if text_matches(want, got) else f"{where}: {got!r}, the page shows {want!r}"
    if isinstance(want, dict) and isinstance(got, dict):
        for key, value in want.items():
            if key == WILD:
                continue
            if key not in got:
                return f"{where}: no {key!r}"
            inner = json_differs(value, got[key], f"{path}.{key}")
            if inner:
                return inner
        more = set(got) - set(want)
        return None if WILD in want or not more else f"{where}: also {', '.join(sorted(more))}"
    if isinstance(want, list) and isinstance(got, list):
        open_end = bool(want) and want[-1] == WILD
        wanted = want[:-1] if open_end else want
        if len(got) < len(wanted) or (len(got) > len(wanted) and not open_end):
            return f"{where}: {len(got)} elements, the page shows {len(wanted)}"
        for i, (a, b) in enumerate(zip(wanted, got)):
            inner = json_differs(a, b, f"{path}[{i}]")
            if inner:
                return inner
        return None
    return None if want == got and type(want) is type(got) else f"{where}: {got!r}, the page shows {want!r}"


def output_differs(block, got):
    """Why an output is not what the page shows; None where it is."""
    if block.language != "json":
        return None if text_matches(block.text, got) else f"printed:\n{got}"
    try:
        answers = documents(got)
    except ValueError as error:
        return f"no JSON ({error}):\n{got}"
    wanted = documents(block.text)
    if len(wanted) != len(answers):
        return f"{len(answers)} documents, the page shows {len(wanted)}:\n{got}"
    for want, answer in zip(wanted, answers):
        differs = json_differs(want, answer)
        if differs:
            return f"{differs}\n{got}"
    return None


def fill(text, seen):
    """`<task_id>` and its like, as a reader would copy them from what was printed before."""
    def value(found):
        name = found.group(1)
        for key in (name, "id" if name.endswith("_id") else name):
            values = re.findall(rf'"{key}" ?: ?"([^"]+)"', seen)
            if values:
                return values[-1]
        ids = re.findall(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", seen)
        return ids[-1] if ids and name.endswith("_id") else found.group(0)
    return re.sub(r"<([a-z]+_id|token|secret)>", value, text)
