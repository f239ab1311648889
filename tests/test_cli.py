"""The command line."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from fastcore import cli
from fastcore._backend import DOMAINS, KERNELS
from fastcore._checks import Check, largest_difference, run
from fastcore._data import poems


def command(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fastcore", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        input=stdin,
        check=False,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="closes descriptors as POSIX shells do")
def test_standard_streams_may_be_closed(tmp_path):
    def started(redirections: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        line = f'exec "$@" {redirections}'
        return subprocess.run(
            ["sh", "-c", line, "sh", sys.executable, "-m", "fastcore", *arguments],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )

    source, found = tmp_path / "texts", tmp_path / "words"
    source.write_text("看电影去电影院看电影\n", encoding="utf-8")
    done = started("<&- >&-", "words", str(source), "-o", str(found))
    assert (done.returncode, done.stderr) == (0, "")
    assert found.read_text("utf-8")
    done = started(">&-", "words", str(source))
    assert (done.returncode, done.stderr) == (2, "fastcore words: [Errno 9] standard output is closed\n")
    done = started("<&-", "segment")
    assert (done.returncode, done.stderr) == (2, "fastcore segment: [Errno 9] standard input is closed\n")


def test_help_has_examples(capsys):
    for arguments in (["--help"], ["demo", "--help"], ["check", "--help"], ["config", "--help"]):
        with pytest.raises(SystemExit) as stop:
            cli.main(arguments)
        assert stop.value.code == 0
        assert "examples:" in capsys.readouterr().out


def test_config(capsys):
    assert cli.main(["config"]) == 0
    assert "isa_selected" in capsys.readouterr().out
    assert cli.main(["config", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kernels"].keys() == set(KERNELS)


def test_module_and_version():
    assert command("--version").stdout.startswith("fastcore ")


def test_check_one_domain(capsys):
    assert cli.main(["check", "recurrence"]) == 0
    assert "0 failed" in capsys.readouterr().out


def test_check_covers_every_domain(capsys, monkeypatch):
    from fastcore import _checks

    monkeypatch.setattr(_checks, "run", lambda check: _checks.Outcome(check.name, 0.0, 0.0, 1.0, 1.0))
    assert cli.main(["check", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert {check["name"].partition(".")[0] for check in report["checks"]} == set(DOMAINS)
    assert all(check["passed"] for check in report["checks"])


def test_check_fails_when_twins_differ(capsys, monkeypatch):
    from fastcore import _checks, active_backend

    wrong = Check("x.y", lambda: 1, lambda one: one + (active_backend() == "compiled"), largest_difference)
    monkeypatch.setattr(_checks, "run_all", lambda domains: [run(wrong)])
    assert cli.main(["check", "chain"]) == 1
    assert "DIFFERS" in capsys.readouterr().out


def test_wrong_use_says_what_is_wrong(capsys):
    assert cli.main(["check", "nonsense"]) == 2
    assert "no domain 'nonsense'" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        cli.main(["nonsense"])
    assert stop.value.code == 2


def test_bench_hands_its_options_on(capfd, monkeypatch):
    root = Path(__file__).parents[1]
    monkeypatch.chdir(root)
    monkeypatch.syspath_prepend(root)
    monkeypatch.setattr("sys.argv", ["fastcore"])
    assert cli.main(["bench", "--list"]) == 0
    assert "skipgrams.ids" in capfd.readouterr().out
    with pytest.raises(SystemExit):
        cli.main(["config", "--no-such-option"])


def test_bench_outside_a_checkout(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["bench", "recurrence"]) == 2
    assert "source checkout" in capsys.readouterr().err


def test_a_closed_pipe_is_no_error():
    words = [sys.executable, "-m", "fastcore", "check", "recurrence", "chain"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.read(1)
        process.stdout.close()
        errors = process.stderr.read()
    assert "Traceback" not in errors
    assert "Exception" not in errors


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "poems.txt"
    path.write_text("\n".join(poems()[:1500]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("method", ["adjacent", "ngram", "entropy"])
def test_words_make_a_lexicon_that_segments(corpus, tmp_path, method):
    lexicon, cut = tmp_path / "lexicon.txt", tmp_path / "cut.txt.gz"
    assert cli.main(["words", str(corpus), "--method", method, "-o", str(lexicon)]) == 0
    counts = [int(line.rpartition(" ")[2]) for line in lexicon.read_text(encoding="utf-8").splitlines()]
    assert counts == sorted(counts, reverse=True)
    assert len(counts) > 50
    assert cli.main(["segment", str(corpus), "--lexicon", str(lexicon), "--separator", "|", "-o", str(cut)]) == 0
    lines = gzip.decompress(cut.read_bytes()).decode().splitlines()
    assert [line.replace("|", "") for line in lines] == corpus.read_text(encoding="utf-8").splitlines()
    assert not list(tmp_path.glob(".*")), "a temporary file was left behind"


def test_words_from_standard_input_as_json(corpus):
    result = command(
        "words", "-", "--top", "3", "--json", "--min-length", "2", stdin=corpus.read_text(encoding="utf-8")
    )
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(rows) == 3
    assert all(len(row["word"]) >= 2 and row["count"] > 0 for row in rows)


def test_words_leave_out_what_is_known(corpus, tmp_path, capsys):
    assert cli.main(["words", str(corpus), "--method", "adjacent", "--top", "5"]) == 0
    known = capsys.readouterr().out
    (tmp_path / "known.txt").write_text(known, encoding="utf-8")
    assert cli.main(["words", str(corpus), "--method", "adjacent", "--exclude", str(tmp_path / "known.txt")]) == 0
    new = {line.partition(" ")[0] for line in capsys.readouterr().out.splitlines()}
    assert new
    assert not new & {line.partition(" ")[0] for line in known.splitlines()}


def test_words_without_counts(corpus, tmp_path, capsys):
    arguments = ["words", str(corpus), "--method", "adjacent"]
    found = []
    for more in ([], ["--exclude", str(tmp_path / "known.txt")]):
        assert cli.main([*arguments, *more]) == 0
        found.append([line.partition(" ")[0] for line in capsys.readouterr().out.splitlines()])
        (tmp_path / "known.txt").write_text("{}\n{} nz\n".format(*found[0]), encoding="utf-8")
    assert found[1] == found[0][2:]


def test_texts_in_another_encoding(tmp_path, capsys):
    (tmp_path / "words").write_text("明月 3\n", encoding="utf-8")
    (tmp_path / "in.txt").write_bytes("床前明月光\n明月".encode("gb18030"))
    arguments = ["segment", "--lexicon", str(tmp_path / "words"), str(tmp_path / "in.txt")]
    assert cli.main([*arguments, "--encoding", "gb18030"]) == 0
    assert capsys.readouterr().out == "床 前 明月 光\n明月\n"
    assert cli.main(arguments) == 2
    assert "in.txt, line 1, byte 1: not UTF-8 (0xb4)" in capsys.readouterr().err


def test_segment_a_share_at_a_time(corpus, tmp_path, monkeypatch):
    lexicon = tmp_path / "lexicon.txt"
    lexicon.write_text("明月 3\n")
    whole, shares = tmp_path / "whole.txt", tmp_path / "shares.txt"
    assert cli.main(["segment", str(corpus), "--lexicon", str(lexicon), "-o", str(whole)]) == 0
    monkeypatch.setattr("fastcore._text_commands.SHARE", 3)
    assert cli.main(["segment", str(corpus), "--lexicon", str(lexicon), "-o", str(shares), "--workers", "2"]) == 0
    assert whole.read_bytes() == shares.read_bytes()


@pytest.mark.parametrize("name", ["segment", "parse"])
def test_lines_are_answered_as_they_come(tmp_path, monkeypatch, name):
    (tmp_path / "words").write_text("明月 3\n", encoding="utf-8")
    (tmp_path / "templates").write_text("[X] 光\n", encoding="utf-8")
    more = ["--templates", str(tmp_path / "templates"), "--brackets"] if name == "parse" else []
    answers = []

    class Pipe(io.RawIOBase):
        """Gives a line a time, and sees what was answered by then."""

        def __init__(self) -> None:
            self.lines = [b"a\n", "明月光\n".encode(), b"\n", b"end"]

        def readable(self) -> bool:
            return True

        def readinto(self, room) -> int:
            answers.append(out.getvalue().count(b"\n"))
            line = self.lines.pop(0) if self.lines else b""
            room[: len(line)] = line
            return len(line)

    out = io.BytesIO()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(Pipe())))
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BufferedWriter(out)))
    assert cli.main([name, "--lexicon", str(tmp_path / "words"), *more]) == 0
    assert answers[:5] == [0, 1, 2, 3, 3]  # at last there is nothing to read


def test_segment_with_jiebas_dictionary():
    result = command("segment", "--json", stdin="扫描二维码,关注公众号\n\n")
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        ["扫描", "二维码", ",", "关注", "公众", "号"],
        [],
    ]


def test_bad_files_are_named_and_nothing_is_left(tmp_path, capsys):
    (tmp_path / "bad.txt").write_bytes(b"fine\n\xff\n")
    (tmp_path / "lexicon.txt").write_text("word 0\n", encoding="utf-8")
    for arguments, words in (
        (["words", str(tmp_path / "absent")], "absent"),
        (["words", str(tmp_path / "bad.txt")], "line 2, byte 1"),
        (["segment", "--lexicon", str(tmp_path / "lexicon.txt"), str(tmp_path / "bad.txt")], "lexicon.txt"),
        (["segment", str(tmp_path / "bad.txt"), "-o", str(tmp_path / "out.txt")], "line 2, byte 1"),
    ):
        assert cli.main(arguments) == 2
        assert words in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.txt", "lexicon.txt"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["words", ""],
        ["words", "texts", ""],
        ["words", "texts", "--exclude", ""],
        ["words", "texts", "-o", ""],
        ["segment", ""],
        ["segment", "texts", "--lexicon", ""],
        ["templates", "texts", "--lexicon", ""],
        ["parse", "texts", "--templates", "texts", "--lexicon", ""],
    ],
)
def test_an_empty_name_is_no_file(tmp_path, capsys, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts").write_text("看电影 去电影院\n", encoding="utf-8")
    assert cli.main(arguments) == 2
    assert capsys.readouterr().err == f"fastcore {arguments[0]}: [Errno 2] No such file or directory: ''\n"


def test_templates_and_trees(tmp_path, capsys):
    log = tmp_path / "messages.log"
    log.write_text("".join(f"user u{i} logged in\ndisk {i} full\n" for i in range(20)))
    templates = tmp_path / "templates.txt"
    assert cli.main(["templates", "--min-count", "9", str(log), "-o", str(templates)]) == 0
    assert templates.read_text() == "user [X] logged in\t20\ndisk [X] full\t20\n"
    assert cli.main(["templates", "--top", "1", "--json", str(log)]) == 0
    assert json.loads(capsys.readouterr().out) == {"template": ["user", None, "logged", "in"], "count": 20}
    (tmp_path / "new.log").write_text("user eve logged in\n\nno frame\n")
    assert cli.main(["parse", "--templates", str(templates), str(tmp_path / "new.log")]) == 0
    assert capsys.readouterr().out == "user (eve) logged in\n└─ eve\nno frame\n"
    assert cli.main(["parse", "--templates", str(templates), "--brackets", str(tmp_path / "new.log")]) == 0
    assert capsys.readouterr().out == "(X user (X eve) logged in)\n\n(X no frame)\n"
    (tmp_path / "words").write_text("明月 3\n的 9\n光 2\n")
    (tmp_path / "t").write_text("[X] 的 [X]\n")
    (tmp_path / "s").write_text("明月的光\n")
    arguments = ["--templates", str(tmp_path / "t"), "--lexicon", str(tmp_path / "words"), str(tmp_path / "s")]
    assert cli.main(["parse", "--json", *arguments]) == 0
    assert json.loads(capsys.readouterr().out)["words"] == ["明月", "的", "光"]


def test_templates_of_words_that_have_no_text(tmp_path, capsys):
    (tmp_path / "words").write_text("明月 3\n的 9\n光 2\n影 2\n")
    (tmp_path / "texts").write_text("明月 的 光\n明月 的 影\n")
    arguments = ["--lexicon", str(tmp_path / "words"), str(tmp_path / "texts")]
    assert cli.main(["templates", *arguments]) == 0
    assert capsys.readouterr().out == "明月 的 [X]\t2\n"
    (tmp_path / "t").write_text("[X] 的 [X]\n")
    assert cli.main(["parse", "--templates", str(tmp_path / "t"), "--brackets", *arguments]) == 0
    assert capsys.readouterr().out == "(X (X 明月) 的 (X 光))\n(X (X 明月) 的 (X 影))\n"
    # A word that is written as a slot is.
    (tmp_path / "log").write_text("user [X] in\nuser [X] in\nuser bob in\n")
    assert cli.main(["templates", str(tmp_path / "log")]) == 0
    said = capsys.readouterr()
    assert said.out == "user [X] in\t3\n"
    assert said.err == "fastcore templates: 1 left out, of words with white space or [X]; --json gives them\n"
    assert cli.main(["templates", "--json", str(tmp_path / "log")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_words_refuses_a_negative_number(capsys):
    with pytest.raises(SystemExit):
        cli.main(["words", "--top", "-1", "x"])
    assert "argument --top: must be at least 0, got -1" in capsys.readouterr().err


def test_output_has_the_usual_permissions(tmp_path):
    (tmp_path / "in.txt").write_text("电影电影", encoding="utf-8")
    (tmp_path / "plain").touch()
    assert cli.main(["words", "--method", "adjacent", str(tmp_path / "in.txt"), "-o", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("what", ["words", "templates"])
def test_an_option_mends_a_bad_byte(tmp_path, capsys, what):
    (tmp_path / "texts").write_bytes(b"a b\nc \xff\n" * 3)
    assert cli.main([what, str(tmp_path / "texts")]) != 0
    assert "line 2, byte 3: not UTF-8 (0xff); pass --replace to let it be" in capsys.readouterr().err
    assert cli.main([what, str(tmp_path / "texts"), "--replace"]) == 0


def test_words_that_no_lexicon_holds(tmp_path, capsys):
    texts, lexicon = tmp_path / "texts", tmp_path / "lexicon"
    texts.write_text("a b a b a b ab,cd,cdcd,dc,cd\n" * 9)
    arguments = ["words", "--keep", "abcd ", "--min-count", "2", "--min-pmi", "0", str(texts)]
    assert cli.main([*arguments, "-o", str(lexicon)]) == 0
    assert "left out, with white space or NUL as no lexicon holds; --json gives them" in capsys.readouterr().err
    assert cli.main(["segment", "--lexicon", str(lexicon), str(texts)]) == 0
    assert cli.main([*arguments, "--json"]) == 0
    assert any(" " in json.loads(line)["word"] for line in capsys.readouterr().out.splitlines() if line[0] == "{")
