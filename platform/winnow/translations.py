"""The catalogues of translations: extracted from code and templates, compiled at set-up. Needs no gettext programs."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

PACKAGE = Path(__file__).parent
ROOT = PACKAGE.parent.parent
LOCALE = PACKAGE / "locale"
SOURCES = (PACKAGE, ROOT / "experiments", ROOT / "recommenders")
KEYWORDS = {
    name: spec
    for names, spec in (
        (("_", "gettext", "gettext_lazy", "gettext_noop"), None),
        (("ngettext", "ngettext_lazy"), (1, 2)),
        (("pgettext", "pgettext_lazy"), ((1, "c"), 2)),
        (("npgettext",), ((1, "c"), 2, 3)),
    )
    for name in names
}


def compile_catalogues() -> None:
    """Write the .mo file of each catalogue whose .po file is newer. A wheel has only .mo files, and nothing to do."""
    for source in stale_catalogues():
        target = source.with_suffix(".mo")
        draft = target.with_suffix(".draft")
        with draft.open("wb") as file:
            write_mo(file, _read(source))
        draft.replace(target)


def stale_catalogues() -> list[Path]:
    """The .po files whose .mo file is missing or older."""
    return [path for path in _catalogues() if not _is_compiled(path)]


def update_catalogues() -> None:
    """Bring the .po file of each language up to what code and templates say now; a new folder gets its first one."""
    template = extract_messages()
    for path in (folder / "django.po" for folder in LOCALE.glob("*/LC_MESSAGES")):
        catalogue = _read(path) if path.exists() else Catalog(locale=path.parent.parent.name, project="Winnow")
        catalogue.update(template, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        catalogue.fuzzy = False
        with path.open("wb") as file:
            write_po(file, catalogue, width=120, omit_header=False, sort_by_file=True, include_lineno=False)


def missing_translations() -> dict[str, list[str]]:
    """By language, the messages without a translation and those that nothing uses any more."""
    wanted = {message.id for message in extract_messages() if message.id}
    missing: dict[str, list[str]] = {}
    for path in _catalogues():
        catalogue = _read(path)
        done = {message.id for message in catalogue if message.id and _complete(message.string) and not message.fuzzy}
        missing[path.parent.parent.name] = sorted(str(message) for message in wanted ^ done)
    return missing


def extract_messages() -> Catalog:
    """All messages of Python files and templates."""
    catalogue = Catalog(project="Winnow", charset="utf-8")
    for path in _files():
        source = path.read_text(encoding="utf-8")
        if path.suffix == ".html":
            source = _templatized(source, path)
        for line, message, comments, context in extract(
            "python", io.BytesIO(source.encode()), keywords=KEYWORDS, options={"encoding": "utf-8"}
        ):
            name = path.relative_to(ROOT).as_posix()
            catalogue.add(message, locations=[(name, line)], auto_comments=comments, context=context)
    return catalogue


def _catalogues() -> list[Path]:
    return sorted(LOCALE.glob("*/LC_MESSAGES/django.po"))


def _is_compiled(source: Path) -> bool:
    target = source.with_suffix(".mo")
    return target.exists() and target.stat().st_mtime >= source.stat().st_mtime


def _templatized(source: str, path: Path) -> str:
    """A template as Python tokens: its messages as calls of gettext, all else blanked out."""
    from django.utils.translation.template import templatize

    return "\n".join(line.strip() for line in templatize(source, origin=str(path)).splitlines())


def _files() -> Iterator[Path]:
    for folder in SOURCES:
        yield from sorted(path for suffix in ("py", "html") for path in folder.rglob(f"*.{suffix}"))


def _complete(string: str | Sequence[str] | None) -> bool:
    return bool(string) if string is None or isinstance(string, str) else all(string)


def _read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=path.parent.parent.name)


if __name__ == "__main__":
    update_catalogues()
    compile_catalogues()
