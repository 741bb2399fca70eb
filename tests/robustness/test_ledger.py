import json

import pytest

from tnet_tf.errors import UserError
from tnet_tf.evaluation.results import Curve, Results
from tnet_tf.robustness.ledger import Ledger

IDENTITY = {"dataset": "scenes", "seed": 0}
FOG_1 = Results({"images": 4, "top1_by_locations": Curve(0, (0.5, 0.25))})


@pytest.fixture
def path(tmp_path):
    ledger = Ledger(tmp_path / "report" / "ledger.jsonl", IDENTITY)
    ledger.add("fog 1", FOG_1)
    ledger.add("fog 2", Results({"images": 3}))
    return ledger.path


def test_what_was_added_is_there_the_next_time(path):
    assert Ledger(path, IDENTITY).entries == {"fog 1": FOG_1, "fog 2": {"images": 3}}


def test_a_line_that_an_interruption_cut_off_is_left_out_and_can_be_added_again(path):
    path.write_text(path.read_text()[:-3])
    ledger = Ledger(path, IDENTITY)
    assert list(ledger.entries) == ["fog 1"]
    ledger.add("fog 3", FOG_1)
    assert list(Ledger(path, IDENTITY).entries) == ["fog 1", "fog 3"]


def test_results_of_earlier_versions_are_found_again(tmp_path):
    row = '["fog 1", {"images": 4, "top1_by_locations": [0.5, 0.25]}]'
    (tmp_path / "ledger.jsonl").write_text(f"{json.dumps(IDENTITY)}\n{row}\n")
    assert Ledger(tmp_path / "ledger.jsonl", IDENTITY).entries == {"fog 1": FOG_1}


def test_results_of_something_else_are_not_taken(path):
    ledger = Ledger(path, {**IDENTITY, "seed": 1})
    assert ledger.entries == {}
    assert [json.loads(line) for line in path.read_text().splitlines()] == [ledger_header(1)]


def ledger_header(seed):
    return {**IDENTITY, "seed": seed}


@pytest.mark.parametrize("content", ["", "no json\n", "[1, 2\n", "[]\n", "7\n"])
def test_a_file_that_is_no_ledger_is_begun_anew(content, path):
    path.write_text(content)
    assert Ledger(path, IDENTITY).entries == {}


def test_a_place_that_can_not_be_written_is_a_users_mistake(path):
    with pytest.raises(UserError, match="another --report_dir"):
        Ledger(path / "inside a file", IDENTITY)
