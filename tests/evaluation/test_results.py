import json

import numpy as np
import pytest

from tnet_tf.evaluation.results import Curve, Results

RESULTS = Results(
    {
        "run_dir": "runs/birds",
        "image_size": [448, 336],
        "images": 1234,
        "calibration": None,
        "hit_rate": 0.75,
        "top1_by_locations": Curve(0, (0.4779, 0.7017, 0.7146)),
        "coverage_by_locations": Curve(1, (0.25, 0.4)),
        "gaze_baselines": {"random": Results({"top1_by_locations": Curve(0, (0.1, 0.2))})},
        "trials": [Results({"name": "fog", "top1_by_locations": Curve(0, (0.5,))})],
    }
)


def test_a_curve_knows_at_which_number_of_locations_it_begins():
    context, attended = Curve(0, (0.5, 0.6, 0.7)), Curve(1, (0.8, 0.9))
    assert [context.at(count) for count in range(4)] == [0.5, 0.6, 0.7, None]
    assert [attended.at(count) for count in range(4)] == [None, 0.8, 0.9, None]
    assert (context.counts, attended.counts) == (range(3), range(1, 3))
    assert (context.last, attended.last) == (0.7, 0.9)
    assert context != Curve(1, (0.5, 0.6, 0.7))


def test_a_curve_is_made_of_an_array():
    curve = Curve.of(1, np.array([0.25, 0.5], np.float32))
    assert curve == Curve(1, (0.25, 0.5))
    assert all(type(value) is float for value in curve.values)


def test_there_is_no_empty_curve():
    with pytest.raises(ValueError, match="at least one value"):
        Curve.of(0, [])


def test_the_mean_of_curves_is_taken_for_each_number_of_locations():
    curves = [Curve(1, (0.0, 0.5)), Curve(1, (1.0, 0.75))]
    assert Curve.mean(curves) == Curve(1, (0.5, 0.625))
    assert Curve.mean(curves, weights=[3, 1]) == Curve(1, (0.25, 0.5625))
    with pytest.raises(ValueError, match="different numbers of locations"):
        Curve.mean([curves[0], Curve(0, (1.0, 0.75))])


def test_json_has_curves_by_number_of_locations_and_all_else_as_it_is():
    plain = json.loads(RESULTS.to_json())
    assert plain["top1_by_locations"] == {"0": 0.4779, "1": 0.7017, "2": 0.7146}
    assert plain["coverage_by_locations"] == {"1": 0.25, "2": 0.4}
    assert plain["gaze_baselines"] == {"random": {"top1_by_locations": {"0": 0.1, "1": 0.2}}}
    assert plain["image_size"] == [448, 336]
    assert plain["calibration"] is None
    assert list(plain) == list(RESULTS)


def test_json_is_read_as_it_was_written():
    again = Results.from_json(RESULTS.to_json())
    assert again == RESULTS
    assert again.curves == RESULTS.curves
    assert again["trials"][0].curves == {"top1": Curve(0, (0.5,))}
    assert again.to_json() == RESULTS.to_json()


def test_json_refuses_what_other_programs_could_not_read():
    with pytest.raises(ValueError, match="JSON"):
        (RESULTS | {"loss": float("nan")}).to_json()


def test_curves_that_earlier_versions_wrote_as_lists_begin_where_they_did():
    old = {
        "top1_by_locations": [0.5, 0.75],
        "gflops_by_locations": [0.1, 0.2],
        "clean_top1_by_locations": [0.5, 0.75],
        **{
            f"{measure}_by_locations": [0.3]
            for measure in ("top1_attended_only", "top5_attended_only", "coverage", "precision")
        },
        **{f"{measure}_by_locations": [0.3] for measure in ("recall", "hit_rate", "gaze_overlap")},
    }
    firsts = {name: curve.first for name, curve in Results.from_plain(old).curves.items()}
    assert {name for name, first in firsts.items() if first == 0} == {
        "top1",
        "gflops",
        "clean_top1",
    }
    assert set(firsts.values()) == {0, 1}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "7",
        "[" * 100_000,
        '{"top1_by_locations": 0.5}',
        '{"top1_by_locations": {}}',
        '{"top1_by_locations": []}',
        '{"top1_by_locations": ["a"]}',
        '{"top1_by_locations": {"0": 0.5, "2": 0.5}}',
        '{"top1_by_locations": {"0": null}}',
        '{"top1_by_locations": {"first": 0}}',
        '{"trials": [{"top1_by_locations": {"0": true}}]}',
    ],
)
def test_what_holds_no_results_is_told_in_a_line(text):
    with pytest.raises(ValueError, match=r"^it holds no results: [^\n]+$"):
        Results.from_json(text)


def test_results_are_joined_and_the_later_ones_hold():
    joined = Results({"a": 1, "b": 2}) | {"b": 3, "c": Curve(0, (1.0,))}
    assert joined == {"a": 1, "b": 3, "c": Curve(0, (1.0,))}
