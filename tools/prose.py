"""The prose check: word list and sentence limits over docstrings, comments, documents, settings and API texts.

`python -m tools.prose [PATH...]` reports each finding; `--measure` prints the measures of the style guide. Without
paths it checks every tracked file, as `make check` does.
"""

import argparse
import ast
import io
import json
import re
import subprocess
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("app", "benchmarks", "client", "devstack", "docs", "migrations", "tests", "tools", ".github")
SKIPPED = {"docs/problems.md", "CODE_OF_CONDUCT.md", "tools/prose.py"}
# The texts of generated code are those of docs/openapi.json.
GENERATED = "client/python/imts_client/generated/"
MAX_WORDS = 30

# A pattern of the words that are not used, and the replacement.
WORDS = {
    r"tells?|told|telling": "return, report, log or raise",
    r"doomed": "orphaned",
    r"whoever|whatever|nobody|somebody|anybody": "name the actor: client, caller, worker, maintainer",
    r"so (?:many|much|long)|as many as": "the number, `limit` or `timeout`",
    r"(?:is|are|was|were|has|have) gone": "is missing, was deleted",
    r"gets? well": "recovers",
    r"may not be there": "is missing",
    r"of (?:that|those) which|what it is that": "split the sentence",
    r"thereof|wherein|whereof|whereby": "a plain word",
}
_WORDS = re.compile("|".join(f"(?P<w{n}>\\b(?:{pattern})\\b)" for n, pattern in enumerate(WORDS)), re.IGNORECASE)
_REPLACEMENTS = tuple(WORDS.values())
_FREE_RELATIVE = re.compile(r"(?:Who|Whose|What|Whichever)\b(?![^.]*\?)")
_TELL = re.compile(r"\b(?:tells?|told|telling)\b", re.IGNORECASE)
_NOBODY = re.compile(r"\b(?:nobody|whoever)\b", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z][A-Za-z'-]*")
_CODE = re.compile(r"``[^`]*``|`[^`]*`|https?://\S+|\"[^\"\n]{0,60}\"")
_SENTENCE = re.compile(r"(?<=[.!?:;])[*_)]*\s+(?=[A-Z0-9`\"(*_\[])|\n\s*\n|\n\s*(?:[-*|#>├└│]|\d+\.)\s*|\|")
_PRAGMA = re.compile(r"#\s*(?:noqa|type:|fmt:|pragma|!/)|\s*\bnoqa:.*")


@dataclass(frozen=True, slots=True)
class Prose:
    """A piece of prose and the line on which it starts."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation."""

    path: str
    line: int
    text: str
    advice: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text!r}: {self.advice}"


def read_prose(path: Path) -> Iterator[Prose]:
    """Yield the prose of a file: docstrings and comments, or the text of a document."""
    text = path.read_text()
    if path.suffix == ".py":
        yield from _docstrings(text)
        yield from _comments(text)
    elif path.suffix == ".env":
        lines = [line.lstrip("# ") if line.startswith("#") else "" for line in text.splitlines()]
        yield Prose(1, "\n".join(lines))
    elif path.suffix == ".json":
        yield from (Prose(1, one) for one in _api_texts(json.loads(text)))
    else:
        yield Prose(1, _without_code_blocks(text))


def check_file(path: Path) -> Iterator[Finding]:
    """Yield what a file's prose violates."""
    name = str(path.relative_to(ROOT))
    for piece in read_prose(path):
        for line, sentence in _sentences(piece):
            yield from _check_sentence(name, line, sentence)


def checked_files() -> list[Path]:
    """Return the tracked files that hold prose; none outside of a checkout."""
    command = ["git", "ls-files"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    return [ROOT / name for name in names if _is_checked(name) and (ROOT / name).is_file()]


def _is_checked(name: str) -> bool:
    is_known = "/" not in name or name.startswith(tuple(f"{folder}/" for folder in FOLDERS))
    has_prose = name.endswith((".py", ".md")) or name in ("docker-local.env", "docs/openapi.json")
    return is_known and has_prose and name not in SKIPPED and not name.startswith(GENERATED)


def _docstrings(text: str) -> Iterator[Prose]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                value = first.value.value
                if isinstance(value, str):
                    yield Prose(first.lineno, value)


def _comments(text: str) -> Iterator[Prose]:
    """Yield the comments; lines that follow each other are one."""
    block: list[str] = []
    start = previous = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT or _PRAGMA.match(token.string):
            continue
        line = token.start[0]
        if block and line != previous + 1:
            yield Prose(start, "\n".join(block))
            block = []
        if not block:
            start = line
        block.append(_PRAGMA.sub("", token.string.lstrip("#! ")))
        previous = line
    if block:
        yield Prose(start, "\n".join(block))


def _api_texts(node: object) -> Iterator[str]:
    """Yield the summaries, descriptions and titles of a JSON document."""
    if isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, str) and key in ("summary", "description"):
                yield value
            else:
                yield from _api_texts(value)
    elif isinstance(node, list):
        for one in node:
            yield from _api_texts(one)


def _without_code_blocks(text: str) -> str:
    """Blank out fenced and indented code, and tables' rules."""
    lines, is_fenced = [], False
    for line in text.splitlines():
        is_fence = line.lstrip().startswith(("```", "~~~"))
        is_fenced = is_fenced != is_fence
        is_code = is_fenced or is_fence or line.startswith(("    ", "\t"))
        lines.append("" if is_code else line)
    return "\n".join(lines)


def _sentences(piece: Prose) -> Iterator[tuple[int, str]]:
    """Yield the sentences with their lines. Code, links and quotations count as one word."""
    start = 0
    text = _CODE.sub(lambda match: "X" + "\n" * match[0].count("\n"), piece.text)
    for match in [*_SENTENCE.finditer(text), None]:
        end = match.start() if match else len(text)
        sentence = text[start:end].strip()
        if sentence:
            offset = len(text[start:end]) - len(text[start:end].lstrip())
            yield piece.line + text.count("\n", 0, start + offset), " ".join(sentence.split())
        start = match.end() if match else end


def _check_sentence(name: str, line: int, sentence: str) -> Iterator[Finding]:
    shown = sentence if len(sentence) < 100 else f"{sentence[:97]}..."
    for match in _WORDS.finditer(sentence):
        number = int((match.lastgroup or "w0")[1:])
        yield Finding(name, line, match[0], _REPLACEMENTS[number])
    if _FREE_RELATIVE.match(sentence):
        yield Finding(name, line, shown, "start with a noun, not with a free relative clause")
    if (count := len(_WORD.findall(sentence))) > MAX_WORDS:
        yield Finding(name, line, shown, f"{count} words; the limit is {MAX_WORDS}")


def measure(paths: list[Path]) -> None:
    """Print the measures of the docstrings and comments, by package."""
    groups: dict[str, list[str]] = {}
    for path in paths:
        if path.suffix == ".py":
            parts = path.relative_to(ROOT).parts
            name = "/".join(parts[:2]) if parts[0] == "app" else parts[0]
            sentences = [sentence for piece in read_prose(path) for _, sentence in _sentences(piece)]
            groups.setdefault(name, []).extend(sentences)
    groups["all"] = [sentence for sentences in groups.values() for sentence in sentences]
    print(f"{'package':24}{'words':>8}{'free relatives %':>18}{'tell per 1,000':>16}{'nobody per 1,000':>18}")
    for name, sentences in groups.items():
        text = " ".join(sentences)
        words = max(1, len(_WORD.findall(text)))
        openings = 100 * sum(bool(_FREE_RELATIVE.match(one)) for one in sentences) / max(1, len(sentences))
        tells, nobodies = (1000 * len(pattern.findall(text)) / words for pattern in (_TELL, _NOBODY))
        print(f"{name:24}{words:>8}{openings:>18.2f}{tells:>16.2f}{nobodies:>18.2f}")


def main() -> int:
    """Check the files and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--measure", action="store_true", help="print the measures of the style guide")
    options = parser.parse_args()
    wanted = [path.resolve() for path in options.paths]
    paths = [
        path for path in checked_files() if not wanted or any(path == one or one in path.parents for one in wanted)
    ]
    if options.measure:
        measure(paths)
        return 0
    findings = [finding for path in paths for finding in check_file(path)]
    print(*findings, sep="\n", end="\n" if findings else "")
    return 1 if findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
