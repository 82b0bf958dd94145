"""The watch over secrets finds what is planted, wherever it is, and nothing else."""

from __future__ import annotations

import pytest

from dbx_emulator import Workspace
from dbx_emulator._api.messages import Request

from .watch import MARK, PLACES, Watch

# What is planted in a session inside a test is seen by the watch over that test as well.
pytestmark = [pytest.mark.shows_secret(place, "a secret is planted there") for place in PLACES]

#: A test that lets a secret be seen: name → place, body. The first of these secrets is one by its name, those of a
#: workspace because they open it.
PLANTED = {
    "log": ("log", "logging.getLogger('x').warning('using %s', 'canary-0123')"),
    "log_of_a_logger_apart": (
        "log",
        "logger = logging.getLogger('apart')\n    logger.propagate = False\n    logger.error('canary-0123')",
    ),
    "log_of_half_a_secret": ("log", "logging.getLogger('x').warning('canary-0123456789abcdef'[:9])"),
    "arguments_of_a_log": ("log", "logging.getLogger('x').warning('%.1s', 'canary-0123')"),
    "traceback_in_a_log": (
        "log",
        "try:\n        int('canary-0123')\n    except ValueError:\n        logging.exception('no')",
    ),
    "stdout": ("output", "print('canary-0123')"),
    "stderr": ("output", "print('canary-0123', file=sys.stderr)"),
    "output_that_was_read": ("output", "print('canary-0123')\n    capsys.readouterr()"),
    "output_of_a_process": (
        "output",
        "subprocess.run([sys.executable, '-c', 'print(\\'canary-0123\\')'], capture_output=True)",
    ),
    "token_of_a_workspace": ("output", "print(Workspace(token='opens-it').token)"),
    "issued_token": ("output", "print(Workspace().issue_token())"),
    "secret_of_a_client": ("output", "print(Workspace(client_secret='0123456789').client_secret)"),
    "journal": ("journal", "ask(Workspace(client_secret='0123456789'), '/x', '/y?z=0123456789')"),
    "journal_of_one_of_many": (
        "journal",
        "for n in range(40):\n        ask(Workspace(), '/x' if n else '/canary-0123')",
    ),
    "error": ("exception", "UsageError('no: canary-0123')"),
    "warning": ("report", "request.node.warn(pytest.PytestWarning('canary-0123'))"),
}

#: Likewise, of the agent.
PLANTED_IN_THE_AGENT = {
    "error": ("exception", "ConfigurationError('no: canary-0123')"),
    "cause_of_an_error": (
        "exception",
        "try:\n        raise OSError('canary-0123')\n    except OSError:\n        ConfigurationError('no')",
    ),
    "metadata": ("metadata", "DatabricksJobMetadata('h', '', rejected='canary-0123').encode()"),
    "token_of_an_older_agent": (
        "metadata",
        "DatabricksJobMetadata('h', '', rejected='t-0123456789', inherited_token='t-0123456789').encode()",
    ),
    "resource": ("resource", "agent.make_resource(Phase.RUNNING, 'canary-0123')"),
    "repr": ("repr", "ClientCredentials('canary-0123', '')"),
    "secret_of_a_client": ("repr", "ClientCredentials('0123456789', '0123456789')"),
    "access_token": ("output", "print(AccessToken('0123456789', 1.0, 1.0).text)"),
    "shown_token": ("log", "logging.warning(Showing('Bearer 0123456789', ('0123456789',)).authorization)"),
}

_IMPORTS = """
import logging
import subprocess
import sys
import pytest
from dbx_emulator import UsageError, Workspace
from dbx_emulator._api.messages import Request

def ask(workspace, *targets):
    for target in targets:
        workspace.handle(Request("GET", target, [], b""))
"""

_IMPORTS_OF_THE_AGENT = """
import logging
import dbx_agent.agent as agent
from dbx_agent.access_tokens import AccessToken
from dbx_agent.api_call import Showing
from dbx_agent.errors import ConfigurationError
from dbx_agent.job_metadata import DatabricksJobMetadata
from dbx_agent.oauth import ClientCredentials
from dbx_agent.outcome import Phase
"""


def _run(pytester: pytest.Pytester, code: str) -> pytest.RunResult:
    pytester.makepyfile(code)
    # What hypothesis says at its end takes a second. Where CI is set, pytest's summary repeats all errors, whole.
    without = ("-p", "no:hypothesispytest", "-p", "no:asyncio", "-p", "no:cacheprovider", "-rN")
    return pytester.runpytest_inprocess("-p", "tests.canaries.plugin", *without)


def _see(pytester: pytest.Pytester, imports: str, place: str, body: str) -> None:
    result = _run(pytester, f"{imports}\ndef test_it(capsys, request):\n    {body}\n")
    result.assert_outcomes(passed=1, errors=1)
    [said] = [line for line in result.outlines if line.startswith(f"{place} ({PLACES[place]}): ")]
    assert "0123" not in said


@pytest.mark.parametrize(("place", "body"), PLANTED.values(), ids=PLANTED)
def test_what_is_planted_fails_the_test(pytester: pytest.Pytester, place: str, body: str) -> None:
    """The place is named, and the secret is not shown."""
    _see(pytester, _IMPORTS, place, body)


@pytest.mark.flyte
@pytest.mark.parametrize(("place", "body"), PLANTED_IN_THE_AGENT.values(), ids=PLANTED_IN_THE_AGENT)
def test_what_the_agent_shows_fails_the_test(pytester: pytest.Pytester, place: str, body: str) -> None:
    """Likewise, of what the agent makes."""
    _see(pytester, _IMPORTS_OF_THE_AGENT, place, body)


def test_a_failure_that_shows_a_secret_says_so(pytester: pytest.Pytester) -> None:
    """The test fails once for itself and once for the secret."""
    result = _run(pytester, "def test_it():\n    assert 'canary-0123' == ''")
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(["report (*"])


def test_a_failure_at_the_end_keeps_its_words(pytester: pytest.Pytester) -> None:
    """Where there is an error already, secrets come after it."""
    code = """
import pytest

@pytest.fixture
def late():
    yield
    print("canary-0123")
    raise ValueError("late")

def test_it(late):
    pass
"""
    result = _run(pytester, code)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["E * ValueError: late", "*- Secrets -*", "this test lets*", "output (*"])


def test_a_clean_test_passes(pytester: pytest.Pytester) -> None:
    """Secrets may be used: a workspace is opened, a token is compared, a short word is no secret."""
    code = f"""
{_IMPORTS}
def test_it(caplog):
    workspace = Workspace(token="t", client_secret="0123456789")
    headers = [(name.encode(), value.encode()) for name, value in workspace.headers.items()]
    workspace.handle(Request("GET", "/api/2.1/jobs/runs/list?limit=1", headers, b""))
    workspace.handle(Request("POST", "/oidc/v1/token", headers, b"client_secret=0123456789"))
    assert Workspace().token == "-".join(["dbx", "emulator", "token"])
    logging.warning("a test")
    print(workspace, len(workspace.journal))
"""
    _run(pytester, code).assert_outcomes(passed=1)


def test_a_secret_of_one_test_is_none_of_the_next(pytester: pytest.Pytester) -> None:
    """Another test may say the same word; order does not matter."""
    code = f"""
{_IMPORTS}
def test_one():
    Workspace(token="parliament")

def test_two():
    print("parliament")
"""
    _run(pytester, code).assert_outcomes(passed=2)


def test_a_test_may_show_a_secret_where_it_says_so(pytester: pytest.Pytester) -> None:
    """At that place, and at no other."""
    marker = "@pytest.mark.shows_secret('output', 'people are to copy it')"
    code = f"{_IMPORTS}\n{marker}\ndef test_it():\n    print('canary-0123')\n"
    _run(pytester, code).assert_outcomes(passed=1)
    _run(pytester, f"{code}    logging.warning('canary-0123')").assert_outcomes(passed=1, errors=1)


@pytest.mark.parametrize("arguments", ["'here', 'why'", "'log', ''"])
def test_showing_a_secret_needs_a_place_and_a_reason(pytester: pytest.Pytester, arguments: str) -> None:
    """Anything else does not even run."""
    code = f"import pytest\n@pytest.mark.shows_secret({arguments})\ndef test_it():\n    pass"
    result = _run(pytester, code)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*shows_secret(place, why)*"])


def test_the_end_of_a_canary_is_found_and_no_other_secret_is_quoted() -> None:
    """Cut at its beginning, it is still one; what is told of it has no secret in it."""
    watch = Watch()
    watch.begin()
    watch.know("a token", f"{MARK}0123456789abcdef")
    watch.know("another", "a-second-one")
    watch.note("log", "first a-second-one, then 6789abcdef")
    assert watch.end() == [f"log ({PLACES['log']}): a token, another, after 'first '"]
    watch.note("log", MARK)
    assert watch.end() == []


@pytest.mark.parametrize("name", ["authorization", "x-anything"])
def test_a_journal_that_shows_credentials_of_headers_is_found(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Whether it is the header of the credentials or another one."""
    monkeypatch.setattr("dbx_emulator._core.har.find_secrets", lambda *_: ())
    monkeypatch.setattr(
        "dbx_emulator._core.har.redact_headers",
        lambda lines: [(each.decode(), value.decode()) for each, value in lines],
    )
    watch, workspace = Watch(), Workspace()
    watch.begin()
    watch.keep(workspace.journal)
    workspace.handle(Request("GET", "/x", [(name.encode(), f"Bearer {MARK}0123".encode())], b""))
    assert [said.partition(" ")[0] for said in watch.end()] == ["journal"]
