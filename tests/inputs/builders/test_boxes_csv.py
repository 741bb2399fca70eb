import pytest

from tnet_tf.errors import UserError
from tnet_tf.inputs.builders import boxes_csv

FILES = ["train/cat/0.png", "train/dog/0.png"]


def read(tmp_path, text):
    path = tmp_path / "boxes.csv"
    path.write_text(text)
    return boxes_csv.read(path, FILES)


@pytest.mark.parametrize(
    "header",
    [
        "file,x_min,y_min,x_max,y_max",
        "file,xmin,ymin,xmax,ymax",
        "file,xmin_px,ymin_px,xmax_px,ymax_px",
        "File, X_Min, Y_Min, X_Max, Y_Max",
        "\ufefffile,x_min,y_min,x_max,y_max",
    ],
)
def test_boxes_are_read_under_any_usual_header(tmp_path, header):
    boxes = read(tmp_path, f"{header}\ntrain/cat/0.png,1,2.5,3,4\n")
    assert boxes == {"train/cat/0.png": [(1, 2.5, 3, 4)]}


def test_columns_come_in_any_order_and_others_are_left_alone(tmp_path):
    boxes = read(tmp_path, "y_max,name,y_min,x_max,x_min,file\n4,bob,2,3,1,train/dog/0.png\n")
    assert boxes == {"train/dog/0.png": [(1, 2, 3, 4)]}


def test_an_image_may_have_several_boxes(tmp_path):
    boxes = read(
        tmp_path,
        "file,x_min,y_min,x_max,y_max\n"
        "train/dog/0.png,1,2,3,4\ntrain/cat/0.png,5,6,7,8\ntrain/dog/0.png,1,2,3,5\n",
    )
    assert boxes == {
        "train/dog/0.png": [(1, 2, 3, 4), (1, 2, 3, 5)],
        "train/cat/0.png": [(5, 6, 7, 8)],
    }


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "no column file, x_min, y_min, x_max, y_max"),
        ("file,x_min,x_max\n", "no column y_min, y_max"),
        ("file,x_min,y_min,x_max,y_max\ntrain/cat/0.png,1,2,3\n", "line 2: .* must be numbers"),
        ("file,x_min,y_min,x_max,y_max\ntrain/cat/0.png,1,two,3,4\n", "line 2: .* numbers"),
        ("file,x_min,y_min,x_max,y_max\ntrain/cat/0.png,1,nan,3,4\n", "line 2: .* finite"),
        ("file,x_min,y_min,x_max,y_max\ncat/7.png,1,2,3,4\n", "line 2: cat/7.png is not among"),
        ("x_min,y_min,x_max,y_max,file\n1,2,3,4\n", "line 2: the column file is empty"),
        ("x_min,y_min,x_max,y_max,file\n1,2,3,4,\n", "line 2: the column file is empty"),
        (
            "file,x_min,y_min,x_max,y_max\n" + "train/cat/0.png,1,2,3,4\n" * 2,
            "line 3: train/cat/0.png has this box already",
        ),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    with pytest.raises(UserError, match=message) as error:
        read(tmp_path, text)
    assert "boxes.csv" in str(error.value)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(UserError, match=r"--boxes_csv=.*nowhere\.csv cannot be read"):
        boxes_csv.read(tmp_path / "nowhere.csv", FILES)


def test_fractions_of_the_image():
    box = boxes_csv.relative((10, 20, 40, 50), height=100, width=50, file="a.png")
    assert box == (0.2, 0.2, 0.5, 0.8)


@pytest.mark.parametrize(
    "box",
    [
        (-1.5, 0, 5, 5),
        (0, -2, 5, 5),
        (0, 0, 51.5, 5),
        (0, 0, 5, 102),
        (5, 0, 4, 5),
        (0, 5, 5, 4),
        (51, 0, 50, 5),
    ],
)
def test_a_box_outside_its_image_is_told_with_both(box):
    with pytest.raises(UserError, match=r"a\.png: box .* 50 x 100 pixels"):
        boxes_csv.relative(box, height=100, width=50, file="a.png")


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((-1, 0, 5, 50), (0, 0, 0.5, 0.1)),
        ((0, -0.5, 5, 50), (0, 0, 0.5, 0.1)),
        ((25, 50, 51, 101), (0.5, 0.5, 1, 1)),
        ((50, 0, 51, 100), (0, 1, 1, 1)),
    ],
)
def test_a_box_that_sticks_out_by_a_pixel_is_clipped(box, expected):
    assert boxes_csv.relative(box, height=100, width=50, file="a.png") == expected


@pytest.mark.parametrize(
    ("box", "tiny"),
    [((1, 1, 4, 4), False), ((1, 1, 3.1, 40), False), ((1, 1, 3, 40), True), ((1, 1, 40, 2), True)],
)
def test_boxes_of_at_most_2_pixels_a_side_are_tiny(box, tiny):
    assert boxes_csv.is_tiny(box) == tiny
