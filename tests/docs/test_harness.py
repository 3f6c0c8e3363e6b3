"""What runs the pages can fail: nothing escapes it, and nothing that differs passes."""

from __future__ import annotations

import shutil

import pytest

from .blocks import BEHIND, CLUSTER, UNTIL, PageError, parse
from .commands import Command, commands_of, kept, like, whole
from .running import Run
from .taken_apart import simple_commands, unfolded
from .workshop import Workshop, translated

pytestmark = pytest.mark.xdist_group("pages")


def page(text: str) -> list[str]:
    """The languages of the blocks of a page."""
    return [block.language for block in parse("page.md", text).blocks]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```\nls\n```", "without a language"),
        ("Words.\n\n    ls\n", "without a language"),
        ("- a list\n\n      ls\n", "without a language"),
        ("```basic\n10 GOTO 10\n```", "nobody knows how to run 'basic'"),
        ("```{code-block} sh\nls\n```", "nobody knows how to run"),
        ("<!-- run sometimes -->\n```sh\nls\n```", "what is 'run sometimes'"),
        ("<!-- run until: x -->\n\n# Words\n\n```sh\nls\n```", "has no block below it"),
        ("<!-- run until: x -->\n```python\n1\n```", "is for another kind"),
        ("<!-- save as: x -->\n```sh\nls\n```", "is for another kind"),
        ("<!-- save it -->\n```sh\nls\n```", "what is 'save it'"),
        ("<!-- not run: ls: slow -->\n```sh\nls\n```", "left out without a reason"),
    ],
)
def test_no_block_escapes(text: str, complaint: str) -> None:
    """Goal: a block that would not be run is found. Method: pages with one that makes no sense."""
    with pytest.raises(PageError, match=complaint):
        page(text)


def test_blocks_are_found_where_they_are() -> None:
    """Goal: fences in lists and quotes are seen. Method: a page with all of them, and an idle comment."""
    text = "<!-- table: begin -->\n```text\n```\n- a\n  ```sh\n  ls\n  ```\n\n> ```json\n> {}\n> ```\n"
    assert page(text) == ["text", "sh", "json"]


def test_comments_belong_to_the_next_block() -> None:
    """Goal: what a comment says counts for the block below it. Method: all kinds of comments, read back."""
    text = (
        "<!-- run: with cluster --no-view -->\n\n<!-- run as the cluster -->\n```sh\na\n```\n"
        "<!-- run until:\n-\nup\n-->\n```sh\nb\nc\n```\n"
        "<!-- run in background until: it: is up -->\n```sh\nd\n```\n```sh\ne\n```\n"
    )
    found = parse("page.md", text)
    assert found.cluster == "python3 devenv.py -n 3 --no-view"
    first, second, third, last = found.blocks
    assert first.lines_of(CLUSTER) == ()
    assert second.lines_of(UNTIL) == ("-", "up")
    assert third.lines_of(BEHIND) == ("it: is up",)
    assert last.orders == ()


def test_commands_are_read_as_the_shell_does() -> None:
    """Goal: a command over several lines is one. Method: each way to go on, and one without an end."""
    lines = ["# why", "a \\", "  b", "for x in 1; do", "  c", "done", "V='{", "}'", "", "d  # e(f"]
    assert whole(lines) == ["a \\\n  b", "for x in 1; do\n  c\ndone", "V='{\n}'", "d  # e(f"]
    with pytest.raises(PageError, match="the shell waits"):
        whole(["a 'b"])


def test_a_console_block_is_commands_and_what_they_print() -> None:
    """Goal: prompts, continued lines and output are told apart. Method: a block with all three."""
    block = parse("page.md", "```console\n$ a \\\n> b\n1\n> 2\ndevenv> kill 1\n```").blocks[0]
    assert commands_of(block) == [Command("$ ", "a \\\nb", "1\n> 2\n"), Command("devenv> ", "kill 1")]
    with pytest.raises(PageError, match="begins with one of the prompts"):
        commands_of(parse("page.md", "```console\n1\n$ a\n```").blocks[0])


@pytest.mark.parametrize(
    ("instead", "lacks"),
    [
        ("python -m a.b --n 1 --to x", []),
        ("python3 -m a.b --n 1", ["a.b is run without --to"]),
        ("python -m a.c --n 1 --to x", ["nothing is run for a.b"]),
        ("true", ["nothing is run for a.b"]),
    ],
)
def test_a_shortened_form_keeps_programs_and_flags(instead: str, lacks: list[str]) -> None:
    """Goal: what stands on the page is tried. Method: forms that keep all, a part, or nothing of it."""
    assert (
        kept([Command("$ ", "X=1 .venv/bin/python -m a.b --n 9 --to y  # --no")], [Command("$ ", instead)])
        == lacks
    )


def test_what_is_printed_is_compared() -> None:
    """Goal: other output is seen. Method: outputs that differ in what counts, and in what does not."""
    assert like("a\n...\nz...\n", "a\nb\nc\nzebra")
    assert like("a\n...\n", "a")
    assert like("HTTP/1.1 201...\nmsg-num: 5\n...\n", "HTTP/1.1 201 \r\nmsg-num: 17\r\n\r\n{}")
    assert not like("a\n...\nz\n", "a\nb")
    assert not like("a", "a\nb")
    assert not like("1.2", "1x2")
    assert not like("msg-num: 5", "msg-num: x")


def test_addresses_are_ours() -> None:
    """Goal: two runs at once do not meet. Method: every way in which pages name a port, or leave it out."""
    assert translated("curl 127.0.0.1:8083 -b :8081 --port 8082 18081 8.8081", 20000) == (
        "curl 127.0.0.1:20003 -b 127.0.0.1:20001 --port 20002 18081 8.8081"
    )
    assert translated("python -m viewservice plan 2,3", 20000) == (
        "python -m viewservice plan --at 127.0.0.1:20010 2,3"
    )
    assert translated("http://127.0.0.1:8070/status", 20000) == "http://127.0.0.1:20010/status"
    nodes = "http://127.0.0.1:8,http://127.0.0.1:9,http://127.0.0.1:10"
    assert translated("a | pbkv get k; x.pbkv get", 7) == (
        f"a | PBKV_NODES=${{PBKV_NODES:-{nodes}}} pbkv get k; x.pbkv get"
    )
    assert translated("python3 devenv.py -n 3", 20000) == "python3 devenv.py --base-port 20000 -n 3"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```sh\nfalse\n```", "ended with 1"),
        ("```sh\nno-such-program\n```", "ended with 127"),
        ("```console\n$ echo a\nb\n```", "did not print"),
        ('```python\nint("x")\n```', "invalid literal"),
        ("```json\n{\n```", "property name"),
        ("```toml\na =\n```", "Invalid value"),
        ("```yaml\na: [\n```", "while parsing"),
        ("<!-- run until: b -->\n```sh\necho a\n```", "waited in vain for 'b'"),
        ("<!-- run until: GET http://127.0.0.1:8089/ -->\n```sh\necho a\n```", "has ended"),
        ("<!-- run as: python -m this -->\n```sh\npython -m that\n```", "lacks something"),
        ("<!-- run: only --help -->\n```sh\npython -m pbproto.replay --nonsense\n```", "knows no --nonsense"),
        ("<!-- run: only --help -->\n```sh\npython -m viewservice dance\n```", "knows no dance"),
        ("<!-- not run: a: b c d -->\n```sh\ne\n```", "there is no command 'a'"),
        ("```console\ndevenv> kill 1\n```", "there is no cluster"),
        ("<!-- save as: a.py -->\n```python\n1\n```", "does anything with a.py"),
        ("<!-- only compiled: a b c -->\n```python\n1 +\n```", "invalid syntax"),
        ("<!-- checked: docker -->\n```sh\nls\n```", "no command has docker"),
        (
            "<!-- checked: docker -->\n```sh\ndocker compose -f deploy/compose.yaml up --upside\n```",
            "no flag",
        ),
        ("<!-- checked: docker -->\n```sh\ndocker compose -f deploy/compose.yaml dance\n```", "none of its"),
        (
            "<!-- checked: docker -->\n```sh\ndocker compose -f deploy/compose.yaml up n0\n```",
            "no service n0",
        ),
        (
            "<!-- checked: docker -->\n```sh\ndocker compose -f deploy/none.yaml ps\n```",
            "no deploy/none.yaml",
        ),
        (
            "<!-- checked: docker -->\n```sh\ndocker compose -f deploy/compose.yaml exec node1"
            " python -m viewservice status --nonsense\n```",
            "viewservice knows no --nonsense",
        ),
        ("<!-- checked: sudo -->\n```sh\nsudo rm x\n```", "nobody knows how to check rm"),
        ("<!-- checked: sudo -->\n```sh\nsudo ls $(pwd)\n```", "cannot be taken apart"),
        ("<!-- checked: sudo -->\n```sh\nsudo install deploy/x /etc/x\n```", "no deploy/x"),
        ("<!-- checked: sudo -->\n```sh\nsudo /opt/bin/python /opt/x.py\n```", "puts /opt/x.py anywhere"),
        ("<!-- checked: pip -->\n```sh\npip install --loudly 'pbproto[client]'\n```", "no flag --loudly"),
        ("<!-- checked: pip -->\n```sh\npip install 'pbproto[moon]'\n```", "no extra moon"),
        ("<!-- checked: curl -->\n```sh\ncurl -f http://127.0.0.1:8081/moon\n```", "no node answers GET"),
        ("<!-- checked: curl -->\n```sh\ncurl --loudly http://127.0.0.1:8081/view\n```", "no flag --loudly"),
        ("<!-- not run: pip-audit --x: a b c -->\n```sh\npip-audit --x\n```", "knows no --x"),
        (
            "<!-- save as: devenv.py -->\n```python\n1\n```\n```sh\nls devenv.py\n```",
            "none of the reader's own",
        ),
        ("<!-- save as: ../a.py -->\n```python\n1\n```\n```sh\nls ../a.py\n```", "none of the reader's own"),
    ],
)
def test_a_page_that_lies_fails(text: str, complaint: str, workshop: Workshop) -> None:
    """Goal: what fails, or prints something else, is found. Method: run pages with one wrong block."""
    found = parse("page.md", text)
    with pytest.raises(Exception, match=complaint), Run(found, workshop) as run:
        run.block(found.blocks[0])


@pytest.mark.parametrize(
    ("program", "command", "complaint"),
    [
        ("docker", "docker build --nonsense .", "no flag --nonsense"),
        ("kubectl", "kubectl -n a get pods --nonsense", "no flag --nonsense"),
        ("kubectl", "kubectl -n a dance", "none of its words"),
        ("kubectl", "kubectl apply -k deploy", "kubectl kustomize deploy"),
        ("kubectl", "kubectl create secret generic a --from-file=b=none", "kubectl create"),
        ("systemctl", "systemctl dance pbproto@1", "none of its words"),
        ("systemctl", "systemctl restart moon@1", "no unit moon@1"),
    ],
)
def test_programs_that_may_be_missing(program: str, command: str, complaint: str, workshop: Workshop) -> None:
    """Goal: what is checked by clients that are not everywhere is found where they are, and is told where
    they are not. Method: a wrong command, with what the client itself says about it."""
    found = parse("page.md", f"<!-- checked: {program} -->\n```sh\n{command}\n```")
    with Run(found, workshop) as run:
        if shutil.which(program) is None:
            run.block(found.blocks[0])
            assert run.unchecked == {program}
        else:
            with pytest.raises(PageError, match=complaint):
                run.block(found.blocks[0])


def test_commands_are_taken_apart() -> None:
    """Goal: what stands within a line of the shell is seen. Method: a line of all kinds, in parts."""
    text = "until curl -f a; do sleep 1; done && X=1 sudo -x | b > c\nd \\\n  e"
    assert list(simple_commands(text)) == [
        ["curl", "-f", "a"],
        ["sleep", "1"],
        ["sudo", "-x"],
        ["b"],
        ["d", "e"],
    ]
    assert list(unfolded(["sudo", "docker", "exec", "n", "python", "-m", "a"])) == [
        ["docker", "exec", "n"],
        ["python", "-m", "a"],
    ]


def test_a_page_with_a_test_that_fails_fails(workshop: Workshop) -> None:
    """Goal: tests on a page are run. Method: one that fails, after one that uses the plugin."""
    text = "```python\ndef test_a(pbkv_cluster):\n    pass\n```\n```python\ndef test_b():\n    assert 0\n```"
    found = parse("page-of-tests.md", text)
    with Run(found, workshop) as run:
        for block in found.blocks:
            run.block(block)
        with pytest.raises(AssertionError, match=r"1 failed, 1 passed"):
            run.finish()


def test_blocks_of_a_page_share_names_and_a_shell(workshop: Workshop) -> None:
    """Goal: a page reads as one session. Method: later blocks that use what earlier ones have made."""
    text = "```python\na = 1\n```\n```python\nassert a == 1\n```\n"
    text += "```sh\nX=2\n```\n```console\n$ echo $X\n2\n```\n"
    text += (
        "<!-- save as: mine.py -->\n```python\nprint(8082)\n```\n```console\n$ python mine.py\n8082\n```\n"
    )
    found = parse("page.md", text)
    with Run(found, workshop) as run:
        for block in found.blocks:
            run.block(block)
