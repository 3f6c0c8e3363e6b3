"""The command that judges a file, and the form in which it writes it for other checkers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from .__main__ import main
from .bad_cases import BAD
from .cases import GOOD, delete, get, listing, put, refused, unknown
from .edn import to_edn
from .history import History, save
from .random_histories import Plan, execution

EVENT = re.compile(r"\{:index (\d+), :time (\d+), :process (\d+), :type :(\w+), :f :(\w+), :value (.*)\}")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.jsonl"


def test_a_good_file(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Goal: status 0 and what was judged. Method: a good history of each outcome."""
    save(path, GOOD["refused once, done by another attempt"].calls)
    assert main([str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ok"
    assert lines[1] == (
        "3 calls: 1 ok, 1 not_applied, 1 unknown, 2 put, 0 delete, 1 get, 0 list; 1 steps of search"
    )


def test_a_bad_file(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Goal: status 1 and the calls that contradict each other. Method: a stale read."""
    save(path, BAD["stale read"].calls)
    assert main([str(path)]) == 1
    out = capsys.readouterr().out
    assert out.startswith("violation: stale read")
    assert "get 'x' -> '1'" in out


def test_numbers_are_judged_unless_told_otherwise(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Goal: the options reach the checker. Method: a history of which only the numbers are wrong, or start
    at 7."""
    save(path, BAD["duplicate number"].calls)
    assert main([str(path)]) == 1
    assert main([str(path), "--ignore-numbers"]) == 0
    save(path, (put("x", "1", (0, 1), 7),))
    assert main([str(path)]) == 1
    assert main([str(path), "--first-number", "7"]) == 0
    capsys.readouterr()


def test_undecided(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Goal: status 2 for what was not decided. Method: a history that needs a choice, and none allowed."""
    save(path, GOOD["the later write is the first"].calls)
    assert main([str(path), "--ignore-numbers", "--limit", "0"]) == 2
    assert capsys.readouterr().out.startswith("undecided")


@pytest.mark.parametrize("content", [None, b"nonsense\n", b"\xff\n", b'{"client":1}\n', b"", b"\n \n"])
def test_unreadable(path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]) -> None:
    """Goal: status 2 and the reason, never a verdict. Method: no file, no JSON, no UTF-8, no calls."""
    if content is not None:
        path.write_bytes(content)
    assert main([str(path)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"{path}: ")
    assert (told.err.count(str(path)), told.err.count("\n")) == (1, 1)


@pytest.mark.parametrize("arguments", [["--limit", "-1"], ["--limit", "many"], ["--first-number", "x"], []])
def test_wrong_arguments(path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Goal: status 2 and one line. Method: numbers that are none, and no file."""
    with pytest.raises(SystemExit) as ended:
        main([*arguments, *([str(path)] if arguments else [])])
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_interrupted(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Goal: Ctrl-C ends with status 130 and what is known. Method: it comes while the history is judged."""
    save(path, GOOD["one after the other"].calls)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tests.checker.__main__.check", interrupt)
    assert main([str(path)]) == 130
    told = capsys.readouterr()
    assert told.out == ""
    assert f"interrupted without a verdict; {len(GOOD['one after the other'].calls)} calls: " in told.err


def test_as_a_program(path: Path) -> None:
    """Goal: the command in the documentation works. Method: run it on a good and on a bad file."""
    for calls, status in ((GOOD["one after the other"].calls, 0), (BAD["stale read"].calls, 1)):
        save(path, calls)
        program = [sys.executable, "-m", "tests.checker", str(path)]
        done = subprocess.run(program, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        assert done.stderr == ""


def test_edn_of_a_small_history(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Goal: other checkers can read it. Method: every kind of operation, compared with what was written by
    hand."""
    calls = (
        put("k", 'a "b"', (0, 5), 0),
        get("k", None, (1, 2), 0),
        unknown(delete("k", (3, 4), 1)),
        listing({"k": 'a "b"'}, (6, 7), 1),
        refused(put("k", "c", (8, 9), 1)),
        delete("other", (10, 11), 1, False),
    )
    save(path, calls)
    out = tmp_path / "history.edn"
    main([str(path), "--edn", str(out)])
    capsys.readouterr()
    assert out.read_text(encoding="utf-8") == (
        '{:index 0, :time 0, :process 0, :type :invoke, :f :put, :value ["k" "a \\"b\\""]}\n'
        '{:index 1, :time 1, :process 1, :type :invoke, :f :get, :value ["k" nil]}\n'
        '{:index 2, :time 2, :process 1, :type :ok, :f :get, :value ["k" nil], :number 0}\n'
        '{:index 3, :time 3, :process 1, :type :invoke, :f :delete, :value ["k" nil]}\n'
        '{:index 4, :time 5, :process 0, :type :ok, :f :put, :value ["k" "a \\"b\\""],'
        " :existed false, :number 0}\n"
        "{:index 5, :time 6, :process 0, :type :invoke, :f :list, :value nil}\n"
        '{:index 6, :time 7, :process 0, :type :ok, :f :list, :value {"k" "a \\"b\\""}, :number 1}\n'
        '{:index 7, :time 10, :process 0, :type :invoke, :f :delete, :value ["other" nil]}\n'
        '{:index 8, :time 11, :process 0, :type :ok, :f :delete, :value ["other" nil],'
        " :existed false, :number 1}\n"
        '{:index 9, :time 11, :process 1, :type :info, :f :delete, :value ["k" nil]}\n'
    )


def test_edn_processes_do_one_thing_at_a_time() -> None:
    """Goal: the file is a history by Jepsen's rules. Method: random executions; each process begins, ends,
    and so on.

    None does anything after an ``:info``, and the time never goes back.
    """
    for seed in range(20):
        history = execution(Random(seed), Plan(calls=80, clients=5, unknown=0.3))
        busy: dict[str, str] = {}
        time = 0
        for number, line in enumerate(to_edn(history).splitlines()):
            event = EVENT.fullmatch(line)
            assert event is not None, line
            assert int(event[1]) == number
            assert int(event[2]) >= time
            time = int(event[2])
            before = busy.get(event[3], "ok")
            assert before == ("ok" if event[4] == "invoke" else "invoke"), line
            busy[event[3]] = event[4]
        assert "invoke" not in busy.values()
        assert "info" in busy.values()


def test_edn_of_a_name_that_is_not_one_operation(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Goal: nothing false is written. Method: two answers under one name: the verdict stands, there is no
    file."""
    calls: History = BAD["two requests under one name"].calls
    save(path, calls)
    out = tmp_path / "history.edn"
    assert main([str(path), "--edn", str(out)]) == 1
    told = capsys.readouterr()
    assert "not written" in told.err
    assert told.out.startswith("violation")
    assert not out.exists()


def test_edn_that_cannot_be_written(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Goal: the verdict is not lost, and the right file is blamed. Method: a directory that is not there."""
    save(path, GOOD["one after the other"].calls)
    out = path.parent / "nowhere" / "history.edn"
    assert main([str(path), "--edn", str(out)]) == 2
    told = capsys.readouterr()
    assert told.out.startswith("ok")
    assert told.err == f"{out}: not written: No such file or directory\n"
