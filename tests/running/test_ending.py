"""What make targets end with: where the report is, and its answer."""

import pytest
from put import put

from faithcam.running import ending

ANSWER = "Run: 2 networks\n\nWhich map?\nHiResCAM 0.5\n\nWhat not\nmuch\n"


@pytest.fixture
def files(repository, tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(f"results: {tmp_path / 'results'}\n")
    return [str(repository / "config.yaml"), str(mine)]


def test_a_run_ends_with_its_answer(files, tmp_path, capsys):
    put(tmp_path / "results" / "answer.txt", ANSWER)
    assert ending.main(files) == 0
    assert capsys.readouterr().out == f"\nReport: {tmp_path}/results/report.html\n\n{ANSWER}"


def test_headings_stand_out_on_a_terminal():
    parts = ending.emphasised(ANSWER).split("\n\n")
    assert parts[0] == "Run: 2 networks"
    assert parts[1] == "\033[1mWhich map?\033[0m\nHiResCAM 0.5"
    assert ending.emphasised(ANSWER).replace(ending.BOLD, "").replace(ending.PLAIN, "") == ANSWER


def test_a_damaged_answer_is_an_error(files, tmp_path, capsys):
    put(tmp_path / "results" / "answer.txt", ANSWER)
    (tmp_path / "results" / "answer.txt").write_text("HiResCAM wins\n")
    assert ending.main(files) == 1
    assert "answer.txt: changed or damaged since the run wrote it" in capsys.readouterr().err
