"""A user's configuration, read exactly."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from dbx_agent.errors import ConfigurationError
from dbx_agent.job_conf import expect, read_conf, read_texts

BIG = 2**53 + 1


@pytest.mark.fact("flyte.custom.numbers-are-floats")
@pytest.mark.behaviour(16)
@pytest.mark.weakness(22)
def test_whole_numbers_are_whole_again_wherever_they_are() -> None:
    """Objects, lists, tuples; a fraction stays one, and so does the type of everything else."""
    conf = {"a": 2.0, "b": [{"c": 3.0}], "d": (1.5, -4.0), "e": True, "f": "2.0", "g": None, "h": {"i": None}}
    before = copy.deepcopy(conf)
    exact = read_conf({"databricksConf": conf})
    assert (
        json.dumps(exact)
        == '{"a": 2, "b": [{"c": 3}], "d": [1.5, -4], "e": true, "f": "2.0", "h": {"i": null}}'
    )
    assert conf == before


@pytest.mark.fact("agent.submit.int64-as-text")
@pytest.mark.behaviour(16)
@pytest.mark.parametrize(
    ("conf", "expected"),
    [
        pytest.param(json.dumps({"job_id": BIG, "n": 2.0}), {"job_id": BIG, "n": 2}, id="text"),
        pytest.param({"json": json.dumps({"job_id": BIG})}, {"job_id": BIG}, id="text-in-an-object"),
        pytest.param({"job_id": str(BIG)}, {"job_id": str(BIG)}, id="a-text-for-the-number"),
        pytest.param({"job_id": float(2**53 - 1)}, {"job_id": 2**53 - 1}, id="the-largest-exact-float"),
        pytest.param(None, {}, id="left-out"),
    ],
)
def test_large_ids_keep_their_digits(conf: Any, expected: dict[str, Any]) -> None:
    """As JSON text, or each as a text; below 2^53 as numbers too."""
    assert read_conf({"databricksConf": conf}) == expected


@pytest.mark.behaviour(16)
@pytest.mark.parametrize(
    ("conf", "message"),
    [
        pytest.param(
            {"tasks": [{"run_job_task": {"job_id": float(2**53)}}]},
            r"databricksConf\.tasks\[0\]\.run_job_task\.job_id is about 9007199254740992: .* as a text",
            id="digits-lost",
        ),
        pytest.param({"a": {"b": float("inf")}}, r"databricksConf\.a\.b is inf.*Use a finite", id="infinite"),
        pytest.param('{"a": NaN}', r"databricksConf\.a is nan", id="nan-in-text"),
        pytest.param("{canary-x", "databricksConf is no JSON: .* Write the text of an object", id="no-json"),
        pytest.param('["canary-x"]', "databricksConf is the text of no object", id="text-of-a-list"),
        pytest.param("[" * 100_000, "databricksConf is nested too deeply", id="too-deep"),
        pytest.param({"json": 5.0}, r"databricksConf\.json is of a wrong type: float", id="json-number"),
        pytest.param(
            {"json": "{}", "b": "canary-x", "a": 1},
            "databricksConf has json and also a, b. The text is the whole",
            id="json-and-more",
        ),
        pytest.param(["canary-x"], "databricksConf is of a wrong type: list. .* an object", id="a-list"),
    ],
)
def test_what_is_not_exact_names_the_place_and_shows_no_text(conf: Any, message: str) -> None:
    """A configuration may hold the password of an image's registry."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        read_conf({"databricksConf": conf})
    assert "canary" not in str(caught.value)


def test_maps_of_text_are_texts() -> None:
    """As the service wants them; numbers as they were written."""
    assert read_texts({"a": 2.0, "b": True, "c": "x", "d": 0.5}, "f") == {
        "a": "2",
        "b": "true",
        "c": "x",
        "d": "0.5",
    }
    with pytest.raises(ConfigurationError, match=r"f\.a is about"):
        read_texts({"a": 1e300}, "f")


def test_what_is_left_out_is_empty() -> None:
    """Of the type that is wanted."""
    assert (expect(None, str, "f"), expect(None, list, "f"), expect("x", str, "f")) == ("", [], "x")
