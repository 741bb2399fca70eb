"""Settings of evaluate's measurements under corruptions and attacks."""

import dataclasses

from tnet_tf.config.setting import require, require_finite, setting

ATTACKS = ("fgsm", "pgd", "square")
ATTACK_UNITS = ("pixels", "standardised")
# In the order of the MGNet paper's table 2.
CORRUPTIONS = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
)
SEVERITIES = (1, 2, 3, 4, 5)


@dataclasses.dataclass(frozen=True)
class RobustnessConfig:
    """How test images are corrupted and attacked (MGNet paper, 4.1.2 and 4.1.3)."""

    corruptions: tuple[str, ...] = setting(
        (),
        "Common corruptions to evaluate under: 'all', or some of " + ", ".join(CORRUPTIONS) + ".",
        usual=True,
    )
    severities: tuple[int, ...] = setting(SEVERITIES, "Severities of --corruptions, 1 to 5.")
    attack: tuple[str, ...] = setting(
        (),
        "Attacks to evaluate under, all within --attack_epsilon of every pixel: fgsm and pgd "
        "follow the gradient, square (Andriushchenko et al., 2020) needs none.",
        usual=True,
    )
    attack_units: str = setting(
        "pixels",
        "What --attack_epsilon and --attack_step_size are 255ths of. pixels: the range of pixels. "
        "standardised: ImageNet's deviation of each channel (0.229, 0.224, 0.225 of that range), "
        "whatever --input_statistics; 4 are then about 0.9 of pixels. MGNet's are published so.",
        choices=ATTACK_UNITS,
    )
    attack_epsilon: float = setting(4.0, "Largest change of a pixel, in 255ths of --attack_units.")
    attack_step_size: float = setting(
        1.0, "Change of a pixel in a step of pgd, in 255ths of --attack_units."
    )
    attack_steps: tuple[int, ...] = setting(
        (1, 2, 4, 10, 20), "Numbers of steps of pgd; each is an attack of its own."
    )
    attack_random_start: bool = setting(
        False,
        "Start pgd anywhere within --attack_epsilon (the published curve starts at the image).",
    )
    attack_clip: bool = setting(
        False,
        "Keep attacked pixels in their valid range (the published curve does not; square does).",
    )
    attack_queries: tuple[int, ...] = setting(
        (100, 300), "Numbers of predictions that square may ask for."
    )
    attack_images: int = setting(
        0, "Attack this many images of the split only, up to the end of a batch; 0: all."
    )
    robustness_seed: int = setting(0, "Seed of corruptions and attacks.")
    compare: tuple[str, ...] = setting(
        (),
        "Folders with a robustness.json of other runs, or of this one with other settings, to show "
        "in the same tables and curves.",
    )

    def check(self) -> None:
        """Raises `UserError` for an unknown name or a value out of range."""
        require_finite(self)
        for flag, names, known in (
            ("corruptions", self.corruptions, ("all", *CORRUPTIONS)),
            ("attack", self.attack, ATTACKS),
        ):
            for name in names:
                require(name in known, f"--{flag}={name} is unknown; there are {', '.join(known)}")
        for severity in self.severities:
            require(severity in SEVERITIES, f"--severities={severity} is not one of 1, 2, 3, 4, 5")
        require(bool(self.severities), "--severities is empty; give some of 1, 2, 3, 4, 5")
        require(self.attack_epsilon >= 0, "--attack_epsilon must not be negative")
        require(self.attack_step_size > 0, "--attack_step_size must be positive")
        for name in ("attack_steps", "attack_queries"):
            numbers = getattr(self, name)
            require(bool(numbers) and min(numbers) > 0, f"--{name} takes positive numbers")
        for name in ("attack_images", "robustness_seed"):
            require(getattr(self, name) >= 0, f"--{name} must not be negative")

    @property
    def corruption_names(self) -> tuple[str, ...]:
        """The corruptions to measure; 'all' stands for every one."""
        return CORRUPTIONS if "all" in self.corruptions else self.corruptions

    @property
    def measures(self) -> bool:
        """Whether anything is to be measured."""
        return bool(self.corruptions or self.attack)
