"""From bytes to Structs, and from what is wrong to the service's words."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_emulator._api.decoding import decode_body, decode_query, unknown_in_body
from dbx_emulator._api.structs import AddFault, MoveClock, UseScenario
from dbx_emulator._api.structs_runs import CancelRun, GetRun, ListRuns, SubmitRun
from dbx_emulator._core.errors import ApiError

PREFIX = "Could not parse request object: "


def _refused(body: bytes, struct: type[Any] = SubmitRun) -> tuple[int, str | int, str]:
    with pytest.raises(ApiError) as raised:
        decode_body(body, struct)
    return raised.value.status_code, raised.value.error_code, raised.value.message


@pytest.mark.fact("errors.malformed-field", "errors.malformed-prefix")
@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(
            {"notebook_task": "x"}, "Expected object for field notebook_task, found STRING", id="object"
        ),
        pytest.param({"run_name": 5}, "Expected string for field run_name, found NUMBER", id="string"),
        pytest.param(
            {"run_name": ["x"]}, "Expected string for field run_name, found ARRAY", id="found-array"
        ),
        pytest.param(
            {"run_name": True}, "Expected string for field run_name, found BOOLEAN", id="found-boolean"
        ),
        pytest.param({"tasks": {}}, "Expected array for field tasks, found OBJECT", id="array"),
        pytest.param(
            {"tasks": [{"depends_on": [{"task_key": {}}]}]},
            "Expected string for field tasks.depends_on.task_key, found OBJECT",
            id="nested",
        ),
        pytest.param(
            {"timeout_seconds": []}, "Expected integer for field timeout_seconds, found ARRAY", id="integer"
        ),
        pytest.param(
            {"retry_on_timeout": []}, "Expected boolean for field retry_on_timeout, found ARRAY", id="boolean"
        ),
    ],
)
def test_wrong_type_names_field_and_both_types(body: object, message: str) -> None:
    """The service's sentence, with its names of the types."""
    assert _refused(json.dumps(body).encode()) == (400, "MALFORMED_REQUEST", PREFIX + message)


@pytest.mark.fact("errors.bad-number")
@pytest.mark.parametrize(
    "value",
    [
        pytest.param('"x"', id="text"),
        pytest.param('"1.5"', id="fraction-as-text"),
        pytest.param(str(2**63), id="above-int64"),
        pytest.param(str(-(2**63) - 1), id="below-int64"),
        pytest.param('"' + str(2**63) + '"', id="above-int64-as-text"),
        pytest.param("9" * 6_000, id="6000-digits"),
        pytest.param('"' + "9" * 6_000 + '"', id="6000-digits-as-text"),
        pytest.param("1e400", id="infinite"),
    ],
)
def test_bad_number_names_its_parameter(value: str) -> None:
    """A number that is none, or does not fit into an int64, is an invalid value."""
    assert _refused(b'{"run_id": %b}' % value.encode(), CancelRun) == (
        400,
        "INVALID_PARAMETER_VALUE",
        "Invalid value for parameter run_id",
    )


@pytest.mark.fact("requests.protobuf-json")
@pytest.mark.parametrize("value", ["5", '"5"', "5.0", "5e0", '"5.0"'])
def test_integer_may_be_text_or_integral_float(value: str) -> None:
    """Numbers are read as protobuf-JSON reads them."""
    assert decode_body(b'{"run_id": %b, "unheard_of": [1]}' % value.encode(), CancelRun) == CancelRun(
        run_id=5
    )
    assert decode_body(b'{"run_id": %b, "unheard_of": null}' % value.encode(), CancelRun) == CancelRun(
        run_id=5
    )


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63), 0])
def test_integer_may_be_any_int64(value: int) -> None:
    """The bounds themselves are inside."""
    assert decode_body(b'{"run_id": %d}' % value, CancelRun).run_id == value


@pytest.mark.fact("requests.missing-int64")
@pytest.mark.parametrize("body", [b"", b"{}", b'{"run_id": null}', b'{"run_id": null, "job_id": 1}'])
def test_missing_id_is_zero(body: bytes) -> None:
    """An empty body is an empty object, a null is a field left out, and a missing id is 0."""
    assert decode_body(body, CancelRun) == CancelRun(run_id=0)
    assert decode_query("", body, GetRun)[0] == GetRun(run_id=0)


def test_nulls_are_left_out_at_every_depth() -> None:
    """A null anywhere is a field left out, also inside objects that nothing looks into."""
    body = {"new_cluster": {"num_workers": None, "aws_attributes": {"a": None, "b": 1}}, "run_as": None}
    decoded = decode_body(json.dumps(body).encode(), SubmitRun)
    assert msgspec.to_builtins(decoded.new_cluster) == {"aws_attributes": {"b": 1}}
    assert decoded.run_as is msgspec.UNSET


@pytest.mark.fact("errors.null-in-a-map")
@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"notebook_task": {"base_parameters": {"day": None}}}, id="flat"),
        pytest.param(
            {"tasks": [{}, {"notebook_task": {"base_parameters": {"hour": "1", "day": None}}}]}, id="deep"
        ),
    ],
)
def test_null_in_a_map_is_malformed(body: object) -> None:
    """The value of a key in a map cannot be left out."""
    status_code, error_code, message = _refused(json.dumps(body).encode())
    assert (status_code, error_code) == (400, "MALFORMED_REQUEST")
    assert message == (
        "Could not parse request object: Expected 'key' and 'value' to be set for JSON map field base_parameters, "
        "got 'key: \"day\"' instead."
    )


@pytest.mark.fact("requests.unknown-fields")
def test_unknown_fields_are_noted_with_their_places() -> None:
    """They are ignored at every depth where the emulator looks, and told once each."""
    body = {
        "surprise": 1,
        "tasks": [{"task_key": "a", "color": 1}, {"color": 2, "notebook_task": {"path": "/x"}}],
        "new_cluster": {"aws_attributes": {"anything": 1}, "size": 3},
        "git_source": "never",
    }
    assert unknown_in_body(json.dumps(body).encode(), SubmitRun) == [
        "ignored field: surprise",
        "ignored field: tasks.color",
        "ignored field: tasks.notebook_task.path",
        "ignored field: new_cluster.size",
    ]
    assert unknown_in_body(b"", SubmitRun) == []
    assert decode_query("run_id=5&color=red", b'{"tone": 1}', GetRun)[1] == [
        "ignored parameter: color",
        "ignored field: tone",
    ]
    assert list(decode_query("color=red", b"", GetRun)[1]) == ["ignored parameter: color"]
    assert list(decode_query("run_id=5", b"", GetRun)[1]) == []


@pytest.mark.parametrize(
    ("body", "struct"),
    [
        pytest.param(b"{", SubmitRun, id="cut-off"),
        pytest.param(b"\xff", SubmitRun, id="no-utf-8"),
        pytest.param(b'{"run_name": "\xff"}', SubmitRun, id="text-that-is-no-utf-8"),
        pytest.param(b'{"run_name": "\\ud800"}', SubmitRun, id="half-a-surrogate"),
        pytest.param(b"run_id=5", CancelRun, id="form"),
        pytest.param(b'{"run_id": null, garbage', CancelRun, id="null-then-garbage"),
        pytest.param(b'{"run_id": 5} {}', CancelRun, id="two-bodies"),
        pytest.param(b'{"run_id": NaN}', CancelRun, id="nan"),
        pytest.param(b"[]", CancelRun, id="array"),
        pytest.param(b"null", CancelRun, id="null"),
        pytest.param(b'"run_id"', CancelRun, id="text"),
        pytest.param(b'{"tasks": [null]}', SubmitRun, id="null-in-an-array"),
        pytest.param(b'{"x": ' + b"[" * 200_000, CancelRun, id="deep-open"),
        pytest.param(b'{"x": ' + b"[" * 500 + b"]" * 500 + b"}", CancelRun, id="deep-array"),
        pytest.param(b'{"x": ' + b'{"a":' * 500 + b"1" + b"}" * 501, CancelRun, id="deep-object"),
        pytest.param(b'{"run_id": null, "x": ' + b"[" * 200_000, CancelRun, id="null-then-deep"),
    ],
)
def test_body_that_is_no_request_is_malformed(body: bytes, struct: type[Any]) -> None:
    """Nothing but the service's own error comes of it."""
    status_code, error_code, message = _refused(body, struct)
    assert (status_code, error_code) == (400, "MALFORMED_REQUEST")
    assert message.startswith(PREFIX)


def test_depth_is_bounded_by_nesting_not_by_size() -> None:
    """Many shallow objects are fine; 100 levels are, and one more is not."""
    shallow: dict[str, Any] = {"tags": {}, "x": [{} for _ in range(5_000)]}
    assert decode_body(json.dumps(shallow).encode(), SubmitRun).run_name == ""
    assert decode_body(b'{"x":' + b"[" * 98 + b"1" + b"]" * 98 + b"}", CancelRun) == CancelRun()
    assert _refused(b'{"x":' + b"[" * 101 + b"1" + b"]" * 101 + b"}", CancelRun)[1] == "MALFORMED_REQUEST"


@pytest.mark.parametrize(
    ("body", "struct", "words"),
    [
        pytest.param(b"{}", UseScenario, "use", id="missing"),
        pytest.param(b'{"advance": 1, "until": 2}', MoveClock, "until", id="unknown"),
        pytest.param(b'{"advance": []}', MoveClock, "advance", id="none-of-two-types"),
        pytest.param(
            b'{"kind": "status", "route": "*", "times": "x"}', AddFault, "times", id="optional-integer"
        ),
    ],
)
def test_body_of_the_control_api_names_its_mistake(body: bytes, struct: type[Any], words: str) -> None:
    """A control call with a field missing, unknown or of a wrong type is told which."""
    status_code, _, message = _refused(body, struct)
    assert status_code == 400
    assert words in message


@pytest.mark.fact("requests.get-with-body")
@pytest.mark.parametrize(
    ("query", "body", "parameters"),
    [
        pytest.param("run_id=5", b"", GetRun(run_id=5), id="query"),
        pytest.param("", b'{"run_id": 5}', GetRun(run_id=5), id="body"),
        pytest.param("", b'{"run_id": "5", "x": 1}', GetRun(run_id=5), id="text-in-body"),
        pytest.param(
            "run_id=5", b'{"run_id": 6, "page_token": "t"}', GetRun(5, page_token="t"), id="query-wins"
        ),
        pytest.param("run_id=%35&include_x=true", b"", GetRun(run_id=5), id="encoded-and-unknown"),
    ],
)
def test_parameters_come_from_the_query_and_else_from_the_body(
    query: str, body: bytes, parameters: GetRun
) -> None:
    """A GET may carry its parameters in a JSON body; what the query says counts first."""
    assert decode_query(query, body, GetRun)[0] == parameters


@pytest.mark.parametrize(
    ("value", "meaning"), [("true", True), ("false", False), ("True", True), ("1", True), ("0", False)]
)
def test_boolean_in_a_query_is_spelled_out(value: str, meaning: bool) -> None:  # noqa: FBT001 - parametrised
    """A client spells a boolean as JSON does, or as Python does, or as a digit."""
    assert decode_query(f"active_only={value}", b"", ListRuns)[0].active_only is meaning


@pytest.mark.parametrize(
    ("query", "error_code"),
    [
        pytest.param("active_only=perhaps", "MALFORMED_REQUEST", id="boolean"),
        pytest.param("limit=", "INVALID_PARAMETER_VALUE", id="empty-number"),
        pytest.param("limit=x", "INVALID_PARAMETER_VALUE", id="number"),
        pytest.param(f"limit={2**31}", "INVALID_PARAMETER_VALUE", id="above-int32"),
    ],
)
def test_query_that_means_nothing_is_refused(query: str, error_code: str) -> None:
    """The error is the service's, as for a body."""
    with pytest.raises(ApiError) as raised:
        decode_query(query, b"", ListRuns)
    assert (raised.value.status_code, raised.value.error_code) == (400, error_code)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_STRUCTS: list[type[Any]] = [SubmitRun, CancelRun, GetRun, ListRuns, MoveClock, UseScenario, AddFault]


def _fields(struct: type[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(struct.__struct_fields__), _JSON, max_size=4)


def _is_decoded_or_refused(decode: Callable[[], object]) -> bool:
    """Return whether the outcome is a value or a 400; anything else is a defect and leaks."""
    try:
        decode()
    except ApiError as error:
        return error.status_code == 400 and bool(error.message)
    return True


@settings(derandomize=True, deadline=None, max_examples=400)
@given(data=st.data(), struct=st.sampled_from(_STRUCTS))
def test_decode_leaks_nothing_for_any_json(data: st.DataObject, struct: type[Any]) -> None:
    """Whatever JSON stands in whichever field, the outcome is a value or the service's error."""
    value = data.draw(st.one_of(_JSON, _fields(struct)))
    body = json.dumps(value).encode()
    assert _is_decoded_or_refused(lambda: decode_body(body, struct))


@settings(derandomize=True, deadline=None, max_examples=400)
@given(
    body=st.one_of(
        st.binary(max_size=50),
        st.text(alphabet='{}[]":,0123456789truefalsn \\', max_size=30).map(str.encode),
        st.tuples(
            st.sampled_from([b'{"run_id":null,', b'{"run_name":"', b'{"tasks":[']), st.binary(max_size=20)
        ).map(b"".join),
    ),
    struct=st.sampled_from(_STRUCTS),
)
def test_decode_leaks_nothing_for_any_bytes(body: bytes, struct: type[Any]) -> None:
    """Whatever bytes come, the outcome is a value or the service's error."""
    assert _is_decoded_or_refused(lambda: decode_body(body, struct))


@settings(derandomize=True, deadline=None, max_examples=200)
@given(query=st.text(alphabet="run_idlimtactve=&%;0123456789+-.eE", max_size=30), body=st.binary(max_size=10))
def test_decode_leaks_nothing_for_any_query(query: str, body: bytes) -> None:
    """Neither does a query, with a body or without."""
    assert _is_decoded_or_refused(lambda: decode_query(query, body, GetRun))
    assert _is_decoded_or_refused(lambda: decode_query(query, body, ListRuns))
