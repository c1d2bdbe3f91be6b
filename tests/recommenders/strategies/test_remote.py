"""A model in another process is a strategy like any other; what goes wrong there is a sentence here."""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest

from recommenders.artefacts import load, save
from recommenders.contracts import Budget
from recommenders.errors import InvalidConfig, Unfit
from recommenders.scorer.server import pack, unpack
from recommenders.strategies.endpoint import Unanswered
from recommenders.strategies.remote import Remote, RemoteConfig
from recommenders.testing import StrategyContract, tastes
from tests.recommenders import scorer_process
from tests.recommenders.scorer_process import SERVER


@pytest.fixture(scope="module")
def pairs():
    with scorer_process.running("scorer_models:Pairs") as scorer:
        yield scorer


@pytest.fixture(scope="module")
def faulty():
    with scorer_process.running("scorer_models:Faulty", options=("--most", "400000")) as scorer:
        yield scorer


class TestRemote(StrategyContract):
    """With a model of numpy alone, in a process of its own."""

    strategy = Remote

    @pytest.fixture(autouse=True)
    def _served(self, pairs):
        type(self).config = RemoteConfig(url=pairs.url, model="scorer_models:Pairs", features=("item_text",))


def trained(scorer, fault: str = "", **changes: object):
    data = tastes(users=40)
    settings = {"fault": fault} if fault else {}
    strategy = Remote(RemoteConfig(**{"url": scorer.url, "settings": settings} | changes))
    report = strategy.fit(data, seed=1)
    return strategy, data, report


def test_a_server_that_was_killed_and_started_again_scores_as_before(tmp_path) -> None:
    with scorer_process.running("scorer_models:Pairs") as scorer:
        strategy, data, report = trained(scorer)
        batch = data.batch([0, 1])
        before = strategy.score(batch)
        save(strategy, tmp_path / "v", data=data, seed=1, report=report, code_version="test")
        scorer.kill()
        with pytest.raises(Unanswered, match="ConnectionRefused"):
            strategy.score(batch)
        scorer.start()
        np.testing.assert_array_equal(strategy.score(batch), before)
        loaded, _, _ = load(tmp_path / "v")
        np.testing.assert_array_equal(loaded.score(batch), before)


def test_the_server_gets_settings_and_features_and_tells_how_far_it_is(pairs) -> None:
    steps: list[tuple[float, str]] = []
    strategy = Remote(RemoteConfig(url=pairs.url, settings={"power": 2.0}))
    report = strategy.fit(tastes(users=30), progress=lambda share, step: steps.append((share, step)))
    plain, data, _ = trained(pairs)
    assert steps == [(0.5, "counting")]
    assert report.notes == {"model": "scorer_models:Pairs"}
    plain.fit(tastes(users=30))
    batch = data.batch([0])
    assert strategy.score(batch).max() > plain.score(batch).max()


def test_two_versions_are_served_beside_each_other(pairs) -> None:
    one, data, _ = trained(pairs)
    other, _, _ = trained(pairs, settings={"power": 3.0})
    batch = data.batch([0])
    first, second = one.score(batch), other.score(batch)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(one.score(batch), first)


@pytest.mark.parametrize(
    ("fault", "message"),
    [("refuses", "needs ratings"), ("breaks", "RuntimeError.*segment 7"), ("objects", "counts holds Python objects")],
)
def test_training_that_fails_there_says_why_here(faulty, fault: str, message: str) -> None:
    with pytest.raises(Unfit, match=message):
        trained(faulty, fault)
    trained(faulty)  # and the server goes on


def test_training_that_takes_too_long_ends_there_too(faulty) -> None:
    strategy = Remote(RemoteConfig(url=faulty.url, settings={"fault": "slow training"}))
    with pytest.raises(Unfit, match=r"longer than the budget of 0.3 s"):
        strategy.fit(tastes(users=20), budget=Budget(seconds=0.3))
    trained(faulty)


def test_training_that_nobody_waits_for_ends(faulty) -> None:
    def stop(share: float, step: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Remote(RemoteConfig(url=faulty.url, settings={"fault": "slow training"})).fit(tastes(users=20), progress=stop)
    report, ends = None, time.monotonic() + 3
    while report is None and time.monotonic() < ends:
        time.sleep(0.02)
        with suppress(Unfit):  # until the server notices
            report = trained(faulty)[2]
    assert report is not None


def test_a_server_killed_in_the_middle_of_training_leaves_no_model() -> None:
    with scorer_process.running("scorer_models:Faulty") as scorer:
        strategy = Remote(RemoteConfig(url=scorer.url, settings={"fault": "slow training"}))

        def kill(share: float, step: str) -> None:
            scorer.process.kill()

        with pytest.raises(Unfit, match=r"ended before training did|ConnectionReset"):
            strategy.fit(tastes(users=20), progress=kill)
        assert not hasattr(strategy, "learnt")


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [("nan", "status 422"), ("shape", "status 422"), ("raises", "status 500"), ("slow", "late")],
)
def test_scores_that_cannot_be_used_are_none(faulty, fault: str, outcome: str) -> None:
    strategy, data, _ = trained(faulty, fault, seconds=0.5)
    with pytest.raises(Unanswered) as failed:
        strategy.score(data.batch([0, 1]))
    assert failed.value.outcome == outcome


def test_a_server_that_fails_again_and_again_is_left_alone(faulty) -> None:
    strategy, data, _ = trained(faulty, "raises", failures=2)
    outcomes = []
    for _ in range(4):
        with pytest.raises(Unanswered) as failed:
            strategy.score(data.batch([0]))
        outcomes.append(failed.value.outcome)
    assert outcomes == ["status 500", "status 500", "paused", "paused"]


def test_a_body_above_the_servers_limit_is_refused(faulty) -> None:
    with pytest.raises(Unfit, match=r"at most 400,000|BrokenPipe|ConnectionReset"):
        Remote(RemoteConfig(url=faulty.url)).fit(tastes(users=2_000))


def test_a_server_with_another_model_is_refused(pairs, faulty) -> None:
    with pytest.raises(Unfit, match="has scorer_models:Pairs by protocol 1, not other:Model"):
        trained(pairs, model="other:Model")
    strategy, data, _ = trained(pairs, model="scorer_models:Pairs")
    strategy.address = Remote(RemoteConfig(url=faulty.url)).address
    with pytest.raises(Unanswered, match="this server has scorer_models:Faulty"):
        strategy.score(data.batch([0]))


def test_a_web_server_that_is_no_scorer_is_refused() -> None:
    from tests.recommenders import chat_server

    with chat_server.running() as other, pytest.raises(Unfit, match="is no scorer"):
        Remote(RemoteConfig(url=other.url)).fit(tastes(users=20))


def test_with_a_token_the_server_answers_nobody_else(monkeypatch) -> None:
    monkeypatch.setenv("WINNOW_SCORER_TOKEN", "pst")
    with scorer_process.running("scorer_models:Pairs", token="pst") as scorer:
        strategy, data, _ = trained(scorer, token_variable="WINNOW_SCORER_TOKEN")
        assert strategy.score(data.batch([0])).shape == (1, 60)
        with pytest.raises(Unfit, match="status 401"):
            trained(scorer)


def test_the_server_listens_to_other_machines_only_with_a_token() -> None:
    command = [sys.executable, str(SERVER), "scorer_models:Pairs", "--host", "0.0.0.0", "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=scorer_process.FOLDER)
    assert done.returncode == 2
    assert "set SCORER_TOKEN" in done.stderr


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("GET", "/", {}, b"", 404),
        ("POST", "/score/../../etc", {"Content-Type": "application/x-npz"}, b"", 404),
        ("POST", "/score/" + "0" * 64, {"Content-Type": "text/plain"}, b"", 415),
        ("POST", "/score/" + "0" * 64, {"Content-Type": "application/x-npz"}, b"", 422),
        ("POST", "/score/" + "0" * 64, {"Content-Type": "application/x-npz"}, pack({"users": np.zeros(1)}), 404),
        ("PUT", "/models/" + "0" * 64, {"Content-Type": "application/x-npz"}, b"PK", 422),
        ("POST", "/fit", {"Content-Type": "application/x-npz", "Content-Length": "99999999999"}, b"", 413),
        ("POST", "/fit", {"Content-Type": "application/x-npz", "Content-Length": "-5"}, b"", 411),
    ],
)
def test_the_server_refuses_what_is_not_in_the_contract(pairs, method, path, headers, body, status) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", pairs.port, timeout=5)
    connection.request(method, path, body, headers)
    assert connection.getresponse().status == status
    connection.close()


def test_requests_at_the_same_time_get_their_own_answers(pairs) -> None:
    strategy, data, _ = trained(pairs)
    expected = strategy.score(data.batch(np.arange(40)))
    wrong: list[int] = []

    def ask(user: int) -> None:
        if not np.array_equal(strategy.score(data.batch([user]))[0], expected[user]):
            wrong.append(user)

    threads = [threading.Thread(target=ask, args=(user,)) for user in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_arrays_travel_without_pickle_and_within_a_limit() -> None:
    arrays, request = unpack(pack({"a": np.arange(3)}, {"b": "é"}))
    assert (arrays["a"].tolist(), request) == ([0, 1, 2], {"b": "é"})
    pickled = BytesIO()
    np.savez(pickled, a=np.array([{}]))
    with pytest.raises(ValueError, match="Object arrays"):
        unpack(pickled.getvalue())
    with pytest.raises(ValueError, match="more than 100 bytes"):
        unpack(pack({"a": np.zeros(1_000)}), most=100)


def test_features_that_the_data_lacks_are_named(pairs) -> None:
    data = tastes(users=20)
    bare = replace(data, catalogue=replace(data.catalogue, texts=None))
    with pytest.raises(Unfit, match="no item_text"):
        Remote(RemoteConfig(url=pairs.url, features=("item_text",))).fit(bare)


def test_other_machines_must_be_allowed_by_whoever_runs_winnow() -> None:
    with pytest.raises(Unfit, match="WINNOW_ENDPOINTS"):
        Remote(RemoteConfig(url="http://10.0.0.1:8901")).fit(tastes(users=20))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "unix:/x"}, "url"),
        ({"features": ("item_colour",)}, "features"),
        ({"token_variable": "WINNOW_SECRET_KEY"}, "token_variable"),
        ({"failures": 0}, "failures"),
        ({"seconds": 0}, "seconds"),
        ({"pause": -1}, "pause"),
    ],
)
def test_a_configuration_that_breaks_a_rule_is_refused(change: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidConfig, match=f"^{field}: "):
        RemoteConfig(**change)
