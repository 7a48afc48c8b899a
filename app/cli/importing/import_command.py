"""`import`: upload a folder of images with tags."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import httpx
import typer

from app.cli.client_commands.client_options import DEFAULT_SERVER, Server, Token, check_server
from app.cli.importing.import_client import CommandError, ImportClient, UploadOptions
from app.cli.importing.import_files import Candidate, Outcome, Result, displayed, scan
from app.cli.importing.import_run import ImportRun
from app.cli.options import JsonLines
from app.cli.transfers.result_lines import ReportPath, ResultLines, open_lines
from app.cli.transfers.transfer_display import TransferDisplay
from app.core.text.tag_names import normalize_tag

TIMEOUT_SECONDS = 60


class OnClash(StrEnum):
    """The treatment of a file whose name is in use."""

    FAIL = "fail"
    RENAME = "rename"
    SKIP = "skip"


def import_folder(  # noqa: PLR0913, PLR0917 - one for each option
    directory: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, metavar="DIR", help="The folder to upload.")
    ],
    tag: Annotated[list[str] | None, typer.Option(help="A tag for all images; repeatable.")] = None,
    server: Server = DEFAULT_SERVER,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="The number of concurrent uploads.")] = 4,
    token: Token = "",
    on_clash: Annotated[OnClash, typer.Option(help="The treatment of a file whose name is in use.")] = OnClash.FAIL,
    private: Annotated[bool, typer.Option("--private", help="Make the images private.")] = False,
    skip_near: Annotated[
        bool, typer.Option("--skip-near", help="Skip near copies of stored images. The files are sent one by one.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report the files to upload, without changes.")] = False,
    report: ReportPath = None,
    keywords: Annotated[bool, typer.Option("--keywords", help="Turn IPTC and XMP keywords into tags.")] = False,
    as_json: JsonLines = False,
) -> None:
    """Upload a folder. Folder names become tags. An interrupted import continues when it is run again.

    Exit code 0: every image is stored; 1: some are not; 2: the options or the server cannot be used.
    """
    tags = [_checked_tag(one) for one in tag or []]
    check_server(server, token)
    if not token:
        raise typer.BadParameter(
            "a token is required: an access token or an API key, here or in IMTS_TOKEN", param_hint="--token"
        )
    found = list(scan(directory, tags, with_keywords=keywords))
    candidates = [one for one in found if isinstance(one, Candidate)]
    display = TransferDisplay(len(candidates), sum(one.size for one in candidates))
    results = _Results(display, {one.path: one for one in candidates})
    headers = {"Authorization": f"Bearer {token}"}

    async def run() -> None:
        async with httpx.AsyncClient(base_url=server, headers=headers, timeout=TIMEOUT_SECONDS) as http_client:
            client = ImportClient(http_client, UploadOptions(private, on_clash is OnClash.RENAME))
            await client.check()
            importing = ImportRun(
                client, jobs, on_clash is OnClash.SKIP, skip_near, dry_run, results.record, display.measure
            )
            await importing.run(candidates)

    exit_code = 0
    with open_lines(report, as_json=as_json) as results.lines:
        try:
            for one in found:
                if isinstance(one, Result):
                    results.record(one)
            with display.live():
                asyncio.run(run())
        except KeyboardInterrupt:
            typer.echo("Stopped. Run the command again to continue.", err=True)
            exit_code = 130
        except CommandError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(2) from error
    _summarize(results)
    raise typer.Exit(exit_code or (1 if results.failed else 0))


def _checked_tag(tag: str) -> str:
    try:
        return normalize_tag(tag)
    except ValueError as error:
        raise typer.BadParameter(f"{tag!r}: {error}", param_hint="--tag") from error


@dataclass(slots=True)
class _Results:
    """The results so far. Their counts add up to the number of processed files."""

    display: TransferDisplay
    # The files that the display counts.
    candidates: dict[Path, Candidate]
    lines: ResultLines = field(default_factory=ResultLines)
    counts: Counter[Outcome] = field(default_factory=Counter)
    reasons: Counter[tuple[Outcome, str]] = field(default_factory=Counter)
    failed: list[Result] = field(default_factory=list)
    renamed: list[Result] = field(default_factory=list)

    def record(self, result: Result) -> None:
        self.counts[result.outcome] += 1
        if result.outcome is Outcome.FAILED:
            self.failed.append(result)
        elif result.outcome is Outcome.UPLOADED:
            self.renamed += [result] if result.reason else []
        else:
            self.reasons[result.outcome, result.reason] += 1
        candidate = self.candidates.get(result.path)
        if candidate is not None:
            self.display.count()
        self.lines.write(
            displayed(result.path),
            result.outcome,
            reason=result.reason,
            image=result.image,
            ignored_keywords="; ".join(candidate.ignored_keywords) if candidate else "",
        )


def _summarize(results: _Results) -> None:
    counts = results.counts
    skipped = counts[Outcome.SKIPPED] + counts[Outcome.STORED]
    results.lines.summarize(f"{counts[Outcome.UPLOADED]} uploaded, {skipped} skipped, {counts[Outcome.FAILED]} failed.")
    for (_, reason), count in results.reasons.most_common():
        results.lines.summarize(f"  skipped: {count}, {reason}")
    for result in results.renamed:
        results.lines.summarize(f"  renamed: {displayed(result.path)}: {result.reason}")
    for one in results.candidates.values():
        for keyword in one.ignored_keywords:
            results.lines.summarize(f"  keyword ignored: {displayed(one.path)}: {keyword}")
    for result in results.failed:
        results.lines.summarize(f"  failed: {displayed(result.path)}: {result.reason}")
