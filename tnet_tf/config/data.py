"""What is read and how it is augmented."""

import dataclasses
import functools

from tnet_tf.config.setting import Part, require, require_finite, setting

_folder = functools.partial(setting, part=Part.FOLDER)
_augmentation = functools.partial(setting, part=Part.TRAINING_IMAGES)


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What is read and how it is augmented (appendix 2.2)."""

    dataset: str = setting(
        "digit_scenes",
        "Dataset: 'digit_scenes' or 'digit_scenes/HEIGHTxWIDTH' (built in), 'folder/NAME' (a "
        "folder of images, prepared with --folder), or an image-classification dataset of TFDS or "
        "with a card in data/, by its name.",
        usual=True,
    )
    data_dir: str = setting(
        "data/records", "Folder of the prepared TFRecords.", usual=True, may_change=True
    )
    folder: str = _folder(
        "",
        "For prepare with --dataset=folder/NAME: root/<split>/<class>/* or root/<class>/*.",
        usual=True,
        may_change=True,
    )
    boxes_csv: str = _folder(
        "",
        "For prepare with --dataset=folder/NAME: CSV with a row for each box and columns "
        "file,x_min,y_min,x_max,y_max in pixels (or xmin, .., or x_min_px, ..), file relative to "
        "--folder. Default: <folder>/boxes.csv where it exists.",
        may_change=True,
    )
    max_shorter_side: int = _folder(
        0, "Prepare: shrink images whose shorter side is longer than this many pixels; 0 keeps all."
    )
    max_pixels: int = _folder(
        2**26,
        "Prepare: an image of more pixels (height * width; WebP: of half as many) is a bad image "
        "and not decoded. Decoding takes up to 16 bytes of memory for each, 1.1 GB in all at the "
        "default, 8192 * 8192.",
        may_change=True,
    )
    on_bad_image: str = _folder(
        "stop",
        "Prepare: what an image does that is unreadable, too large (--max_pixels) or too small for "
        "the network.",
        choices=("stop", "skip"),
        may_change=True,
    )
    train_split: str = setting("", "Split to train on, TFDS syntax; default: the dataset's own.")
    validation_split: str = setting(
        "", "Split evaluated during training; default: the dataset's own."
    )
    test_split: str = setting(
        "", "Split that evaluate reads; default: the dataset's own.", may_change=True
    )
    image_size: tuple[int, ...] = setting(
        (224, 224),
        "Height and width in pixels to which images are resized; one number: square.",
        usual=True,
        sides=True,
    )
    random_crop: bool = _augmentation(
        False,
        "Train on crops, as --crop_method, --least_crop_area and --crop_aspect say.",
        usual=True,
    )
    crop_method: str = _augmentation(
        "distorted_bounding_box",
        "How --random_crop draws. 'distorted_bounding_box', TensorFlow's and TNet's: a tenth of "
        "the box, or of the image without one, stays in view; images that no crop fits stay whole, "
        "by the default area and aspect those beyond 2.35 : 1. 'random_resized_crop', "
        "torchvision's and MGNet's: ten tries, then a central crop, wherever the box is.",
        choices=("distorted_bounding_box", "random_resized_crop"),
    )
    least_crop_area: float = _augmentation(
        0.85, "Least share of the image's area that --random_crop keeps."
    )
    crop_aspect: float = _augmentation(
        0.5, "Least aspect ratio of a crop; the largest is its inverse."
    )
    random_resize: bool = _augmentation(
        False, "Resize training images by one of 8 interpolation methods at random."
    )
    random_flip: bool = _augmentation(
        False, "Flip training images left to right at random.", usual=True
    )
    auto_augment: bool = _augmentation(
        False, "Augment by AutoAugment's ImageNet policy (Cubuk et al., 2019)."
    )
    color_distortion: bool = _augmentation(
        False, "Distort brightness, saturation, hue and contrast in random order."
    )
    translation: float = _augmentation(
        0.0, "Translate training images by up to this share of a side."
    )
    rotation: float = _augmentation(0.0, "Rotate training images by up to this many degrees.")
    crop_to_box: bool = setting(
        False,
        "Classify the bounding box with a margin around it instead of the image (Table 2, BBoxes); "
        "each box of an image is an example.",
    )
    shuffle_buffer: int = _augmentation(10000, "Records held in memory to shuffle them.")
    data_workers: int = setting(
        0,
        "Parallel calls that decode and augment; 0: chosen by tf.data.",
        part=Part.SPEED,
        may_change=True,
    )

    def check(self) -> None:
        """Raises `UserError` for a value out of range."""
        require_finite(self)
        require(bool(self.data_dir), "--data_dir is empty; give the folder of the prepared records")
        require(len(self.image_size) == 2, "--image_size takes one or two numbers of pixels")
        require(min(self.image_size) > 0, f"--image_size={self.image_size} is not positive")
        require(self.shuffle_buffer >= 1, "--shuffle_buffer must be at least 1")
        require(self.data_workers >= 0, "--data_workers must not be negative")
        require(
            0 < self.least_crop_area <= 1,
            "--least_crop_area is a share of the area: above 0 to 1",
        )
        require(0 < self.crop_aspect <= 1, "--crop_aspect is a least ratio: above 0 to 1")
        require(0 <= self.translation < 1, "--translation is a share of the side: 0 to below 1")
        require(0 <= self.rotation <= 180, "--rotation is in degrees: 0 to 180")
        require(self.max_shorter_side >= 0, "--max_shorter_side must not be negative")
        require(self.max_pixels >= 1, "--max_pixels must be at least 1")
