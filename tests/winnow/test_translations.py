"""The catalogues: whole, and extracted from code and templates without gettext's programs."""

from __future__ import annotations

import pytest
from babel.messages.pofile import read_po
from django.conf import settings
from django.utils.translation import gettext, override, to_locale

from winnow import translations

OTHER_LANGUAGES = [to_locale(code) for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE]


def test_every_message_is_translated_into_every_language():
    assert translations.missing_translations() == {language: [] for language in OTHER_LANGUAGES}


@pytest.mark.parametrize("language", OTHER_LANGUAGES)
def test_translations_keep_the_placeholders(language):
    with (translations.LOCALE / language / "LC_MESSAGES" / "django.po").open("rb") as file:
        catalogue = read_po(file, locale=language)
    assert [(message.id, str(error)) for message, errors in catalogue.check() for error in errors] == []


def test_messages_come_from_code_and_from_templates(source):
    (source / "code.py").write_text('from django.utils.translation import gettext as _\n_("from code")\n')
    (source / "page.html").write_text(
        '{% load i18n %}<p title="{% translate "from a template" %}">'
        "{% blocktranslate count n=n %}{{ n }} user{% plural %}{{ n }} users{% endblocktranslate %}</p>"
    )
    found = {message.id for message in translations.extract_messages() if message.id}
    assert found == {"from code", "from a template", ("%(n)s user", "%(n)s users")}


def test_a_new_language_gets_a_catalogue_that_is_missing_everything(source):
    (source / "code.py").write_text('_("Save")\n')
    (source / "locale" / "de" / "LC_MESSAGES").mkdir(parents=True)
    translations.update_catalogues()
    assert translations.missing_translations() == {"de": ["Save"]}


def test_a_message_that_nothing_uses_any_more_goes(source):
    folder = source / "locale" / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "django.po").write_text('msgid "Save"\nmsgstr "Sichern"\n\nmsgid "Old"\nmsgstr "Alt"\n')
    (source / "code.py").write_text('_("Save")\n')
    assert translations.missing_translations() == {"de": ["Old"]}
    translations.update_catalogues()
    assert translations.missing_translations() == {"de": []}


def test_a_catalogue_is_compiled_once(source):
    folder = source / "locale" / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "django.po").write_text('msgid "Save"\nmsgstr "Sichern"\n')
    translations.compile_catalogues()
    compiled = (folder / "django.mo").stat()
    translations.compile_catalogues()
    assert (folder / "django.mo").stat() == compiled
    assert translations.stale_catalogues() == []
    assert [path.name for path in sorted(folder.iterdir())] == ["django.mo", "django.po"]


@pytest.mark.parametrize("language", OTHER_LANGUAGES)
def test_a_compiled_catalogue_is_used(language):
    with override(language.lower().replace("_", "-")):
        assert gettext("Log out") != "Log out"


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A source tree of its own."""
    monkeypatch.setattr(translations, "ROOT", tmp_path)
    monkeypatch.setattr(translations, "SOURCES", (tmp_path,))
    monkeypatch.setattr(translations, "LOCALE", tmp_path / "locale")
    return tmp_path
