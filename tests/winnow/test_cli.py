"""The command line: what there is, who gets in."""

from __future__ import annotations

import subprocess

import click
import pytest
from click.testing import CliRunner

from tests.installation import WINNOW, environment
from winnow.accounts.keys import find_api_key, redeem_login_link
from winnow.accounts.models import Scope, User
from winnow.cli import COMMANDS, main


def test_every_command_has_a_line_of_help():
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    for name, entry in COMMANDS.items():
        assert f"{name}  " in result.output
        assert entry.help in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_the_command_says(name):
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert str(command.help).startswith(COMMANDS[name].help.rstrip("."))


def test_a_wrong_setting_is_one_sentence(shell, tmp_path):
    done = shell(*WINNOW, "setup", WINNOW_HOME=str(tmp_path / "home"), WINNOW_DEBUG="perhaps")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: the settings cannot be used: WINNOW_DEBUG = 'perhaps'")


def test_a_foreign_package_is_one_sentence(shell, tmp_path):
    (tmp_path / "recommenders").mkdir()
    (tmp_path / "recommenders" / "__init__.py").touch()
    done = shell(*WINNOW, "setup", WINNOW_HOME=str(tmp_path / "home"), PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("Error: recommenders is not ours: ")


@pytest.mark.sqlite
def test_setup_makes_a_home_and_may_be_repeated(tmp_path):
    for _ in range(2):
        done = subprocess.run(
            [*WINNOW, "setup"], capture_output=True, text=True, check=True, env=environment(tmp_path / "home")
        )
        assert done.stdout == f"Winnow is ready to run with its home in {tmp_path / 'home'}\n"
        assert done.stderr == ""


@pytest.mark.parametrize("words", [("--help",), ("analyze", "--help")])
def test_help_needs_no_home(shell, tmp_path, words):
    done = shell(*WINNOW, *words, WINNOW_HOME=str(tmp_path / "home"))
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "home").exists()


@pytest.mark.django_db
def test_a_login_link_makes_the_person_with_the_role():
    result = CliRunner().invoke(main, ["login-link", "ann", "--role", "engineer", "--url", "http://winnow.test"])
    address, _, token = result.output.strip().rpartition("/")
    assert address == "http://winnow.test/login/link"
    user = redeem_login_link(token)
    assert user == User.objects.get(username="ann", role="engineer")
    assert not user.has_usable_password()
    assert redeem_login_link(token) is None


@pytest.mark.django_db
def test_a_login_link_leaves_the_role_of_a_person_alone_unless_told():
    User.objects.create_user("ann", role="admin")
    CliRunner().invoke(main, ["login-link", "ann"])
    assert User.objects.get().role == "admin"
    CliRunner().invoke(main, ["login-link", "ann", "--role", "viewer"])
    assert User.objects.get().role == "viewer"


@pytest.mark.django_db
def test_a_key_is_shown_once_and_works():
    result = CliRunner().invoke(main, ["keys", "create", "shop", "--scope", "write_events"])
    key = result.output.strip()
    found = find_api_key(key, scope=Scope.WRITE_EVENTS)
    assert found is not None
    assert found.name == "shop"
    assert key not in (found.digest, found.prefix)
    assert find_api_key(key, scope=Scope.READ) is None
