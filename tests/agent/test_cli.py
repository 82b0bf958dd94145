"""The command line, as far as it needs no server."""

from __future__ import annotations

import pytest

from dbx_agent.cli import main


def test_alone_it_says_what_it_can_do(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 0 and the help."""
    assert main([]) == 0
    assert "serve Flyte's engine over gRPC" in capsys.readouterr().out


def test_wrong_settings_are_all_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line per mistake, before anything is imported or opened."""
    monkeypatch.setenv("DBX_AGENT_ALLOW_HTTP", "maybe")
    monkeypatch.setenv("DBX_AGENT_GET_BUDGET_SECONDS", "0")
    assert main(["serve"]) == 2
    assert capsys.readouterr().err == (
        "dbx-agent: DBX_AGENT_ALLOW_HTTP is 'maybe'. Use true or false.\n"
        "dbx-agent: DBX_AGENT_GET_BUDGET_SECONDS is '0'. Use seconds, more than 0 and at most 600.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--port", "70000"], "'70000' is no port: use a number from 0 to 65535", id="port"),
        pytest.param(["--port", "x"], "'x' is no port", id="no-number"),
        pytest.param(
            ["--task-types", "spark,ray"], "'ray' is no task type of ours: use spark or", id="types"
        ),
        pytest.param(["--log-format", "xml"], "invalid choice: 'xml'", id="format"),
        pytest.param(["--grace", "-1"], "'-1' is no number of seconds", id="negative"),
        pytest.param(["--grace", "soon"], "'soon' is no number of seconds", id="grace"),
        pytest.param(["--grace", "inf"], "'inf' is no number of seconds", id="for-ever"),
    ],
)
def test_a_wrong_option_names_what_it_takes(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """Exit status 2, as for every mistake of the caller."""
    with pytest.raises(SystemExit) as caught:
        main(["serve", *arguments])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.flyte
@pytest.mark.once
def test_one_port_for_two_things_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Settings that contradict each other are no surprise of the operating system's."""
    assert main(["serve", "--port", "8000", "--metrics-port", "8000"]) == 2
    assert capsys.readouterr().err == (
        "dbx-agent: --port and --metrics-port are both 8000: gRPC and metrics need a port each.\n"
    )
